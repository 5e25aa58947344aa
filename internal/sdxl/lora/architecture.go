package lora

import (
	"fmt"
	"strings"
)

// marks are parts of keys that only LoRAs for other models have.
var marks = []struct{ part, model string }{
	{"double_blocks", "Flux"}, {"single_transformer_blocks", "Flux"}, {"joint_blocks", "Stable Diffusion 3"}, {"lora_te3_", "Stable Diffusion 3 or Flux"},
	{"transformer.transformer_blocks", "a diffusion transformer (Stable Diffusion 3, Flux or later)"}, {"lora_prior_", "Stable Cascade"},
	{"cross_attn.", "a video model"},
}

// widths are the channels of the prompt's states in known models.
var widths = map[int]string{768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 1280: "the SDXL refiner", 2048: "SDXL"}

// architecture says which model a file was made for, as far as its keys and metadata tell; empty if they do not.
func (f *File) architecture() string {
	for _, l := range f.layers {
		for _, m := range marks {
			if strings.Contains(l.name, m.part) {
				return m.model
			}
		}
	}
	for _, l := range f.layers { // how many channels of the prompt cross-attention reads
		if a := f.shape(l, down); len(a) >= 2 && strings.HasSuffix(strings.ReplaceAll(l.name, ".", "_"), "attn2_to_k") {
			return contextName(a[1])
		}
	}
	for _, key := range []string{"modelspec.architecture", "ss_base_model_version"} {
		if v := f.Metadata()[key]; v != "" {
			return v
		}
	}
	return ""
}

// modelArchitecture says the same of a model.
func modelArchitecture(m Model) string {
	for name, shape := range m["unet"] {
		if strings.HasSuffix(name, "attn2.to_k.weight") && len(shape) == 2 {
			return contextName(shape[1])
		}
	}
	return "SDXL"
}

func contextName(width int) string {
	if name, ok := widths[width]; ok {
		return fmt.Sprintf("%s (prompts of %d channels)", name, width)
	}
	return fmt.Sprintf("a UNet whose prompts have %d channels", width)
}
