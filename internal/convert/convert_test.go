package convert

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

const castle = "../../examples/castle/model"

// to converts and gives the file's bytes.
func to(t *testing.T, path, out string, opt Options) ([]byte, *Result) {
	t.Helper()
	res, err := Convert(context.Background(), path, out, opt)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if res.Bytes != int64(len(data)) {
		t.Fatalf("%d bytes said, %d written", res.Bytes, len(data))
	}
	return data, res
}

// filled writes the source that the golden's conversions were made of: elements k/3, k counting through all tensors.
func filled(t *testing.T, path string, names []string, shapes [][]int) {
	t.Helper()
	var list []tensor
	at := 0
	file, err := weights.OpenFile(filepath.Join(castle, "vae/diffusion_pytorch_model.safetensors")) // only its Guard is used
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for i, name := range names {
		n := 1
		for _, d := range shapes[i] {
			n *= d
		}
		data := make([]byte, 0, 4*n)
		for k := range n {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32((at+k)%1000-500)/3))
		}
		at += n
		list = append(list, tensor{name: name, dtype: "F32", shape: shapes[i], file: file, bytes: func() ([]byte, error) { return data, nil }})
	}
	if _, err := write(context.Background(), path, list, nil, Options{}); err != nil {
		t.Fatal(err)
	}
}

// TestRefinersBytes compares whole files with those that Refiners' own conversion writes, by their SHA-256.
func TestRefinersBytes(t *testing.T) {
	f, err := os.Open("../sdxl/keymap/testdata/refiners.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Files map[string]struct {
			Source [][]json.RawMessage
			SHA256 string
			Bytes  int64
		}
	}
	if err := json.NewDecoder(z).Decode(&golden); err != nil {
		t.Fatal(err)
	}
	if len(golden.Files) != 3 {
		t.Fatalf("%d conversions", len(golden.Files))
	}
	for part, g := range golden.Files {
		names, shapes := make([]string, len(g.Source)), make([][]int, len(g.Source))
		for i, row := range g.Source {
			if json.Unmarshal(row[0], &names[i]) != nil || json.Unmarshal(row[1], &shapes[i]) != nil {
				t.Fatalf("row %s", row)
			}
		}
		dir := t.TempDir()
		source := filepath.Join(dir, "source.safetensors")
		filled(t, source, names, shapes)
		data, res := to(t, source, filepath.Join(dir, "out.safetensors"), Options{To: ToRefiners, Half: true})
		if sum := sha256.Sum256(data); hex.EncodeToString(sum[:]) != g.SHA256 || res.Part != part || res.Bytes != g.Bytes {
			t.Errorf("%s: %s of %d bytes, sha256 %x; Refiners writes %d bytes, %s", part, res.Part, res.Bytes, sum, g.Bytes, g.SHA256)
		}
	}
}

// TestThereAndBack converts the small model's parts to Refiners' names and back: the files of its folder, byte for byte.
func TestThereAndBack(t *testing.T) {
	for part, original := range map[string]string{
		keymap.PartUNet: "unet/diffusion_pytorch_model.safetensors", keymap.PartVAE: "vae/diffusion_pytorch_model.safetensors", keymap.PartText: "text_encoder_2/model.safetensors",
	} {
		dir := t.TempDir()
		there := filepath.Join(dir, "r.safetensors")
		_, res := to(t, castle, there, Options{To: ToRefiners, Part: part})
		if (len(res.LeftOut) > 0) != (part == keymap.PartText) {
			t.Errorf("%s: left out %v", part, res.LeftOut)
		}
		back := Options{To: ToDiffusers}
		if part == keymap.PartText {
			back.Part = "text-encoder-2"
		}
		got, _ := to(t, there, filepath.Join(dir, "d.safetensors"), back)
		want, err := os.ReadFile(filepath.Join(castle, original))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: comes back as other bytes", part)
		}
	}
}

// TestRefinersFolder opens what was converted as a model: the same components, by digest, as the folder's.
func TestRefinersFolder(t *testing.T) {
	dir := t.TempDir()
	for part, name := range map[string]string{keymap.PartUNet: "unet", keymap.PartVAE: "lda", keymap.PartText: "text_encoder"} {
		to(t, castle, filepath.Join(dir, name+".safetensors"), Options{To: ToRefiners, Part: part})
	}
	digests := func(m *weights.Model, err error) (out []string) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for _, name := range []string{"unet", "vae", "text_encoder_2"} {
			c, err := m.Component(name)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, digest(t, c).String()+string(c.Config))
		}
		return out
	}
	got := digests(weights.Open(dir, weights.Options{Config: castle}))
	want := digests(weights.Open(castle, weights.Options{}))
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("component %d: %.64s, want %.64s", i, got[i], want[i])
		}
	}
	lone := digestsOf(t, filepath.Join(dir, "lda.safetensors"))
	if lone != want[1][:64] {
		t.Errorf("the autoencoder alone: %s, want %.64s", lone, want[1])
	}
}

// digestsOf is the digest of the autoencoder of a lone file.
func digestsOf(t *testing.T, path string) string {
	t.Helper()
	m, err := weights.OpenPart(path, "vae", weights.Options{Config: castle})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := m.Component("vae")
	if err != nil {
		t.Fatal(err)
	}
	return digest(t, c).String()
}

// TestImagePrompt opens an IP-Adapter and an image encoder in Refiners' names: the same components, by digest, as in their own.
func TestImagePrompt(t *testing.T) {
	model, err := sdxl.Open(castle, weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	const folder = "../../examples/image-prompt/ip-adapter/"
	dir := t.TempDir()
	to(t, folder+"ip-adapter-plus.safetensors", filepath.Join(dir, "ip.safetensors"), Options{To: ToRefiners, Config: castle})
	to(t, folder+"image_encoder", filepath.Join(dir, "encoder.safetensors"), Options{To: ToRefiners})
	config, err := os.ReadFile(folder + "image_encoder/config.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o644); err != nil {
		t.Fatal(err)
	}
	adapter := func(path string) weights.Digest {
		t.Helper()
		a, err := sdxl.OpenImageAdapter(path, "ip_adapter.0", model.UNet)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		return digest(t, a.Component)
	}
	if got, want := adapter(filepath.Join(dir, "ip.safetensors")), adapter(folder+"ip-adapter-plus.safetensors"); got != want {
		t.Errorf("adapter %s, want %s", got, want)
	}
	encoder := func(path string) weights.Digest {
		t.Helper()
		e, err := sdxl.OpenImageEncoder(path, weights.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		return digest(t, e.Component)
	}
	if got, want := encoder(filepath.Join(dir, "encoder.safetensors")), encoder(folder+"image_encoder"); got != want {
		t.Errorf("image encoder %s, want %s", got, want)
	}
	if _, err := sdxl.OpenImageAdapter(filepath.Join(dir, "encoder.safetensors"), "ip_adapter.0", model.UNet); err == nil ||
		!strings.Contains(err.Error(), "is Refiners' image-encoder; wanted is its ip-adapter") {
		t.Errorf("an image encoder as an adapter: %v", err)
	}
}

func digest(t *testing.T, c *weights.Component) weights.Digest {
	t.Helper()
	d, err := c.Digest(context.Background(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestTorch copies a torch file: every tensor as it is.
func TestTorch(t *testing.T) {
	out := filepath.Join(t.TempDir(), "o.safetensors")
	to(t, "../torchfile/testdata/state_dict.bin", out, Options{})
	got, err := weights.OpenFile(out)
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	want, err := weights.OpenFile("../torchfile/testdata/tensors.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer want.Close()
	if strings.Join(got.Names(), " ") != strings.Join(want.Names(), " ") {
		t.Fatalf("order %v, want the library's %v", got.Names(), want.Names())
	}
	for _, n := range want.Names() {
		a, _ := got.Tensor(n)
		b, _ := want.Tensor(n)
		if a.DType != b.DType || !bytes.Equal(a.Data, b.Data) {
			t.Errorf("%s differs", n)
		}
	}
}

// TestRoundHalf rounds values beside and between all halves.
func TestRoundHalf(t *testing.T) {
	for h := range uint16(0x7c00) {
		v, next := float64(numeric.FromF16(h)), float64(numeric.FromF16(h+1))
		if h == 0x7bff {
			next = 65536
		}
		middle := float32((v + next) / 2)
		even := h + h&1
		for value, want := range map[float32]uint16{
			float32(v): h, middle: even, math.Nextafter32(middle, 0): h, math.Nextafter32(middle, 1e9): h + 1,
		} {
			if got := numeric.ToF16(value); got != want {
				t.Fatalf("%g is %04x, want %04x", value, got, want)
			}
			if got := numeric.ToF16(-value); got != want|0x8000 {
				t.Fatalf("%g is %04x, want %04x", -value, got, want|0x8000)
			}
		}
	}
	for _, v := range []float32{65520, 1e9, float32(math.Inf(1))} {
		if got := numeric.ToF16(v); got != 0x7c00 {
			t.Errorf("%g is %04x", v, got)
		}
	}
	if got := numeric.ToF16(1e-10); got != 0 {
		t.Errorf("1e-10 is %04x", got)
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	there := filepath.Join(dir, "there.safetensors")
	for value, name := range map[float32]string{1e6: "big.safetensors", float32(math.NaN()): "nan.safetensors"} {
		raw := binary.LittleEndian.AppendUint32(nil, math.Float32bits(value))
		header := `{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
		file := append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...), raw...)
		if err := os.WriteFile(filepath.Join(dir, name), file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(there, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	adapter := "../torchfile/testdata/nested.bin"
	for _, c := range []struct {
		path, out string
		opt       Options
		want      string
	}{
		{castle, "", Options{}, "holds several parts (say which: --part text, --part unet, --part vae)"},
		{castle, "", Options{To: "onnx"}, `names cannot be converted to "onnx"; there are original, diffusers, refiners`},
		{castle, "", Options{Part: "clip"}, `there is no part "clip"; there are text, unet,`},
		{castle, "", Options{Part: "ip-adapter"}, "has no ip-adapter (it holds text, unet, vae)"},
		{castle, "", Options{Part: "text", To: ToDiffusers}, "diffusers keeps the text encoders in two files"},
		{castle, "", Options{Part: "text"}, "both text encoders have a tensor"},
		{castle, "", Options{Part: "text-encoder", To: ToRefiners}, "both text encoders are one file in Refiners"},
		{castle, there, Options{Part: "unet"}, "there.safetensors is there already (--force writes over it)"},
		{castle + "/unet", "", Options{Part: "vae"}, "has no vae (it holds unet)"},
		{castle + "/scheduler", "", Options{}, "the model lacks this file"},
		{castle + "/nothing", "", Options{}, "cannot open what to convert"},
		{filepath.Join(dir, "big.safetensors"), "", Options{Half: true}, `tensor "w": holds values beyond half precision's 65504; leave --half out`},
		{filepath.Join(dir, "nan.safetensors"), "", Options{Half: true}, `tensor "w": holds NaN`},
		{filepath.Join(dir, "big.safetensors"), "", Options{To: ToRefiners}, "its names are those of no part that is known (--to original keeps them)"},
		{adapter, "", Options{To: ToRefiners}, "an IP-Adapter for 1 cross-attentions; the UNet has 70"},
		{adapter, "", Options{To: ToRefiners, Config: castle}, "the UNet has 16 (down 6, middle 1, up 9)"},
		{"../torchfile/testdata/module.bin", "", Options{}, `the global "torch.nn.modules.linear.Linear" is refused`},
	} {
		out := c.out
		if out == "" {
			out = filepath.Join(dir, "out.safetensors")
		}
		_, err := Convert(context.Background(), c.path, out, c.opt)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %+v: %v; want %q", c.path, c.opt, err, c.want)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".flow-convert-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("files left behind: %v, %v", left, err)
	}
	if data, err := os.ReadFile(there); err != nil || len(data) > 0 {
		t.Errorf("the file that was there: %d bytes, %v", len(data), err)
	}
}
