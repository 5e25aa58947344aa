package keymap_test

import (
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// TestOriginals maps canonical names back to the original layout.
func TestOriginals(t *testing.T) {
	for name, g := range golden(t) {
		t.Run(name, func(t *testing.T) {
			want := make(map[string]string)
			var layers []string
			for _, r := range g.Tensors["unet"] {
				layer, weight := strings.CutSuffix(r.Name, ".weight")
				if !weight || len(r.Targets) != 1 {
					continue
				}
				canonical := strings.TrimSuffix(r.Targets[0], ".weight")
				want[canonical] = strings.TrimPrefix(layer, "model.diffusion_model.")
				layers = append(layers, canonical)
			}
			got := keymap.Originals(layers)
			if len(got) != len(want) || len(want) < 100 {
				t.Errorf("%d layers have an original name, want %d", len(got), len(want))
			}
			for l, w := range want {
				if got[l] != w {
					t.Errorf("%s is %q, want %q", l, got[l], w)
				}
			}
		})
	}
}
