package lora

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// tensors are the tensors of a file that a test writes, fp32, each with the shape that its key has after a space.
type tensors map[string][]float32

// write makes a safetensors file.
func write(t *testing.T, list tensors, metadata map[string]string) string {
	t.Helper()
	header := map[string]any{}
	if metadata != nil {
		header["__metadata__"] = metadata
	}
	var data []byte
	keys := make([]string, 0, len(list))
	for key := range list {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		name, dims, _ := strings.Cut(key, " ")
		shape := []int{}
		for _, d := range strings.Fields(dims) {
			var n int
			if _, err := fmt.Sscan(d, &n); err != nil {
				t.Fatal(err)
			}
			shape = append(shape, n)
		}
		from := len(data)
		values := list[key]
		for i := range program.Elems(shape) {
			v := float32(i%7)*0.125 - 0.25
			if values != nil {
				v = values[i%len(values)]
			}
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int{from, len(data)}}
	}
	raw, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "lora.safetensors")
	out := append(binary.LittleEndian.AppendUint64(nil, uint64(len(raw))), raw...)
	if err := os.WriteFile(path, append(out, data...), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// component opens one of the example's model.
func component(t *testing.T, name string) *weights.Component {
	t.Helper()
	m, err := weights.Open("../../../examples/castle/model", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	c, err := m.Component(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// castle has the shapes of the example's model.
func castle(t *testing.T) Model {
	t.Helper()
	out := make(Model)
	for _, name := range []string{"unet", "text_encoder", "text_encoder_2"} {
		out[name] = component(t, name).Shapes()
	}
	return out
}

// apply opens a file and puts it on the castle's model.
func apply(t *testing.T, list tensors, metadata map[string]string, opt Options) (*Adapter, error) {
	t.Helper()
	f, err := Open(write(t, list, metadata))
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = f.Close() })
	return Apply(f, castle(t), opt)
}

// TestNames finds each layer in each spelling that trainers use.
func TestNames(t *testing.T) {
	const (
		toQ   = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
		toOut = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_out.0"
		q     = "text_model.encoder.layers.1.self_attn.q_proj"
		out   = "text_model.encoder.layers.1.self_attn.out_proj"
	)
	pair := func(name, a, b string, up, down string) tensors {
		return tensors{name + a + " " + down: nil, name + b + " " + up: nil}
	}
	for _, c := range []struct {
		name, a, b      string
		up, down        string
		component, path string
	}{
		{"lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q", ".lora_down.weight", ".lora_up.weight", "64 4", "4 64", "unet", toQ},
		{"lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q", ".lora_down.weight", ".lora_up.weight", "64 4", "4 64", "unet", toQ},
		{"lora_unet_middle_block_1_proj_in", ".lora_down.weight", ".lora_up.weight", "96 4", "4 96", "unet", "mid_block.attentions.0.proj_in"},
		{"lora_unet_output_blocks_2_2_conv", ".lora_down.weight", ".lora_up.weight", "96 4 1 1", "4 96 3 3", "unet", "up_blocks.0.upsamplers.0.conv"},
		{"lora_unet_input_blocks_3_0_op", ".lora_down.weight", ".lora_up.weight", "48 4 1 1", "4 48 3 3", "unet", "down_blocks.0.downsamplers.0.conv"},
		{"lora_unet_label_emb_0_0", ".lora_down.weight", ".lora_up.weight", "192 4", "4 288", "unet", "add_embedding.linear_1"},
		{"lora_te1_text_model_encoder_layers_1_self_attn_q_proj", ".lora_down.weight", ".lora_up.weight", "64 4", "4 64", "text_encoder", q},
		{"lora_te_text_model_encoder_layers_1_self_attn_q_proj", ".lora_down.weight", ".lora_up.weight", "64 4", "4 64", "text_encoder", q},
		{"lora_te2_text_model_encoder_layers_1_self_attn_q_proj", ".lora_down.weight", ".lora_up.weight", "96 4", "4 96", "text_encoder_2", q},
		{"unet." + toQ, ".lora_A.weight", ".lora_B.weight", "64 4", "4 64", "unet", toQ},
		{toQ, ".lora_A.weight", ".lora_B.weight", "64 4", "4 64", "unet", toQ},
		{"base_model.model." + toQ, ".lora_A.weight", ".lora_B.weight", "64 4", "4 64", "unet", toQ},
		{"unet." + toQ, ".lora.down.weight", ".lora.up.weight", "64 4", "4 64", "unet", toQ},
		{"unet." + strings.Replace(toQ, "attn1.", "attn1.processor.", 1), "_lora.down.weight", "_lora.up.weight", "64 4", "4 64", "unet", toQ},
		{strings.Replace(strings.TrimSuffix(toOut, ".0"), "attn1.", "attn1.processor.", 1), "_lora.down.weight", "_lora.up.weight", "64 4", "4 64", "unet", toOut},
		{"diffusion_model.input_blocks.4.1.transformer_blocks.0.attn1.to_q", ".lora_A.weight", ".lora_B.weight", "64 4", "4 64", "unet", toQ},
		{"text_encoder." + q, ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight", "64 4", "4 64", "text_encoder", q},
		{"text_encoder." + strings.TrimPrefix(q, "text_model."), ".lora_A.weight", ".lora_B.weight", "64 4", "4 64", "text_encoder", q},
		{"text_encoder_2.text_model.encoder.layers.1.self_attn.to_out", "_lora.down.weight", "_lora.up.weight", "96 4", "4 96", "text_encoder_2", out},
		{"text_encoder_2.text_projection", ".lora_A.weight", ".lora_B.weight", "96 4", "4 96", "text_encoder_2", "text_projection"},
	} {
		t.Run(c.name+c.a, func(t *testing.T) {
			a, err := apply(t, pair(c.name, c.a, c.b, c.up, c.down), nil, Options{Scale: 1})
			if err != nil {
				t.Fatal(err)
			}
			got := a.Match().Targets
			if len(got) != 1 || got[0].component != c.component || got[0].path != c.path || got[0].Rank != 4 {
				t.Errorf("found %+v, want %s of the %s", got, c.path, c.component)
			}
		})
	}
}

// TestStrength computes scale * alpha / rank from keys, header, or neither.
func TestStrength(t *testing.T) {
	const layer = "unet.down_blocks.1.attentions.0.proj_in"
	low := func(more tensors) tensors {
		out := tensors{layer + ".lora_A.weight 8 64": nil, layer + ".lora_B.weight 64 8": nil}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	header := func(text string) map[string]string { return map[string]string{"lora_adapter_metadata": text} }
	for _, c := range []struct {
		name     string
		list     tensors
		metadata map[string]string
		want     float32
	}{
		{"no alpha", low(nil), nil, 0.7},
		{"alpha", low(tensors{layer + ".alpha": {3}}), nil, float32(0.7 * 3 / 8)},
		{"header", low(nil), header(`{"unet.r": 8, "unet.lora_alpha": 4}`), float32(0.7 * 4 / 8)},
		{"alpha pattern", low(nil), header(`{"unet.r": 4, "unet.lora_alpha": 4, "unet.rank_pattern": {"proj_in": 8}, "unet.alpha_pattern": {"attentions.0.proj_in": 6}}`), float32(0.7 * 6 / 8)},
		{"pattern of another layer", low(nil), header(`{"unet.r": 8, "unet.lora_alpha": 2, "unet.alpha_pattern": {"proj_out": 6}}`), float32(0.7 * 2 / 8)},
		{"rslora", low(nil), header(`{"unet.r": 8, "unet.lora_alpha": 4, "unet.use_rslora": true}`), float32(0.7 * 4 / math.Sqrt(8))},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, err := apply(t, c.list, c.metadata, Options{Scale: 0.7})
			if err != nil {
				t.Fatal(err)
			}
			p := a.Additions("lora.0.unet", "unet")["unet/down_blocks.1.attentions.0.proj_in.weight"]
			if len(p) != 1 || p[0].Scale != c.want {
				t.Errorf("patches %+v, want the scale %v", p, c.want)
			}
		})
	}
}

// TestScaleZero touches nothing.
func TestScaleZero(t *testing.T) {
	const layer = "unet.down_blocks.1.attentions.0.proj_in"
	a, err := apply(t, tensors{layer + ".lora_A.weight 8 64": nil, layer + ".lora_B.weight 64 8": nil}, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Components(); len(got) != 0 {
		t.Errorf("it touches %q", got)
	}
}

// TestBadFiles refuses what does not fit and says what the file is and what was expected.
func TestBadFiles(t *testing.T) {
	const q = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
	const sgm = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
	nan := float32(math.NaN())
	for _, c := range []struct {
		name string
		list tensors
		meta map[string]string
		want []string
	}{
		{"no LoRA", tensors{"conv_in.weight 4 4": nil}, nil, []string{"is not a LoRA", `"conv_in.weight"`}},
		{"rank mismatch", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 4": nil}, nil, []string{"rank 8 in its down matrix", "4 in its up"}},
		{"half a layer", tensors{q + ".lora_A.weight 8 64": nil}, nil, []string{"which no form of LoRA has together"}},
		{"another width", tensors{q + ".lora_A.weight 8 32": nil, q + ".lora_B.weight 32 8": nil}, nil, []string{"does not fit the model (1)", "the weight of down_blocks.1", "[64 64]"}},
		{"Stable Diffusion 1.5", tensors{"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight 4 768": nil,
			"lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight 320 4": nil}, nil,
			[]string{"is a LoRA for Stable Diffusion 1.x (prompts of 768 channels), and the model is a UNet whose prompts have 160 channels"}},
		{"Flux", tensors{"lora_unet_double_blocks_0_img_attn_qkv.lora_down.weight 4 3072": nil, "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight 3072 4": nil}, nil,
			[]string{"is a LoRA for Flux"}},
		{"zero alpha", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil, q + ".alpha": {0}}, nil, []string{".alpha", "is 0: sd-scripts takes the rank"}},
		{"NaN alpha", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil, q + ".alpha": {nan}}, nil, []string{".alpha", "is not a number"}},
		{"two keys of a role", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_down.weight 8 64": nil, q + ".lora_B.weight 64 8": nil}, nil, []string{"are both the down of one layer"}},
		{"two names of a layer", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil, sgm + ".lora_down.weight 8 64": nil, sgm + ".lora_up.weight 64 8": nil}, nil,
			[]string{"are both for down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q of the unet"}},
		{"unmatched", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil, "unet.nowhere.lora_A.weight 8 64": nil, "unet.nowhere.lora_B.weight 64 8": nil}, nil,
			[]string{"2 of 4 keys find no layer", "unet.nowhere.lora_A.weight", "unmatched: warn"}},
		{"another rank in the header", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil}, map[string]string{"lora_adapter_metadata": `{"unet.r": 4}`},
			[]string{"has rank 8", "says 4"}},
		{"too large a product", tensors{q + ".lokr_w1 2 2": nil, q + ".lokr_w2 64 64": nil}, nil, []string{"do not make a weight of [64 64]"}},
		{"LoHa on a norm", tensors{"unet.conv_norm_out.hada_w1_a 48 2": nil, "unet.conv_norm_out.hada_w1_b 2 1": nil, "unet.conv_norm_out.hada_w2_a 48 2": nil,
			"unet.conv_norm_out.hada_w2_b 2 1": nil}, nil, []string{"a weight of [48], is neither a linear layer nor a convolution"}},
		{"magnitudes of another size", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil, q + ".dora_scale 3 1": nil}, nil, []string{"has magnitudes of [3 1]"}},
		{"a bad pattern", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil}, map[string]string{"lora_adapter_metadata": `{"unet.r": 8, "unet.alpha_pattern": {"(": 1}}`},
			[]string{"lora_adapter_metadata", "missing closing )"}},
		{"no settings", tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil}, map[string]string{"lora_adapter_metadata": `[`}, []string{"lora_adapter_metadata"}},
		{"rank 0", tensors{q + ".lora_A.weight 0 64": nil, q + ".lora_B.weight 64 0": nil}, nil, []string{"has an empty matrix: [0 64]"}},
		{"an embedding", tensors{"text_encoder.text_model.embeddings.token_embedding.lora_A.weight 8 64": nil, "text_encoder.text_model.embeddings.token_embedding.lora_B.weight 895 8": nil}, nil,
			[]string{"is neither a linear layer nor a convolution"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := apply(t, c.list, c.meta, Options{Scale: 1})
			if err == nil {
				t.Fatal("it is accepted")
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%v\ndoes not say %q", err, w)
				}
			}
			var named *weights.Error
			if !errors.As(err, &named) || !strings.HasSuffix(named.File, "lora.safetensors") {
				t.Errorf("%v does not name the file", err)
			}
		})
	}
}

// TestLetPass applies what fits and lists the rest.
func TestLetPass(t *testing.T) {
	const q = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
	a, err := apply(t, tensors{q + ".lora_A.weight 8 64": nil, q + ".lora_B.weight 64 8": nil, "unet.nowhere.lora_A.weight 8 64": nil, "other": {1}}, nil, Options{Scale: 1, LetPass: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := a.Match(); len(got.Targets) != 1 || !slices.Equal(got.Unmatched, []string{"other", "unet.nowhere.lora_A.weight"}) {
		t.Errorf("%d layers, unmatched %q", len(got.Targets), got.Unmatched)
	}
}

// TestNaN is found where a program reads the file's tensors, beside the weight and merged into it.
func TestNaN(t *testing.T) {
	const q = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
	nan := []float32{1, float32(math.NaN())}
	for name, list := range map[string]tensors{
		"beside": {q + ".lora_A.weight 8 64": nan, q + ".lora_B.weight 64 8": nil},
		"merged": {q + ".diff 64 64": nan},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := apply(t, list, nil, Options{Scale: 1})
			if err != nil {
				t.Fatal(err)
			}
			unet := component(t, "unet")
			if _, err := a.Digest(t.Context(), "unet", nil); err != nil {
				t.Fatal(err)
			}
			src := NewSource(weights.NewBundle(unet))
			a.Join(src, "lora.0.unet", "unet")
			refs := []program.WeightRef{{Name: "unet/" + q + ".weight", Shape: []int{64, 64}}}
			for _, p := range a.Additions("lora.0.unet", "unet")[refs[0].Name] {
				refs = append(refs, program.WeightRef{Name: p.Down.Name, Shape: p.Down.Shape}, program.WeightRef{Name: p.Up.Name, Shape: p.Up.Shape})
			}
			_, err = src.Check(refs)
			if err == nil {
				_, err = src.Weight(refs[0].Name)
			}
			if err == nil || !strings.Contains(err.Error(), "lora.safetensors") || !strings.Contains(err.Error(), "diverged") {
				t.Errorf("the error is %v", err)
			}
		})
	}
}

// TestSizes: what changes are merged into is made as fp32, beside weights that lie in files.
func TestSizes(t *testing.T) {
	const q = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
	a, err := apply(t, tensors{q + ".diff 64 64": nil}, nil, Options{Scale: 1})
	if err != nil {
		t.Fatal(err)
	}
	unet := component(t, "unet")
	src := NewSource(weights.NewBundle(unet))
	if n, mapped := src.Size("unet/" + q + ".weight"); n != 2*64*64 || !mapped {
		t.Errorf("%d bytes, mapped %v, before the LoRA is joined", n, mapped)
	}
	a.Join(src, "lora.0.unet", "unet")
	if n, mapped := src.Size("unet/" + q + ".weight"); n != 4*64*64 || mapped {
		t.Errorf("%d bytes, mapped %v, of a weight that is made", n, mapped)
	}
	if n, mapped := src.Size("unet/conv_in.weight"); n != 2*48*4*9 || !mapped {
		t.Errorf("%d bytes, mapped %v, of a weight that is not changed", n, mapped)
	}
}
