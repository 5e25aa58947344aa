package kinds

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/lora"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Components of a model value beside those with weights.
const (
	schedulerPart  = "scheduler"
	tokenizerPart  = "tokenizer"
	tokenizerPart2 = "tokenizer_2"
	pipelinePart   = "pipeline" // conventions of the pipeline, such as what an absent negative prompt is
	latentPart     = "latents"  // channels and scale of the autoencoder's latents
)

// model is the live value of type model: an opened SDXL model whose autoencoder may come from another, and
// what nodes have added to it. A patched model reads the files of the one it was made of, which its node keeps open.
type model struct {
	base    *sdxl.Model
	vae     *sdxl.Autoencoder // that of base, unless load-model names another
	patches []patch           // in the order of the nodes
	images  []*imagePrompt    // likewise
	own     io.Closer         // what this value closes; nil for a model as loaded, which closes all
	shared  *shared           // with the model as loaded and all others that are made of it
	built   built             // for this value alone
}

// Type implements nodes.Live.
func (m *model) Type() nodes.Type { return nodes.ModelType }

// Components implements nodes.Live.
func (m *model) Components() []string {
	out := append(slices.Clone(weights.Components), latentPart, sizesGiven)
	for _, e := range edition.All() {
		out = append(out, ofEdition(pipelinePart, e), ofEdition(schedulerPart, e), ofEdition(tokenizerPart, e), ofEdition(tokenizerPart2, e))
	}
	for _, p := range m.images {
		out = append(out, p.name())
	}
	return out
}

// hasWeights says whether a component has tensors.
func (m *model) hasWeights(component string) bool {
	return slices.Contains(weights.Components, component) || m.image(component) != nil
}

// component opens a component with weights.
func (m *model) component(name string) (*weights.Component, error) {
	if name == sdxl.VAE {
		return m.vae.Component, nil
	}
	if p := m.image(name); p != nil {
		return p.adapter.Component, nil
	}
	return m.base.Files.Component(name)
}

// reading is a component with the tensors that nodes read of it.
func (m *model) reading(name string) (weights.Reading, error) {
	c, err := m.component(name)
	if err != nil {
		return weights.Reading{}, err
	}
	if p := m.image(name); p != nil {
		return c.Reading(p.reads), nil
	}
	return c.Reading(m.shared.reads()[name]), nil
}

// Digest implements nodes.Live.
func (m *model) Digest(ctx context.Context, component string, memo nodes.Memo) (nodes.Digest, error) {
	d, err := m.baseDigest(ctx, component, memo)
	for _, p := range m.patches {
		if err != nil {
			break
		}
		if p.Touches(component) {
			var added weights.Digest
			added, err = p.Digest(ctx, component, memo)
			d = patchedDigest(d, added)
		}
	}
	return d, err
}

func (m *model) baseDigest(ctx context.Context, component string, memo nodes.Memo) (nodes.Digest, error) {
	docs, err := m.documents(component)
	if err != nil {
		return nodes.Digest{}, err
	}
	if !m.hasWeights(component) {
		return nodes.Digest(weights.DigestDocuments(docs)), nil
	}
	c, err := m.reading(component)
	if err != nil {
		return nodes.Digest{}, err
	}
	d, err := c.Digest(ctx, memo, docs...)
	return nodes.Digest(d), err
}

// Known implements nodes.Live.
func (m *model) Known(component string, memo nodes.Memo) (nodes.Digest, int64, bool) {
	d, unread, ok := m.baseKnown(component, memo)
	for _, p := range m.patches {
		if p.Touches(component) {
			added, n, known := p.Known(component, memo)
			d, unread, ok = patchedDigest(d, added), unread+n, ok && known
		}
	}
	return d, unread, ok
}

func (m *model) baseKnown(component string, memo nodes.Memo) (nodes.Digest, int64, bool) {
	docs, err := m.documents(component)
	if err != nil {
		return nodes.Digest{}, 0, false
	}
	if !m.hasWeights(component) {
		return nodes.Digest(weights.DigestDocuments(docs)), 0, true
	}
	c, err := m.reading(component)
	if err != nil {
		return nodes.Digest{}, 0, false
	}
	d, unread, ok := c.Remembered(memo, docs...)
	return nodes.Digest(d), unread, ok
}

// Verify implements nodes.Live.
func (m *model) Verify(components ...string) error {
	for _, name := range components {
		if !m.hasWeights(name) {
			continue
		}
		c, err := m.component(name)
		if err != nil {
			return err
		}
		if err := c.Verify(); err != nil {
			return err
		}
		for _, p := range m.patches {
			if !p.Touches(name) {
				continue
			}
			if err := p.Verify(); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close implements nodes.Live.
func (m *model) Close() error {
	if m.own != nil {
		return m.own.Close()
	}
	return errors.Join(m.base.Close(), m.vae.Close())
}

// weights joins components and what patches add to them to a source for programs.
func (m *model) weights(components ...string) (*lora.Source, error) {
	var parts []*weights.Component
	for _, name := range components {
		c, err := m.component(name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
	}
	src := lora.NewSource(weights.NewBundle(parts...))
	for i, p := range m.patches {
		for _, c := range components {
			if p.Touches(c) {
				p.Join(src, part(i, c), c)
			}
		}
	}
	return src, nil
}

// modelOf finds the model among live inputs.
func modelOf(live map[string]nodes.Live) (*model, error) {
	m, ok := live["model"].(*model)
	if !ok {
		return nil, fmt.Errorf("the model input is a %T", live["model"])
	}
	return m, nil
}
