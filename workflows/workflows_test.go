package workflows

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Configurations of SDXL base 1.0, as far as they decide shapes.
const (
	unetConfig = `{"_class_name": "UNet2DConditionModel", "in_channels": 4, "out_channels": 4, "block_out_channels": [320, 640, 1280],
		"down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"], "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
		"layers_per_block": 2, "transformer_layers_per_block": [1, 2, 10], "attention_head_dim": [5, 10, 20], "cross_attention_dim": 2048, "use_linear_projection": true,
		"addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816, "flip_sin_to_cos": true, "freq_shift": 0, "norm_num_groups": 32}`
	vaeConfig = `{"_class_name": "AutoencoderKL", "block_out_channels": [128, 256, 512, 512], "down_block_types": ["DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D", "DownEncoderBlock2D"],
		"up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"], "layers_per_block": 2, "latent_channels": 4, "norm_num_groups": 32, "act_fn": "silu", "scaling_factor": 0.13025,
		"in_channels": 3, "out_channels": 3}`
	textConfig = `{"architectures": ["CLIPTextModel"], "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12, "max_position_embeddings": 77,
		"vocab_size": 49408, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "projection_dim": 768, "eos_token_id": 2}`
	text2Config = `{"architectures": ["CLIPTextModelWithProjection"], "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20, "max_position_embeddings": 77,
		"vocab_size": 49408, "hidden_act": "gelu", "layer_norm_eps": 1e-5, "projection_dim": 1280, "eos_token_id": 49407}`
	visionConfig = `{"model_type": "clip_vision_model", "architectures": ["CLIPVisionModelWithProjection"], "hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16, "image_size": 224, "patch_size": 14,
		"hidden_act": "gelu", "layer_norm_eps": 1e-5, "projection_dim": 1024}`
	castle = "../examples/castle/model"
)

// parsed is what a parser of a configuration gives.
func parsed[T any](t *testing.T, parse func([]byte) (T, error), text string) T {
	t.Helper()
	v, err := parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// put writes a file.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// hollow writes a safetensors file of fp16 tensors that has a header and, where its content would be, a hole.
func hollow(t *testing.T, path string, shapes map[string][]int) {
	t.Helper()
	header := make(map[string]any)
	var at int64
	for name, shape := range shapes {
		n := int64(2 * program.Elems(shape))
		header[name] = map[string]any{"dtype": "F16", "shape": shape, "data_offsets": []int64{at, at + n}}
		at += n
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, strings.Repeat(" ", (8-len(text)%8)%8)...)
	put(t, path, append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...))
	if err := os.Truncate(path, 8+int64(len(text))+at); err != nil {
		t.Fatal(err)
	}
}

// component writes a component's configuration and a hollow file of what programs read of it.
func component(t *testing.T, dir, file, conf, prefix string, programs ...*program.Program) {
	t.Helper()
	put(t, filepath.Join(dir, "config.json"), []byte(conf))
	shapes := make(map[string][]int)
	for _, p := range programs {
		for _, w := range p.Weights() {
			if name, ok := strings.CutPrefix(w.Name, prefix+"/"); ok {
				shapes[name] = w.Shape
			}
		}
	}
	if len(shapes) == 0 {
		t.Fatalf("%s has no weights", prefix)
	}
	hollow(t, filepath.Join(dir, file), shapes)
}

// models makes a folder of all files that the workflows name, of their real shapes and without content.
func models(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	base := filepath.Join(dir, "stable-diffusion-xl-base-1.0")
	for _, name := range []string{"model_index.json", "scheduler/scheduler_config.json"} {
		copyFile(t, filepath.Join(castle, name), filepath.Join(base, name))
	}
	for _, tokenizer := range []string{"tokenizer", "tokenizer_2"} {
		files, err := os.ReadDir(filepath.Join(castle, tokenizer))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			copyFile(t, filepath.Join(castle, tokenizer, f.Name()), filepath.Join(base, tokenizer, f.Name()))
		}
	}
	u := parsed(t, config.ParseUNet, unetConfig)
	v := parsed(t, config.ParseVAE, vaeConfig)
	text := [2]*config.Text{parsed(t, config.ParseText, textConfig), parsed(t, config.ParseText, text2Config)}
	component(t, filepath.Join(base, "unet"), "diffusion_pytorch_model.safetensors", unetConfig, sdxl.UNet, sdxl.EvaluateProgram(u, program.F32, 1, 8, 8, 77, 1280, nil))
	prompt := (&sdxl.EncodePrompt{Text: text, Batch: 1, Tokens: 77}).Program()
	component(t, filepath.Join(base, "text_encoder"), "model.safetensors", textConfig, sdxl.TextEncoder, prompt)
	component(t, filepath.Join(base, "text_encoder_2"), "model.safetensors", text2Config, sdxl.TextEncoder2, prompt)
	for _, d := range []string{filepath.Join(base, "vae"), filepath.Join(dir, "sdxl-vae-fp16-fix")} {
		component(t, d, "diffusion_pytorch_model.safetensors", vaeConfig, sdxl.VAE, sdxl.DecodeProgram(v, edition.Diffusers.ResnetEps, 1, 8, 8), sdxl.EncodeProgram(v, edition.Diffusers.ResnetEps, 1, 64, 64))
	}
	lora := func(rank int) map[string][]int {
		const name = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q."
		return map[string][]int{name + "lora_down.weight": {rank, 640}, name + "lora_up.weight": {640, rank}}
	}
	hollow(t, filepath.Join(dir, "loras/Sci-fi_Environments_sdxl.safetensors"), lora(64))
	hollow(t, filepath.Join(dir, "loras/pixel-art-xl-v1.1.safetensors"), lora(32))
	vision := parsed(t, config.ParseVision, visionConfig)
	component(t, filepath.Join(dir, "ip-adapter/image_encoder"), "model.safetensors", visionConfig, sdxl.ImageEncoder, sdxl.EncodeImageProgram(vision, program.F32, 1))
	hollow(t, filepath.Join(dir, "ip-adapter/ip-adapter-plus_sdxl_vit-h.safetensors"), plus(u))
	copyFile(t, "../examples/image-prompt/reference.png", filepath.Join(dir, "german-castle.jpg"))
	return dir
}

// plus are the shapes of IP-Adapter Plus for SDXL.
func plus(u *config.UNet) map[string][]int {
	const p = "image_proj."
	s := map[string][]int{p + "latents": {1, 16, 1280}, p + "proj_in.weight": {1280, 1280}, p + "proj_in.bias": {1280}, p + "proj_out.weight": {2048, 1280},
		p + "proj_out.bias": {2048}, p + "norm_out.weight": {2048}, p + "norm_out.bias": {2048}}
	for i := range 4 {
		at := fmt.Sprintf("%slayers.%d", p, i)
		for _, norm := range []string{".0.norm1", ".0.norm2", ".1.0"} {
			s[at+norm+".weight"], s[at+norm+".bias"] = []int{1280}, []int{1280}
		}
		s[at+".0.to_q.weight"], s[at+".0.to_kv.weight"], s[at+".0.to_out.weight"] = []int{1280, 1280}, []int{2560, 1280}, []int{1280, 1280}
		s[at+".1.1.weight"], s[at+".1.3.weight"] = []int{5120, 1280}, []int{1280, 5120}
	}
	site := 0
	add := func(n, channels int) {
		for range n {
			for _, k := range []string{"k", "v"} {
				s[fmt.Sprintf("ip_adapter.%d.to_%s_ip.weight", 2*site+1, k)] = []int{channels, 2048}
			}
			site++
		}
	}
	for range 2 {
		add(2, 640)
	}
	add(20, 1280) // two layers of ten in the last down block
	add(30, 1280) // three of ten in the first up block
	add(6, 640)
	add(10, 1280) // the middle
	if site != 70 || len(u.BlockChannels) != 3 {
		panic("SDXL has 70 cross-attentions")
	}
	return s
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	put(t, to, data)
}

// read reads a workflow with a folder of models.
func read(t *testing.T, file, dir string) (*flowruntime.Workflow, []spec.Diagnostic) {
	t.Helper()
	return flowruntime.Read(context.Background(), file, flowruntime.Options{
		Options: plan.Options{Registry: kinds.Registry(), Files: flowruntime.FinderFor(file, []string{dir}, nil)},
		Env:     nodes.Env{Executor: cpu.New()}, Store: cache.NewMemory(), Sink: event.Discard, Folder: t.TempDir()})
}

// TestPlansFromHeaders plans each workflow on files of the real shapes that hold nothing: 9 GB that take no room.
func TestPlansFromHeaders(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("files have no holes")
	}
	dir := models(t)
	for _, file := range names(t) {
		w, diags := read(t, file, dir)
		if w == nil || spec.Failed(diags) {
			t.Fatalf("%s: %v", file, diags)
		}
		for _, row := range w.Explain() {
			t.Logf("%s: %-8s %-14s %-8s %6.2f GB, %.1f GB to hash", file, row.Step.Name, row.Step.Kind.Name, row.State, float64(row.Peak)/1e9, float64(row.Unread)/1e9)
			if row.Step.Kind.Name == "denoise" && row.State != sched.WouldHash && row.State != sched.WouldWait || row.Peak > 24e9 {
				t.Errorf("%s: %s would %s in %d bytes", file, row.Step.Name, row.State, row.Peak)
			}
		}
		w.Close()
	}
}

// TestMissingFilesAreTold: who lacks the files gets all of them, each with where it comes from.
func TestMissingFilesAreTold(t *testing.T) {
	total := 0
	for _, file := range names(t) {
		w, diags := read(t, file, t.TempDir())
		if w != nil {
			t.Fatalf("%s was read without models", file)
		}
		for _, d := range diags {
			if d.Code == "F0602" && strings.Contains(d.Hint, "get it from ") && strings.Contains(d.Hint, "license: ") {
				total++
				continue
			}
			t.Errorf("%s: %v", file, d)
		}
	}
	if total != 2+3+4+7 {
		t.Errorf("%d missing files are told", total)
	}
}

// names lists the workflow files.
func names(t *testing.T) []string {
	t.Helper()
	list, err := fs.Glob(Files(), "*.flow.yaml")
	if err != nil || len(list) != 4 {
		t.Fatalf("%v, %v", list, err)
	}
	return list
}
