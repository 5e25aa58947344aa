package kinds

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// sizesGiven stands for latentPart where all sizes that a UNet is told are given, so that nothing of it is read.
const sizesGiven = latentPart + ".given"

// ofEdition names a component as an edition reads it. Editions other than diffusers read less of some: two files that are one to them need not be one to
// diffusers.
func ofEdition(component string, e edition.Edition) string {
	if e.Name == edition.Diffusers.Name {
		return component
	}
	return component + "." + e.Name
}

// byEdition takes the name apart.
func byEdition(name string) (component string, e edition.Edition, err error) {
	component, of, ok := strings.Cut(name, ".")
	if !ok {
		return name, edition.Diffusers, nil
	}
	e, err = edition.ByName(of)
	return component, e, err
}

// documents are what decides a component's result beside its tensors: parsed values without what nothing reads, so
// that fields that change nothing do not matter.
func (m *model) documents(name string) ([]weights.Document, error) {
	if p := m.image(name); p != nil {
		return configDocument(p.settings())
	}
	if name == sizesGiven {
		return configDocument(map[string]int{})
	}
	component, e, err := byEdition(name)
	if err != nil {
		return nil, err
	}
	switch component {
	case sdxl.UNet:
		return configDocument(unet(m.base.UNet))
	case sdxl.VAE:
		return configDocument(decoder(m.vae.Config))
	case sdxl.TextEncoder:
		return configDocument(textEncoder(m.base.Text[0], false))
	case sdxl.TextEncoder2:
		return configDocument(textEncoder(m.base.Text[1], true))
	case schedulerPart:
		return configDocument(solver.Schedule(m.base.Scheduler, e))
	case pipelinePart:
		return configDocument(map[string]bool{"force_zeros_for_empty_prompt": m.base.ForceZeros && e.ZeroNegative})
	case latentPart:
		return configDocument(map[string]int{"channels": m.vae.Config.LatentChannels, "scale": m.vae.Config.Scale()})
	case tokenizerPart, tokenizerPart2:
		i := 0
		if component == tokenizerPart2 {
			i = 1
		}
		t, err := m.tokenizer(i, e)
		if err != nil {
			return nil, err
		}
		return t.documents, nil
	}
	return nil, fmt.Errorf("a model has no component %q", name)
}

func configDocument(value any) ([]weights.Document, error) {
	doc, err := weights.JSONDocument("config", value)
	return []weights.Document{doc}, err
}

// unet is a UNet's configuration without what it says of transformers where there are none.
func unet(c *config.UNet) config.UNet {
	u := *c
	u.Heads, u.TransformerLayers = slices.Clone(u.Heads), slices.Clone(u.TransformerLayers)
	n := len(u.Attention)
	for i := range n - 1 { // the last is also the middle's
		if !u.Attention[i] && !u.UpAttention[n-1-i] {
			u.Heads[i], u.TransformerLayers[i] = 0, 0
		}
	}
	return u
}

// decoder is an autoencoder's configuration without what the encoder alone has.
func decoder(c *config.VAE) config.VAE {
	d := *c
	d.InChannels, d.QuantConv = 0, false
	return d
}

// textEncoder is a text encoder's configuration without what makes the pooled prompt, where that is another's.
func textEncoder(c *config.Text, pooled bool) config.Text {
	t := *c
	if !pooled {
		t.WithProjection, t.Projection, t.EOS = false, 0, 0
	}
	return t
}
