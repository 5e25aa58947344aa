package weights

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// castleTensors reads the small model's tensors and digests.
func castleTensors(t *testing.T) (map[string][]stored, map[string]Digest) {
	t.Helper()
	m := openModel(t, castle, Options{})
	tensors, digests := make(map[string][]stored), make(map[string]Digest)
	for _, name := range Components {
		c := part(t, m, name)
		tensors[name], digests[name] = contents(t, c), digest(t, c)
	}
	return tensors, digests
}

// sameDigests opens a model and compares its components' digests.
func sameDigests(t *testing.T, path string, opt Options, want map[string]Digest) {
	t.Helper()
	m := openModel(t, path, opt)
	for name, w := range want {
		if got := digest(t, part(t, m, name)); got != w {
			t.Errorf("digest of the %s is %s; want %s", name, got, w)
		}
	}
}

func TestDigestIsOfContentNotContainer(t *testing.T) {
	tensors, digests := castleTensors(t)
	seen := make(map[Digest]string)
	for name, d := range digests {
		if other := seen[d]; other != "" {
			t.Errorf("%s and %s have one digest", name, other)
		}
		seen[d] = name
	}
	dir := t.TempDir()
	writeLayouts(t, dir, tensors)
	sameDigests(t, filepath.Join(dir, "sharded"), Options{}, digests)
	sameDigests(t, filepath.Join(dir, "variant"), Options{}, digests)
	sameDigests(t, filepath.Join(dir, "variant"), Options{Variant: "fp16"}, digests)
	sameDigests(t, filepath.Join(dir, "names"), Options{}, digests)
	single := filepath.Join(dir, "single.safetensors")
	sameDigests(t, single, Options{Config: castle}, digests)
	m := openModel(t, single, Options{Config: castle})
	if files, err := m.Tokenizer("tokenizer"); err != nil || len(files) != 4 {
		t.Errorf("tokenizer: %d files, error %v", len(files), err)
	}
	bare := openModel(t, single, Options{})
	if files, err := bare.Tokenizer("tokenizer_2"); err != nil || files != nil {
		t.Errorf("a single file gives tokenizer files %v, error %v", files, err)
	}
	if _, err := bare.Component("unet"); err == nil || !strings.Contains(err.Error(), "96 channels are not a multiple of 64") {
		t.Errorf("heads of another width: %v", err)
	}
}

// writeLayouts writes the small model's tensors below dir in every layout that has its digests: the folders sharded, variant
// (fp16) and names (those of other releases), and the single file single.safetensors.
func writeLayouts(t *testing.T, dir string, tensors map[string][]stored) {
	t.Helper()
	for _, layout := range []string{"sharded", "variant", "names"} {
		copyConfig(t, castle, filepath.Join(dir, layout))
	}
	for name, list := range tensors {
		base := weightBase(name)
		writeSharded(t, filepath.Join(dir, "sharded", name), base, list)
		writeTensors(t, filepath.Join(dir, "variant", name, base+".fp16.safetensors"), list, nil)
		writeTensors(t, filepath.Join(dir, "names", name, base+".safetensors"), otherNames(name, list), map[string]string{"format": "pt"})
	}
	writeSingle(t, filepath.Join(dir, "single.safetensors"), singleFileGolden(t, "sdxl"), tensors)
}

// writeSharded writes tensors to two files with an index.
func writeSharded(t *testing.T, dir, base string, tensors []stored) {
	t.Helper()
	index := make(map[string]string)
	for i, half := range [][]stored{tensors[:len(tensors)/3], tensors[len(tensors)/3:]} {
		shard := fmt.Sprintf("%s-%05d-of-00002.safetensors", base, i+1)
		for _, s := range half {
			index[s.name] = shard
		}
		writeTensors(t, filepath.Join(dir, shard), half, nil)
	}
	raw, err := json.Marshal(map[string]any{"metadata": map[string]int{"total_size": 1}, "weight_map": index})
	if err != nil {
		t.Fatal(err)
	}
	writeTo(t, filepath.Join(dir, base+".safetensors.index.json"), raw)
}

// otherNames spells names as other releases of transformers and diffusers do, adds a buffer and
// stores tensors in another order.
func otherNames(component string, tensors []stored) []stored {
	tensors = slices.Clone(tensors)
	slices.Reverse(tensors)
	old := map[string]string{".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
	for i := range tensors {
		s := &tensors[i]
		s.name = strings.TrimPrefix(s.name, "text_model.")
		if component != "vae" || !strings.Contains(s.name, ".attentions.") {
			continue
		}
		for to, from := range old {
			s.name = strings.Replace(s.name, to, from, 1)
		}
		if len(s.shape) == 2 {
			s.shape = append(slices.Clone(s.shape), 1, 1)
		}
	}
	if strings.HasPrefix(component, "text_encoder") {
		tensors = append(tensors, stored{"embeddings.position_ids", "I64", []int{1, 2}, make([]byte, 16)})
	}
	return tensors
}

// writeSingle writes all components in the original layout, with a few tensors that are no weights.
func writeSingle(t *testing.T, path string, g goldenCase, tensors map[string][]stored) {
	t.Helper()
	all := []stored{
		{"conditioner.embedders.1.model.logit_scale", "F32", []int{}, []byte{0, 0, 128, 63}},
		{"conditioner.embedders.0.transformer.text_model.embeddings.position_ids", "I64", []int{1, 1}, make([]byte, 8)},
		{"denoiser.sigmas", "F32", []int{2}, make([]byte, 8)},
	}
	for name, list := range tensors {
		all = append(all, g.single(t, name, list)...)
	}
	writeTensors(t, path, all, nil)
}

// TestSingleFileInfersConfiguration makes a model of the unlike configuration both ways, with random
// weights, and compares digests that include the parsed configuration.
func TestSingleFileInfersConfiguration(t *testing.T) {
	g := singleFileGolden(t, "unlike")
	rng := rand.New(rand.NewPCG(1, 2))
	var all []stored
	for _, name := range Components {
		for _, row := range g.Tensors[name] {
			all = append(all, stored{row.name, "F16", row.shape, randomHalf(rng, row.shape)})
		}
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	writeTensors(t, path, all, nil)
	single := openModel(t, path, Options{})
	dir := t.TempDir()
	writeTo(t, filepath.Join(dir, "model_index.json"), []byte(`{"_class_name": "StableDiffusionXLPipeline"}`))
	for _, name := range Components {
		writeTo(t, filepath.Join(dir, name, "config.json"), g.Config[name])
		writeTensors(t, filepath.Join(dir, name, weightBase(name)+".safetensors"), contents(t, part(t, single, name)), nil)
	}
	folder := openModel(t, dir, Options{})
	for _, name := range Components {
		a, b := digestWithConfig(t, part(t, single, name)), digestWithConfig(t, part(t, folder, name))
		if a != b {
			t.Errorf("%s: digest %s of the single file, %s of the folder", name, a, b)
		}
		if a == digest(t, part(t, single, name)) {
			t.Errorf("%s: the configuration is not part of the digest", name)
		}
	}
}

// randomHalf makes finite fp16 numbers.
func randomHalf(rng *rand.Rand, shape []int) []byte {
	n := 1
	for _, d := range shape {
		n *= d
	}
	data := make([]byte, 0, 2*n+8)
	for len(data) < 2*n {
		data = binary.LittleEndian.AppendUint64(data, rng.Uint64()&0xbbffbbffbbffbbff)
	}
	return data[:2*n]
}

// digestWithConfig includes the configuration as builders read it.
func digestWithConfig(t *testing.T, c *Component) Digest {
	t.Helper()
	var parsed any
	var err error
	switch c.Name {
	case "unet":
		parsed, err = config.ParseUNet(c.Config)
	case "vae":
		parsed, err = config.ParseVAE(c.Config)
	default:
		parsed, err = config.ParseText(c.Config)
	}
	if err != nil {
		t.Fatal(err)
	}
	doc, err := JSONDocument("config", parsed)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.Digest(t.Context(), nil, doc)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestElementTypes(t *testing.T) {
	values := []float32{1, -2.5, 0.15625, 0}
	half := []uint16{0x3c00, 0xc100, 0x3100, 0}
	data := make(map[string][]byte)
	for i, v := range values {
		data["F16"] = binary.LittleEndian.AppendUint16(data["F16"], half[i])
		data["BF16"] = binary.LittleEndian.AppendUint16(data["BF16"], uint16(math.Float32bits(v)>>16))
		data["F32"] = binary.LittleEndian.AppendUint32(data["F32"], math.Float32bits(v))
		data["F64"] = binary.LittleEndian.AppendUint64(data["F64"], math.Float64bits(float64(v)))
		data["F8_E4M3"] = append(data["F8_E4M3"], 1)
	}
	seen := make(map[Digest]bool)
	for dtype, raw := range data {
		dir := t.TempDir()
		copyConfig(t, castle, dir)
		writeTensors(t, filepath.Join(dir, "unet", weightBase("unet")+".safetensors"), []stored{{"w", dtype, []int{2, 2}, raw}}, nil)
		c := part(t, openModel(t, dir, Options{}), "unet")
		if d := digest(t, c); seen[d] {
			t.Errorf("%s has the digest of another type", dtype)
		} else {
			seen[d] = true
		}
		w, err := NewBundle(c).Weight("unet/w")
		if dtype == "F8_E4M3" {
			if err == nil || !strings.Contains(err.Error(), "element type F8_E4M3") {
				t.Errorf("%s is accepted, error %v", dtype, err)
			}
			continue
		}
		if err != nil || string(w.Data) != string(raw) || w.Type.Size()*4 != len(raw) || !slices.Equal(w.Shape, []int{2, 2}) {
			t.Errorf("%s: type %d, shape %v, %d bytes, error %v", dtype, w.Type, w.Shape, len(w.Data), err)
		}
	}
}

func TestVariants(t *testing.T) {
	for _, c := range []struct {
		files, variant, want string
	}{
		{"b.safetensors", "", "b.safetensors"},
		{"b.safetensors b.fp16.safetensors", "", "b.safetensors"},
		{"b.safetensors b.fp16.safetensors", "fp16", "b.fp16.safetensors"},
		{"b.fp16.safetensors b-00001-of-00002.safetensors", "", "b.fp16.safetensors"},
		{"b.safetensors.index.json", "", "b.safetensors.index.json"},
		{"b.safetensors.index.json b.safetensors", "", "b.safetensors"},
		{"b.safetensors.index.fp16.json", "fp16", "b.safetensors.index.fp16.json"},
		{"b.fp16.safetensors.index.json", "", "b.fp16.safetensors.index.json"},
		{"b.fp16.safetensors b.bf16.safetensors", "", "weights in several variants: bf16, fp16 (say which: variant: bf16)"},
		{"b.fp16.safetensors b.safetensors", "fp32", `no weights of variant "fp32"; there is the one without a name, fp16`},
		{"b.bin", "", "b.bin"},
		{"b.bin b.safetensors", "", "b.safetensors"},
		{"b.bin b.fp16.safetensors", "", "b.bin"},
		{"b.fp16.bin b.safetensors", "fp16", "b.fp16.bin"},
		{"b.bin.index.json", "", "b.bin.index.json"},
		{"other.txt b.a.b.safetensors", "", "the model lacks this file"},
	} {
		dir := t.TempDir()
		for _, f := range strings.Fields(c.files) {
			writeTo(t, filepath.Join(dir, f), nil)
		}
		sel, err := findWeights(dir, []format{{"b", "safetensors"}, {"b", "bin"}}, c.variant)
		if sel.name != c.want && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s, variant %q: %q, error %v; want %q", c.files, c.variant, sel.name, err, c.want)
		}
		if err == nil && sel.sharded != strings.HasSuffix(sel.name, ".json") {
			t.Errorf("%s is sharded: %v", sel.name, sel.sharded)
		}
	}
}

func TestBadFolders(t *testing.T) {
	index := "unet/diffusion_pytorch_model.safetensors.index.json"
	for want, change := range map[string]map[string]string{
		`"../../etc/x.safetensors" is not the name of a safetensors or .bin file in the same folder`: {index: `{"weight_map": {"w": "../../etc/x.safetensors"}}`},
		`"sub\\x.safetensors" is not the name`:                                                       {index: `{"weight_map": {"w": "sub\\x.safetensors"}}`},
		"weight_map has 0 tensors":                                                                   {index: `{"weight_map": {}}`},
		"index.json: not the JSON that it should be":                                                 {index: `{`},
		"config.json: not the JSON that it should be":                                                {"unet/config.json": `[1]`},
		`a pipeline of class "FluxPipeline" is not supported`:                                        {"model_index.json": `{"_class_name": "FluxPipeline"}`},
		"config.json: more than 33554432 bytes are not accepted":                                     {"unet/config.json": strings.Repeat(" ", maxSmallFile+1)},
		`tensor "w": the index says that it is here, and it is not`:                                  {index: `{"weight_map": {"w": "s.safetensors"}}`, "unet/s.safetensors": string(withLength("{}", nil))},
		"x.safetensors: cannot open the weights":                                                     {index: `{"weight_map": {"w": "x.safetensors"}}`},
		`diffusion_pytorch_model.safetensors: the model lacks this file`:                             {"unet/other.txt": ""},
	} {
		dir := t.TempDir()
		copyConfig(t, castle, dir)
		for file, text := range change {
			writeTo(t, filepath.Join(dir, file), []byte(text))
		}
		m, err := Open(dir, Options{})
		if err == nil {
			_, err = m.Component("unet")
			if cerr := m.Close(); cerr != nil {
				t.Error(cerr)
			}
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("error %v; want %q and the file's path in it", err, want)
		}
	}
}

func TestTwoNamesForOneTensor(t *testing.T) {
	dir := t.TempDir()
	copyConfig(t, castle, dir)
	zero := make([]byte, 2)
	writeTensors(t, filepath.Join(dir, "text_encoder", "model.safetensors"),
		[]stored{{"text_model.x.weight", "F16", []int{1}, zero}, {"x.weight", "F16", []int{1}, zero}}, nil)
	_, err := openModel(t, dir, Options{}).Component("text_encoder")
	if err == nil || !strings.Contains(err.Error(), `tensor "x.weight": is text_model.x.weight of the text_encoder, and so is tensor "text_model.x.weight"`) {
		t.Errorf("error %v", err)
	}
}

func TestOpenNamesWhatIsNotThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	if _, err := Open(missing, Options{}); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error %v", err)
	}
	empty := t.TempDir()
	if _, err := Open(empty, Options{}); err == nil || !strings.Contains(err.Error(), "model_index.json: the model lacks this file") {
		t.Errorf("error %v", err)
	}
	lora := filepath.Join(t.TempDir(), "lora.safetensors")
	writeTensors(t, lora, []stored{{"lora_unet_x.alpha", "F16", []int{1}, make([]byte, 2)}}, nil)
	if _, err := Open(lora, Options{}); err == nil || !strings.Contains(err.Error(), "not a model checkpoint") {
		t.Errorf("error %v", err)
	}
	if err := os.Remove(lora); err != nil {
		t.Error(err)
	}
	m := openModel(t, castle, Options{})
	if _, err := m.Component("text_encoder_3"); err == nil {
		t.Error("a component of an unknown name is opened")
	}
	if _, err := m.Tokenizer("vae"); err == nil {
		t.Error("a tokenizer of an unknown name is opened")
	}
}

// Sizes come from headers: a weight that its file keeps transposed is made in memory when it is read, the others lie in the mapped file.
func TestSizes(t *testing.T) {
	tensors, _ := castleTensors(t)
	dir := t.TempDir()
	writeLayouts(t, dir, tensors)
	m := openModel(t, filepath.Join(dir, "single.safetensors"), Options{Config: castle})
	b := NewBundle(part(t, m, "unet"), part(t, m, "text_encoder_2"))
	made := 0
	for _, part := range []string{"unet", "text_encoder_2"} {
		for _, s := range tensors[part] {
			name := part + "/" + s.name
			bytes, mapped := b.Size(name)
			w, err := b.Weight(name)
			if err != nil || bytes != int64(len(w.Data)) || !slices.Equal(b.Shape(name), w.Shape) {
				t.Errorf("%s: %d bytes of shape %v, read %d of %v, %v", name, bytes, b.Shape(name), len(w.Data), w.Shape, err)
			}
			if !mapped {
				made++
			}
		}
	}
	if made != 1 {
		t.Errorf("%d weights are made, not the text projection alone", made)
	}
	if n, mapped := b.Size("unet/none"); n != 0 || mapped || b.Shape("unet/none") != nil {
		t.Errorf("a weight that is not there has %d bytes", n)
	}
}
