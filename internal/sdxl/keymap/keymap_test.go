package keymap_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// row is a stored tensor and the canonical tensors that diffusers makes of it.
type row struct {
	Name    string
	Shape   []int
	Targets []string
}

func (r *row) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&r.Name, &r.Shape, &r.Targets})
}

type goldenCase struct {
	Config  map[string]json.RawMessage
	Tensors map[string][]row
}

// golden reads what internal/tools/goldens/single_file.py wrote.
func golden(t *testing.T) map[string]goldenCase {
	t.Helper()
	data, err := os.ReadFile("testdata/single_file.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct{ Cases map[string]goldenCase }
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Cases) < 2 {
		t.Fatalf("%d cases in the golden", len(g.Cases))
	}
	return g.Cases
}

// checkpoint reads the structure of a case.
func (g goldenCase) checkpoint(t *testing.T) *keymap.Checkpoint {
	t.Helper()
	var names []string
	for _, rows := range g.Tensors {
		for _, r := range rows {
			names = append(names, r.Name)
		}
	}
	c, err := keymap.NewCheckpoint(names)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestNamesAreThoseOfDiffusers(t *testing.T) {
	for name, g := range golden(t) {
		t.Run(name, func(t *testing.T) {
			c := g.checkpoint(t)
			for component, rows := range g.Tensors {
				for _, r := range rows {
					part, targets := c.Targets(r.Name)
					var got []string
					for i, target := range targets {
						got = append(got, target.Name)
						if target.Transform == keymap.Third && target.Part != i {
							t.Errorf("%s: part %d stands at %d", r.Name, target.Part, i)
						}
					}
					if part != component || !slices.Equal(got, r.Targets) {
						t.Errorf("%s is %s of %q; diffusers makes %s of the %s", r.Name, got, part, r.Targets, component)
					}
				}
			}
		})
	}
}

// canonicalShapes applies the transforms to the golden's shapes.
func canonicalShapes(c *keymap.Checkpoint, rows []row) map[string][]int {
	shapes := make(map[string][]int)
	for _, r := range rows {
		_, targets := c.Targets(r.Name)
		for _, target := range targets {
			s := slices.Clone(r.Shape)
			switch target.Transform {
			case keymap.Third:
				s[0] /= 3
			case keymap.Transpose:
				slices.Reverse(s)
			case keymap.Squeeze:
				s = s[:2]
			}
			shapes[target.Name] = s
		}
	}
	return shapes
}

// parse reads a component's configuration as builders do.
func parse(component string, data []byte) (any, error) {
	switch component {
	case "unet":
		return config.ParseUNet(data)
	case "vae":
		return config.ParseVAE(data)
	}
	return config.ParseText(data)
}

func TestInferredConfiguration(t *testing.T) {
	for name, g := range golden(t) {
		t.Run(name, func(t *testing.T) {
			c := g.checkpoint(t)
			pooled := canonicalShapes(c, g.Tensors["text_encoder_2"])[keymap.TextProjection][0]
			for component, rows := range g.Tensors {
				inferred, err := keymap.Infer(component, canonicalShapes(c, rows), pooled)
				if err != nil {
					t.Fatalf("%s: %v", component, err)
				}
				got, err := parse(component, inferred)
				if err != nil {
					t.Fatalf("%s: %v", component, err)
				}
				want, err := parse(component, g.Config[component])
				if err != nil {
					t.Fatalf("%s: %v", component, err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("%s:\n got %+v\nwant %+v", component, got, want)
				}
			}
		})
	}
}

func TestInferNamesWhatIsMissing(t *testing.T) {
	g := golden(t)["unlike"]
	c := g.checkpoint(t)
	for component, drop := range map[string]string{
		"unet": "conv_in.weight", "vae": "decoder.conv_in.weight",
		"text_encoder": "text_model.embeddings.token_embedding.weight", "text_encoder_2": keymap.TextProjection,
	} {
		shapes := canonicalShapes(c, g.Tensors[component])
		delete(shapes, drop)
		if _, err := keymap.Infer(component, shapes, 0); err == nil || !strings.Contains(err.Error(), drop+" is missing") {
			t.Errorf("%s without %s: %v", component, drop, err)
		}
	}
	shapes := canonicalShapes(c, g.Tensors["text_encoder"])
	shapes["text_model.embeddings.token_embedding.weight"] = []int{500, 100}
	if _, err := keymap.Infer("text_encoder", shapes, 0); err == nil || !strings.Contains(err.Error(), "multiple of 64") {
		t.Errorf("100 channels: %v", err)
	}
}

func TestNotSDXL(t *testing.T) {
	unet := "model.diffusion_model.input_blocks.0.0.weight"
	label := "model.diffusion_model.label_emb.0.0.weight"
	for want, names := range map[string][]string{
		"not a model checkpoint": {"lora_unet_x.lora_down.weight"},
		"not SDXL":               {unet},
		"refiner":                {unet, label, "conditioner.embedders.0.model.ln_final.weight"},
		"EDM":                    {unet, label, "edm_mean"},
	} {
		if _, err := keymap.NewCheckpoint(names); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v; want %q in it", names, err, want)
		}
	}
}

func TestScheduler(t *testing.T) {
	base := []string{"model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.label_emb.0.0.weight"}
	for _, c := range []struct {
		extra []string
		v     bool
		want  string // of the parsed configuration or its error
	}{
		{nil, false, "epsilon"}, {nil, true, "v_prediction"}, {[]string{"v_pred"}, false, "v_prediction"},
		{[]string{"v_pred", "ztsnr"}, false, "rescale_betas_zero_snr"},
	} {
		k, err := keymap.NewCheckpoint(append(c.extra, base...))
		if err != nil {
			t.Fatal(err)
		}
		data := k.Scheduler(c.v)
		s, err := config.ParseScheduler(data)
		if c.want == "rescale_betas_zero_snr" {
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: error %v; want %q in it", c.extra, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(data), `"`+c.want+`"`) || s.BetaSchedule != "scaled_linear" || s.BetaStart != 0.00085 || s.BetaEnd != 0.012 ||
			s.StepsOffset != 1 || s.Spacing != "leading" || s.AlphaToOne {
			t.Errorf("%v: %+v", c.extra, s)
		}
	}
}

func TestFolderNames(t *testing.T) {
	for _, c := range []struct {
		component, name string
		want            keymap.Target
		ok              bool
	}{
		{"unet", "conv_in.weight", keymap.Target{Name: "conv_in.weight"}, true},
		{"text_encoder", "encoder.layers.0.mlp.fc1.bias", keymap.Target{Name: "text_model.encoder.layers.0.mlp.fc1.bias"}, true},
		{"text_encoder", "text_model.final_layer_norm.bias", keymap.Target{Name: "text_model.final_layer_norm.bias"}, true},
		{"text_encoder_2", "text_projection.weight", keymap.Target{Name: "text_projection.weight"}, true},
		{"text_encoder_2", "text_model.embeddings.position_ids", keymap.Target{}, false},
		{"vae", "decoder.mid_block.attentions.0.query.weight", keymap.Target{Name: "decoder.mid_block.attentions.0.to_q.weight", Transform: keymap.Squeeze}, true},
		{"vae", "encoder.mid_block.attentions.0.proj_attn.bias", keymap.Target{Name: "encoder.mid_block.attentions.0.to_out.0.bias"}, true},
		{"vae", "encoder.mid_block.attentions.0.group_norm.bias", keymap.Target{Name: "encoder.mid_block.attentions.0.group_norm.bias"}, true},
		{"vae", "decoder.mid_block.attentions.0.to_out.0.weight", keymap.Target{Name: "decoder.mid_block.attentions.0.to_out.0.weight", Transform: keymap.Squeeze}, true},
	} {
		got, ok := keymap.Folder(c.component, c.name)
		if got != c.want || ok != c.ok {
			t.Errorf("%s of %s is %+v, %v; want %+v, %v", c.name, c.component, got, ok, c.want, c.ok)
		}
	}
}

func TestUnknownNamesHaveNoTarget(t *testing.T) {
	c := golden(t)["sdxl"].checkpoint(t)
	for _, name := range []string{
		"model_ema.diffusion_modelinput_blocks00weight", "denoiser.sigmas", "conditioner.embedders.1.model.logit_scale",
		"model.diffusion_model.input_blocks.99.0.in_layers.0.weight", "model.diffusion_model.input_blocks.01.0.in_layers.0.weight",
		"model.diffusion_model.output_blocks.x", "model.diffusion_model.middle_block", "first_stage_model.decoder.up.7.block.0.conv1.weight",
		"first_stage_model.loss.logvar", "conditioner.embedders.0.transformer.text_model.embeddings.position_ids",
		"conditioner.embedders.1.model.transformer.resblocks.-1.ln_1.weight",
	} {
		if part, targets := c.Targets(name); len(targets) != 0 {
			t.Errorf("%s gives %v of %q", name, targets, part)
		}
	}
}

// FuzzTargets: names from untrusted files give targets or none.
func FuzzTargets(f *testing.F) {
	f.Add("input_blocks.1.1.transformer_blocks.0.attn1.to_q.weight", "encoder.mid.attn_1.q.weight", "transformer.resblocks.3.attn.in_proj_bias")
	f.Add("output_blocks.2.2.conv.weight", "decoder.up.1.block.0.nin_shortcut.bias", "text_projection")
	f.Add("middle_block.1.", "decoder.up.", ".attentions.")
	f.Fuzz(func(t *testing.T, unet, vae, text string) {
		names := []string{
			"model.diffusion_model.input_blocks.0.0.weight", "model.diffusion_model.label_emb.0.0.weight",
			"model.diffusion_model." + unet, "first_stage_model." + vae, "conditioner.embedders.0.transformer." + text, "conditioner.embedders.1.model." + text,
		}
		c, err := keymap.NewCheckpoint(names)
		if err != nil {
			return // such as the key that marks another kind of model
		}
		shapes := make(map[string][]int)
		for _, name := range names {
			_, targets := c.Targets(name)
			for _, target := range targets {
				shapes[target.Name] = []int{2}
			}
		}
		for _, component := range []string{"unet", "vae", "text_encoder", "text_encoder_2"} {
			if _, err := keymap.Infer(component, shapes, 1); err == nil {
				t.Errorf("a %s of %v has a configuration", component, shapes)
			}
			keymap.Folder(component, vae)
		}
	})
}
