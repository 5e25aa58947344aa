package kinds

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
)

const (
	castle    = "../../examples/castle/"
	promptDir = "../../examples/image-prompt/"
)

// cropped writes reference.png without its upper quarter, the second picture of the goldens.
func cropped(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(promptDir + "reference.png")
	if err != nil {
		t.Fatal(err)
	}
	m, err := nodes.DecodePNG(data)
	if err != nil {
		t.Fatal(err)
	}
	m.Pix, m.Height = m.Pix[3*m.Width*64:], m.Height-64
	if data, err = nodes.EncodePNG(m); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "cropped.png")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// encode runs an encode-image node.
func encode(t *testing.T, edition, picture string) (map[string]nodes.Tensor, error) {
	t.Helper()
	return encodeAfter(t, edition, picture, func() {})
}

// encodeAfter does something between hashing and running.
func encodeAfter(t *testing.T, edition, picture string, before func()) (map[string]nodes.Tensor, error) {
	t.Helper()
	op, err := EncodeImage().New(nodes.NewArgs(map[string]any{"image": nodes.File{Path: picture}, "weights": nodes.File{Path: promptDir + "ip-adapter/image_encoder"}}))
	if err != nil {
		t.Fatal(err)
	}
	env := &nodes.Env{Executor: cpu.New(), Edition: edition, Progress: func(int, int) {}}
	plan, err := op.(nodes.StoredOp).Plan(env, nodes.PlanInputs{})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() {
		for _, l := range plan.Own {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	for _, use := range plan.Uses {
		for _, c := range use.Components {
			if _, err := plan.Own[use.Input].Digest(t.Context(), c, nil); err != nil {
				return nil, err
			}
		}
	}
	before()
	out, err := op.(nodes.StoredOp).Run(t.Context(), env, nodes.Inputs{Live: plan.Own})
	if err != nil {
		return nil, err
	}
	list := out["tokens"].(*nodes.Tensors).List
	for name, shape := range plan.Outputs["tokens"].Shapes {
		if !slices.Equal(list[name].Shape, shape) {
			t.Errorf("%s has the shape %v, planned was %v", name, list[name].Shape, shape)
		}
	}
	return list, nil
}

// goldenFloats reads fp32 from a golden file.
func goldenFloats(t *testing.T, file, name string) []float32 {
	t.Helper()
	f, err := weights.OpenFile("../../internal/sdxl/testdata/castle/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	raw, ok := f.Tensor(name)
	if !ok {
		t.Fatalf("no %s in %s", name, file)
	}
	var out []float32
	for at := 0; at < len(raw.Data); at += 4 {
		out = append(out, math.Float32frombits(binary.LittleEndian.Uint32(raw.Data[at:])))
	}
	return out
}

// TestEncodeImageEditions: from the file to the tokens' input, each edition gives what its reference gives, of a picture that
// is not square.
func TestEncodeImageEditions(t *testing.T) {
	path := cropped(t)
	got := make(map[string][]float32)
	for edition, golden := range map[string][2]string{"diffusers": {"ip_adapter.safetensors", "hidden.3"}, "refiners": {"ip_adapter_refiners.safetensors", "hidden"}} {
		list, err := encode(t, edition, path)
		if err != nil {
			t.Fatal(err)
		}
		got[edition] = list["hidden"].Data
		for name, want := range map[string][]float32{
			"hidden": goldenFloats(t, golden[0], golden[1]), "embeds": goldenFloats(t, golden[0], "embeds"), "zero_hidden": goldenFloats(t, golden[0], "zero_hidden"),
		} {
			n := len(list[name].Data)
			d := parity.Difference(list[name].Data, want[len(want)-n:])
			t.Logf("%s, %s: %.1e", edition, name, d)
			if d > parity.ImageBound {
				t.Errorf("%s: %s differs by %.2e", edition, name, d)
			}
		}
	}
	if d := parity.Difference(got["diffusers"], got["refiners"]); d < 10*parity.ImageBound {
		t.Errorf("the editions differ by %.1e only: the test would not see one taken for the other", d)
	}
}

// TestEncodeImageChanged: a picture that is not the one whose digest is in the key is an error that names it.
func TestEncodeImageChanged(t *testing.T) {
	path := cropped(t)
	_, err := encodeAfter(t, "diffusers", path, func() {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	})
	if err == nil || !strings.Contains(err.Error(), path+": the file changed while it was in use") {
		t.Errorf("got %v", err)
	}
}

func TestEncodeImageRefuses(t *testing.T) {
	data, err := os.ReadFile(promptDir + "reference.png")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "short.png")
	if err := os.WriteFile(path, data[:len(data)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := encode(t, "diffusers", path); err == nil || !strings.Contains(err.Error(), path+": PNG: ") {
		t.Errorf("a picture cut short: %v", err)
	}
	if _, err := encode(t, "diffusers", castle+"README.md"); err == nil || !strings.Contains(err.Error(), "README.md") {
		t.Errorf("a text: %v", err)
	}
}

// adapt opens an ip-adapter node with the adapter in a file on the small model.
func adapt(t *testing.T, path string, width int) (*model, error) {
	t.Helper()
	live, err := (&loadModel{weights: nodes.File{Path: castle + "model"}}).Open(t.Context(), &nodes.Env{}, nodes.PlanInputs{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = live["model"].Close() })
	op := &ipAdapter{weights: nodes.File{Path: path}, pictures: []float32{1, 2}}
	op.scale.Up, op.scale.Mid = 1, 1
	meta := nodes.Meta{Of: nodes.ImageEmbeddingType, Shapes: map[string][]int{"hidden": {1, 65, width}, "zero_hidden": {1, 65, width}}}
	in := nodes.PlanInputs{Live: live, Stored: map[string]nodes.Meta{"images.0.from": meta, "images.1.from": meta},
		Sources: map[string]nodes.Source{"images.0.from": {Step: 4, Port: "tokens"}, "images.1.from": {Step: 2, Port: "tokens"}}}
	out, err := op.Open(t.Context(), &nodes.Env{}, in)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = out["model"].Close() })
	return out["model"].(*model), nil
}

func TestIPAdapterNeeds(t *testing.T) {
	m, err := adapt(t, promptDir+"ip-adapter/ip-adapter-plus.safetensors", 96)
	if err != nil {
		t.Fatal(err)
	}
	var live nodes.Dependent = m
	if got := live.Needs("ip_adapter"); !slices.Equal(got, []nodes.Source{{Step: 4, Port: "tokens"}, {Step: 2, Port: "tokens"}}) {
		t.Errorf("the adapter needs %v", got)
	}
	for _, c := range []string{"unet", "text_encoder", "vae", "ip_adapter_2"} {
		if got := live.Needs(c); len(got) > 0 {
			t.Errorf("%s needs %v", c, got)
		}
	}
	if m.with(nil).Needs("ip_adapter") == nil {
		t.Error("a LoRA on top makes the model forget its pictures")
	}
}

// TestIPAdapterDigest: scale and weights are in the adapter's digest and in no other.
func TestIPAdapterDigest(t *testing.T) {
	m, err := adapt(t, promptDir+"ip-adapter/ip-adapter-plus.safetensors", 96)
	if err != nil {
		t.Fatal(err)
	}
	digests := func() map[string]nodes.Digest {
		out := make(map[string]nodes.Digest)
		for _, c := range []string{"unet", "ip_adapter"} {
			d, err := m.Digest(t.Context(), c, nil)
			if err != nil {
				t.Fatal(err)
			}
			if known, unread, ok := m.Known(c, nil); !ok || unread != 0 || known != d {
				t.Errorf("%s is not known after it was hashed", c)
			}
			out[c] = d
		}
		return out
	}
	before := digests()
	for name, change := range map[string]func(){"scale": func() { m.images[0].scale.Down = 0.5 }, "weight": func() { m.images[0].pictures[1].weight = 3 }} {
		change()
		after := digests()
		if after["ip_adapter"] == before["ip_adapter"] || after["unet"] != before["unet"] {
			t.Errorf("after another %s: %v, before %v", name, after, before)
		}
		before = after
	}
}

func TestIPAdapterWrongEncoder(t *testing.T) {
	_, err := adapt(t, promptDir+"ip-adapter/ip-adapter-plus.safetensors", 1280)
	if err == nil || !strings.Contains(err.Error(), "reads 96 channels of a picture and the image encoder of images.0.from gives 1280") {
		t.Errorf("got %v", err)
	}
}

// spoiled writes the Plus adapter with some tensors' first elements replaced.
func spoiled(t *testing.T, bits map[string]uint16) string {
	t.Helper()
	data, err := os.ReadFile(promptDir + "ip-adapter/ip-adapter-plus.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	file, err := safetensors.Deserialize(bytes.Clone(data))
	if err != nil {
		t.Fatal(err)
	}
	views := make(map[string]safetensors.TensorView)
	for _, named := range file.Tensors() {
		raw := bytes.Clone(named.TensorView.Data())
		if b, ok := bits[named.Name]; ok {
			binary.LittleEndian.PutUint16(raw, b)
		}
		view, err := safetensors.NewTensorView(named.TensorView.DType(), named.TensorView.Shape(), raw)
		if err != nil {
			t.Fatal(err)
		}
		views[named.Name] = view
	}
	if data, err = safetensors.Serialize(views, nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "spoiled.safetensors")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestIPAdapterNaN: all values that are no numbers come in one error, before anything is computed.
func TestIPAdapterNaN(t *testing.T) {
	bad := map[string]uint16{"image_proj.latents": 0x7e00, "ip_adapter.31.to_k_ip.weight": 0x7c00}
	m, err := adapt(t, spoiled(t, bad), 96)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Digest(t.Context(), "ip_adapter", nil); err != nil {
		t.Fatal(err)
	}
	src, err := m.weights("unet", "ip_adapter")
	if err != nil {
		t.Fatal(err)
	}
	op := &denoise{steps: 1, guidance: 5}
	s, err := op.setup(&nodes.Env{Edition: "diffusers"}, map[string]nodes.Live{"model": m}, []int{1, 8, 8, 4}, []int{1, 77, 160}, []int{1, 96})
	if err != nil {
		t.Fatal(err)
	}
	_, err = src.Check(s.program.Weights())
	if err == nil {
		t.Fatal("an adapter with NaN passes")
	}
	for _, want := range []string{"2 of ", `"image_proj.latents": holds NaN`, `"ip_adapter.31.to_k_ip.weight": holds infinities`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not in %v", want, err)
		}
	}
}
