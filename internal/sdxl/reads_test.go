package sdxl

import (
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// TestReads: all of the UNet and the second text encoder, of the first all but what follows its penultimate states, of the autoencoder the decoder.
func TestReads(t *testing.T) {
	m, err := Open("../../examples/castle/model", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	v, err := m.Autoencoder()
	if err != nil {
		t.Fatal(err)
	}
	reads := m.Reads()
	reads[VAE] = v.Reads()
	for component, unread := range map[string][]string{
		UNet: nil, TextEncoder2: nil, VAE: {"encoder.", "quant_conv."},
		TextEncoder: {"text_model.encoder.layers.2.", "text_model.final_layer_norm."},
	} {
		c, err := m.Files.Component(component)
		if err != nil {
			t.Fatal(err)
		}
		if len(reads[component]) == 0 {
			t.Errorf("nothing of the %s is read", component)
		}
		for _, name := range c.Names() {
			left := slices.ContainsFunc(unread, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
			if reads[component][name] == left {
				t.Errorf("%s of the %s: read is %v", name, component, !left)
			}
		}
	}
}
