package lora

import (
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// TestDigestTellsScaleFromAlpha: twice the scale and half the alpha is the same change of a layer that has a strength alone, and another of one that reads
// the scale apart: of LyCORIS' DoRA, and of a bias' difference beside a low-rank layer.
func TestDigestTellsScaleFromAlpha(t *testing.T) {
	const layer = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_out_0"
	for _, c := range []struct {
		name string
		more tensors
		same bool
	}{
		{"LoRA", nil, true},
		{"DoRA", tensors{layer + ".dora_scale 64 1": nil}, false},
		{"a bias' difference", tensors{layer + ".diff_b 64": nil}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			digest := func(scale, alpha float32) weights.Digest {
				list := tensors{layer + ".lora_down.weight 8 64": nil, layer + ".lora_up.weight 64 8": nil, layer + ".alpha": {alpha}}
				for name, values := range c.more {
					list[name] = values
				}
				a, err := apply(t, list, nil, Options{Scale: float64(scale)})
				if err != nil {
					t.Fatal(err)
				}
				d, err := a.Digest(t.Context(), "unet", nil)
				if err != nil {
					t.Fatal(err)
				}
				return d
			}
			if got := digest(1, 4) == digest(2, 2); got != c.same {
				t.Errorf("one digest: %v", got)
			}
		})
	}
}

// TestUnreadLayers are left alone: where nothing of a component is read that a file changes, the component stays as it is.
func TestUnreadLayers(t *testing.T) {
	list := tensors{}
	for _, layer := range []string{"lora_te1_text_model_encoder_layers_0_self_attn_q_proj", "lora_te1_text_model_encoder_layers_2_self_attn_q_proj", "lora_te2_text_model_encoder_layers_2_self_attn_q_proj"} {
		width := "64"
		if strings.Contains(layer, "te2") {
			width = "96"
		}
		list[layer+".lora_down.weight 4 "+width], list[layer+".lora_up.weight "+width+" 4"] = nil, nil
	}
	a, err := apply(t, list, nil, Options{Scale: 1, Reads: func(component, name string) bool {
		return component == "text_encoder" && strings.Contains(name, "layers.0.")
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(a.Components(), " "); got != "text_encoder" {
		t.Errorf("it touches %q", got)
	}
	if n := len(a.Additions("lora.0.text_encoder", "text_encoder")); n != 1 {
		t.Errorf("it changes %d weights of the first encoder, want 1", n)
	}
	if n := len(a.Match().Targets); n != 3 {
		t.Errorf("%d layers are found, want 3", n)
	}
}
