package kinds

import (
	"fmt"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/ipadapter"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// imagePrompt is an IP-Adapter on a model, with the pictures that it is prompted with.
type imagePrompt struct {
	adapter  *sdxl.ImageAdapter
	pictures []prompted
	scale    ipadapter.Scale
	reads    map[string]bool // tensors that are read of the adapter at that scale
}

// prompted is an encoded picture: made by a node that has not run yet.
type prompted struct {
	source nodes.Source
	state  []int // shape of what the adapter reads of it, without the batch
	weight float32
}

// name is the component that the adapter is.
func (p *imagePrompt) name() string { return p.adapter.Component.Name }

// off says that it changes nothing.
func (p *imagePrompt) off() bool { return p.scale == ipadapter.Scale{} }

// settings are what decides its effect beside its weights and the pictures.
func (p *imagePrompt) settings() any {
	weights := make([]float32, len(p.pictures))
	for i := range p.pictures {
		weights[i] = p.pictures[i].weight
	}
	return map[string]any{"scale": p.scale, "weights": weights}
}

// stateNames names what an adapter reads of an encoded picture: the array of the picture's, and that of none.
func stateNames(c *ipadapter.Config) (picture, none string) {
	if c.Plus {
		return hiddenState, zeroHiddenState
	}
	return embedsState, "" // zeros
}

// image finds an IP-Adapter by the name of its component; nil for none.
func (m *model) image(component string) *imagePrompt {
	i := slices.IndexFunc(m.images, func(p *imagePrompt) bool { return p.name() == component })
	if i < 0 {
		return nil
	}
	return m.images[i]
}

// Needs implements nodes.Dependent: an IP-Adapter's pictures.
func (m *model) Needs(component string) []nodes.Source {
	p := m.image(component)
	if p == nil {
		return nil
	}
	out := make([]nodes.Source, len(p.pictures))
	for i := range p.pictures {
		out[i] = p.pictures[i].source
	}
	return out
}

// prompts are the image prompts that have an effect.
func (m *model) prompts() []*imagePrompt {
	return slices.DeleteFunc(slices.Clone(m.images), (*imagePrompt).off)
}

// imageComponents are the components of the UNet's image prompts.
func (m *model) imageComponents() []string {
	var out []string
	for _, p := range m.prompts() {
		out = append(out, p.name())
	}
	return out
}

// imagePrompts describes the image prompts to a sampling program.
func (m *model) imagePrompts() []sdxl.ImagePrompt {
	var out []sdxl.ImagePrompt
	for _, p := range m.prompts() {
		out = append(out, p.describe())
	}
	return out
}

func (p *imagePrompt) describe() sdxl.ImagePrompt {
	d := sdxl.ImagePrompt{Adapter: p.adapter.Config, Component: p.name(), Scale: p.scale, State: p.pictures[0].state}
	for _, x := range p.pictures {
		d.Weights = append(d.Weights, x.weight)
	}
	return d
}

// imageInputs adds the states of all pictures to a sampling program's inputs; with guidance, those of no picture last.
func (m *model) imageInputs(in map[string]program.Tensor, stored map[string]nodes.Value, guided bool) error {
	for k, p := range m.prompts() {
		of, none := stateNames(p.adapter.Config)
		state := p.pictures[0].state
		t := program.Tensor{Shape: append([]int{len(p.pictures)}, state...)}
		var last nodes.Tensor // the encoder makes the same of no picture beside each
		for i := range p.pictures {
			value, ok := stored[nodes.Inherited("model", p.name(), i)].(*nodes.Tensors)
			if !ok {
				return fmt.Errorf("picture %d of %s is missing", i, p.name())
			}
			t.F = append(t.F, value.List[of].Data...)
			last = value.List[none]
		}
		if none == "" {
			last.Data = make([]float32, program.Elems(state))
		}
		if guided {
			t.Shape[0]++
			t.F = append(t.F, last.Data...)
		}
		in[sdxl.InStates(k)] = t
	}
	return nil
}
