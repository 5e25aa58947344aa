package kinds

import (
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// weightsArgument is the argument of all kinds that names the file with weights.
const weightsArgument = "weights"

// Trace implements nodes.Traced.
func (m *model) Trace(component string, memo nodes.Memo) []nodes.Part {
	switch own := m.own.(type) {
	case nil:
		return m.traceBase(component, memo)
	case patch:
		if own.Touches(component) {
			return settled(parts(weightsArgument, own.Parts(component, memo)))
		}
	case *sdxl.ImageAdapter:
		if own.Component.Name == component {
			docs, err := m.documents(component)
			if err != nil {
				return nil
			}
			r, err := m.reading(component)
			if err != nil {
				return nil
			}
			return settled(parts(weightsArgument, r.Parts(memo, docs...)))
		}
	}
	return nil
}

// traceBase is what a model has as it was loaded.
func (m *model) traceBase(component string, memo nodes.Memo) []nodes.Part {
	docs, err := m.documents(component)
	if err != nil {
		return nil
	}
	if !m.hasWeights(component) {
		return parts(weightsArgument, weights.DocumentParts(memo, docs))
	}
	c, err := m.component(component)
	if err != nil {
		return nil
	}
	argument := weightsArgument
	if component == sdxl.VAE && c != m.ownVAE() {
		argument = "vae"
	}
	r, err := m.reading(component)
	if err != nil {
		return nil
	}
	return parts(argument, r.Parts(memo, docs...))
}

// ownVAE is the autoencoder of the model's own files; nil where they have none.
func (m *model) ownVAE() *weights.Component {
	c, err := m.base.Files.Component(sdxl.VAE)
	if err != nil {
		return nil
	}
	return c
}

// Trace implements nodes.Traced.
func (e *imageEncoder) Trace(_ string, memo nodes.Memo) []nodes.Part {
	docs, err := e.documents()
	if err != nil {
		return nil
	}
	return parts(weightsArgument, e.Component.Reading(e.reads).Parts(memo, docs...))
}

// parts are parts of weights as those of nodes.
func parts(argument string, list []weights.Part) []nodes.Part {
	var out []nodes.Part
	for _, p := range list {
		out = append(out, nodes.Part{Argument: argument, What: p.What, Digest: nodes.Digest(p.Digest)})
	}
	return out
}

// settled are parts of which only the weights come from the file: arguments decide the rest.
func settled(list []nodes.Part) []nodes.Part {
	for i := range list {
		if list[i].What != "weights" {
			list[i].Argument = ""
		}
	}
	return list
}
