package runtime_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/clip"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// Files of the model that keys are tried with: the castle's configurations and tokenizers with a UNet, encoders and adapters that run in milliseconds.
const (
	unetFile     = "model/unet/diffusion_pytorch_model.safetensors"
	vaeFile      = "model/vae/diffusion_pytorch_model.safetensors"
	text1File    = "model/text_encoder/model.safetensors"
	text2File    = "model/text_encoder_2/model.safetensors"
	otherVAEFile = "other-vae/diffusion_pytorch_model.safetensors"
	loraFile     = "lora.safetensors"
	plusFile     = "plus.safetensors"
	baseFile     = "base.safetensors"
	encoderFile  = "encoder/model.safetensors"
	pictureFile  = "picture.png"
)

// weightFiles are the files with tensors.
var weightFiles = []string{unetFile, vaeFile, text1File, text2File, otherVAEFile, loraFile, plusFile, baseFile, encoderFile}

// tinyConfigs are what the castle's configurations are made tiny with; null leaves a field out.
var tinyConfigs = map[string]string{
	"model/unet/config.json": `{"block_out_channels": [8, 16], "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
		"attention_head_dim": [1, 2], "transformer_layers_per_block": [1, 1], "layers_per_block": 1, "cross_attention_dim": 16, "norm_num_groups": 4,
		"addition_time_embed_dim": 4, "projection_class_embeddings_input_dim": 32}`,
	"model/vae/config.json": `{"block_out_channels": [8, 8], "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D"], "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D"],
		"norm_num_groups": 4, "shift_factor": 0.25, "use_quant_conv": true, "use_post_quant_conv": true, "mid_block_add_attention": true}`,
	"model/text_encoder/config.json":   `{"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "projection_dim": 8}`,
	"model/text_encoder_2/config.json": `{"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "projection_dim": 8}`,
	"encoder/config.json":              `{"hidden_size": 8, "intermediate_size": 16, "num_attention_heads": 2, "num_hidden_layers": 2, "projection_dim": 8, "image_size": 16, "patch_size": 8}`,
}

// tinyFiles are all files, by name.
func tinyFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := make(map[string][]byte)
	for from, to := range map[string]string{"castle/model": "model", "castle/model/vae": "other-vae", "image-prompt/ip-adapter/image_encoder": "encoder"} {
		root := filepath.Join("..", "examples", filepath.FromSlash(from))
		err := filepath.Walk(root, func(name string, info os.FileInfo, err error) error {
			if err != nil || info.IsDir() || strings.HasSuffix(name, ".safetensors") || !strings.Contains(".json.txt", filepath.Ext(name)) {
				return err
			}
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			files[path.Join(to, filepath.ToSlash(rel))], err = os.ReadFile(name)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, tiny := range tinyConfigs {
		doc, change := document(t, files[name]).(map[string]any), document(t, []byte(tiny)).(map[string]any)
		maps.Copy(doc, change)
		files[name] = encoded(t, doc)
	}
	files["other-vae/config.json"] = files["model/vae/config.json"]
	random := rand.New(rand.NewPCG(2023, 7))
	for name, shapes := range tinyShapes(t, files) {
		files[name] = safetensors(t, drawn(random, shapes), map[string]string{"format": "pt", "made by": "hand"})
	}
	files[loraFile] = tinyLoRA(t, random)
	files[pictureFile] = tinyPicture(t, random)
	return files
}

// tinyShapes are the tensors of the models' files: those that programs read, and those of encoders and layers that no workflow reads.
func tinyShapes(t testing.TB, files map[string][]byte) map[string]map[string][]int {
	t.Helper()
	u, err1 := config.ParseUNet(files["model/unet/config.json"])
	v, err2 := config.ParseVAE(files["model/vae/config.json"])
	c1, err3 := config.ParseText(files["model/text_encoder/config.json"])
	c2, err4 := config.ParseText(files["model/text_encoder_2/config.json"])
	image, err5 := config.ParseVision(files["encoder/config.json"])
	for _, err := range []error{err1, err2, err3, err4, err5} {
		if err != nil {
			t.Fatal(err)
		}
	}
	d := sdxl.Denoise{UNet: u, Batch: 1, Height: 8, Width: 8, Tokens: 77, Pooled: c2.Projection, Steps: 1, Guidance: 1}
	autoencoder := shapesOf(sdxl.EncodeProgram(v, 1e-6, 1, 16, 16), sdxl.DecodeProgram(v, 1e-6, 1, 8, 8))
	out := map[string]map[string][]int{
		unetFile: shapesOf(d.Program()), vaeFile: autoencoder, otherVAEFile: autoencoder,
		text1File: shapesOf(textProgram(c1)), text2File: shapesOf(textProgram(c2)), encoderFile: shapesOf(sdxl.EncodeImageProgram(image, program.F32, 1)),
		plusFile: {"image_proj.latents": {1, 2, 8}, "image_proj.proj_in.weight": {8, 8}, "image_proj.proj_in.bias": {8}, "image_proj.proj_out.weight": {16, 8}, "image_proj.proj_out.bias": {16},
			"image_proj.norm_out.weight": {16}, "image_proj.norm_out.bias": {16}, "image_proj.layers.0.0.to_q.weight": {64, 8}, "image_proj.layers.0.0.to_kv.weight": {128, 8},
			"image_proj.layers.0.0.to_out.weight": {8, 64}, "image_proj.layers.0.0.norm1.weight": {8}, "image_proj.layers.0.0.norm1.bias": {8}, "image_proj.layers.0.0.norm2.weight": {8},
			"image_proj.layers.0.0.norm2.bias": {8}, "image_proj.layers.0.1.0.weight": {8}, "image_proj.layers.0.1.0.bias": {8}, "image_proj.layers.0.1.1.weight": {16, 8},
			"image_proj.layers.0.1.3.weight": {8, 16}},
		baseFile: {"image_proj.proj.weight": {32, 8}, "image_proj.proj.bias": {32}, "image_proj.norm.weight": {16}, "image_proj.norm.bias": {16}},
	}
	sites := u.CrossAttentions()
	for i := range sites.Down + sites.Mid + sites.Up {
		for _, name := range []string{plusFile, baseFile} {
			prefix := "ip_adapter." + string(rune('1'+2*i))
			out[name][prefix+".to_k_ip.weight"], out[name][prefix+".to_v_ip.weight"] = []int{16, 16}, []int{16, 16}
		}
	}
	return out
}

// textProgram reads all of a text encoder.
func textProgram(c *config.Text) *program.Program {
	b := program.NewBuilder("text", program.F32)
	clip.Text(b, "text/", c, b.Input("ids", program.Int32, 1, 77), b.Input("ends", program.Int32, 1))
	return b.Program()
}

// shapesOf are the weights that programs read, without their component's name.
func shapesOf(programs ...*program.Program) map[string][]int {
	out := make(map[string][]int)
	for _, p := range programs {
		for _, w := range p.Weights() {
			_, name, _ := strings.Cut(w.Name, "/")
			out[name] = w.Shape
		}
	}
	return out
}

// tensor is a tensor of a file: fp32 unless it has another type.
type tensor struct {
	dtype string
	shape []int
	data  []byte
}

// drawn draws tensors: matrices that keep sizes, norms about 1, the rest small.
func drawn(random *rand.Rand, shapes map[string][]int) map[string]tensor {
	out := make(map[string]tensor)
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		shape := shapes[name]
		n, inputs := program.Elems(shape), 1
		if len(shape) > 1 {
			inputs = n / shape[0]
		}
		values := make([]float32, n)
		for i := range values {
			x := random.NormFloat64()
			switch {
			case strings.Contains(name, "norm") && strings.HasSuffix(name, "weight"):
				x = 1 + 0.3*x
			case strings.HasSuffix(name, "decoder.conv_out.weight"):
				x *= 0.3 / math.Sqrt(float64(inputs))
			case len(shape) > 1:
				x *= 1.5 / math.Sqrt(float64(inputs))
			default:
				x *= 0.3
			}
			values[i] = float32(x)
		}
		out[name] = floats(shape, values...)
	}
	return out
}

func floats(shape []int, values ...float32) tensor {
	t := tensor{dtype: "F32", shape: shape}
	for _, v := range values {
		t.data = binary.LittleEndian.AppendUint32(t.data, math.Float32bits(v))
	}
	return t
}

// tinyLoRA is a LoRA with layers of several forms on all that it can change, also on what nothing reads. Of layers without an alpha of their own the
// header says it.
func tinyLoRA(t testing.TB, random *rand.Rand) []byte {
	const attention = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_"
	shapes := make(map[string][]int)
	low := func(layer string, out, in int) {
		shapes[layer+".lora_down.weight"], shapes[layer+".lora_up.weight"] = []int{2, in}, []int{out, 2}
	}
	for _, layer := range []string{"attn1_to_q", "attn1_to_v", "attn1_to_out_0"} {
		low(attention+layer, 16, 16)
	}
	low(attention+"attn2_to_q", 16, 16)
	shapes[attention+"attn1_to_v.dora_scale"] = []int{16, 1}
	shapes[attention+"attn1_to_out_0.diff_b"] = []int{16}
	shapes[attention+"attn1_to_k.diff"] = []int{16, 16}
	for _, factor := range []string{"hada_w1_a", "hada_w2_a"} {
		shapes[attention+"attn2_to_out_0."+factor] = []int{16, 2}
	}
	for _, factor := range []string{"hada_w1_b", "hada_w2_b"} {
		shapes[attention+"attn2_to_out_0."+factor] = []int{2, 16}
	}
	for _, layer := range []string{"lora_te1_text_model_encoder_layers_0_self_attn_q_proj", "lora_te1_text_model_encoder_layers_1_self_attn_q_proj", "lora_te2_text_model_encoder_layers_1_self_attn_v_proj"} {
		low(layer, 8, 8)
	}
	tensors := drawn(random, shapes)
	for _, layer := range []string{attention + "attn1_to_q", attention + "attn1_to_v", attention + "attn1_to_out_0", "lora_te1_text_model_encoder_layers_1_self_attn_q_proj"} {
		tensors[layer+".alpha"] = floats([]int{1}, 4)
	}
	return safetensors(t, tensors, map[string]string{"ss_network_alpha": "8", "ss_network_dim": "2", "modelspec.title": "tiny",
		"lora_adapter_metadata": `{"unet.r": 2, "unet.lora_alpha": 3, "text_encoder.r": 2, "text_encoder.lora_alpha": 5, "unet.lora_dropout": 0.1}`})
}

// tinyPicture is a PNG, not square, with transparency.
func tinyPicture(t testing.TB, random *rand.Rand) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, 5, 4))
	for i := range m.Pix {
		m.Pix[i] = byte(random.IntN(256))
	}
	m.Set(2, 2, color.NRGBA{R: 200, G: 10, B: 60, A: 0})
	return pngOf(t, m)
}

func pngOf(t testing.TB, m image.Image) []byte {
	var out bytes.Buffer
	if err := png.Encode(&out, m); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// safetensors writes a file, its tensors in the order of their names.
func safetensors(t testing.TB, tensors map[string]tensor, metadata map[string]string) []byte {
	return inOrder(t, slices.Sorted(maps.Keys(tensors)), tensors, metadata, 0)
}

// inOrder writes a file with tensors in an order, and with spaces behind its header.
func inOrder(t testing.TB, names []string, tensors map[string]tensor, metadata map[string]string, spaces int) []byte {
	t.Helper()
	header, body := make(map[string]any), []byte(nil)
	for _, name := range names {
		x := tensors[name]
		header[name] = map[string]any{"dtype": x.dtype, "shape": x.shape, "data_offsets": []int{len(body), len(body) + len(x.data)}}
		body = append(body, x.data...)
	}
	if metadata != nil {
		header["__metadata__"] = metadata
	}
	text := append(encoded(t, header), bytes.Repeat([]byte(" "), spaces)...)
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, body)
}

// opened reads a file back.
func opened(t testing.TB, data []byte) (map[string]tensor, map[string]string) {
	t.Helper()
	n := 8 + int(binary.LittleEndian.Uint64(data))
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:n], &header); err != nil {
		t.Fatal(err)
	}
	var metadata map[string]string
	tensors := make(map[string]tensor)
	for name, raw := range header {
		if name == "__metadata__" {
			if err := json.Unmarshal(raw, &metadata); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var x struct {
			DType   string `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &x); err != nil {
			t.Fatal(err)
		}
		tensors[name] = tensor{x.DType, x.Shape, data[n+x.Offsets[0] : n+x.Offsets[1]]}
	}
	return tensors, metadata
}

// document parses JSON.
func document(t testing.TB, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return v
}

// encoded writes JSON.
func encoded(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
