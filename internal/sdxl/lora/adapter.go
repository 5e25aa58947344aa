package lora

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// Attach says how a file's layers find those of the model.
type Attach string

// Ways to attach.
const (
	ByName        Attach = "by-name"        // names decide the layer, alpha / rank the strength
	RefinersOrder Attach = "refiners-order" // order and shape, no alpha: what Refiners' SDLoraManager does
)

// Options say how a file is applied to a model.
type Options struct {
	Scale  float64
	Attach Attach // by name where it is empty
	// Merge merges low-rank layers into the weights as all other forms are, instead of computing them beside.
	Merge bool
	// LetPass leaves keys that find no layer aside instead of refusing the file.
	LetPass bool
	// Reads says whether a tensor of a component is read at all: changes of others are no changes. Without it all are.
	Reads func(component, name string) bool
}

// Adapter is a LoRA on a model.
type Adapter struct {
	file  *File
	match *Match
	parts map[string]*adapterPart // by component
}

// adapterPart is what a LoRA has for one component.
type adapterPart struct {
	weights *weights.Component // tensors "PATH.ROLE"
	layers  []*applied
	docs    []weights.Document // what decides the result beside the tensors
}

// applied is a layer with its strength.
type applied struct {
	*Target
	strength float64 // scale * alpha / rank
	scale    float64
	merged   bool // into the weight, not beside it
}

// Apply matches an opened file with a model. The adapter takes the file over: [Adapter.Close] closes it.
func Apply(f *File, m Model, opt Options) (*Adapter, error) {
	match, err := f.Match(m, opt)
	if err != nil {
		return nil, err
	}
	a := &Adapter{file: f, match: match, parts: make(map[string]*adapterPart)}
	byComponent := make(map[string][]*applied)
	for _, t := range match.Targets {
		l := &applied{Target: t, strength: strength(opt.Scale, t.alpha, t.divide, t.root), scale: opt.Scale,
			merged: opt.Merge || !t.Method.LowRank()}
		if l.idle() || !l.read(opt.Reads) {
			continue
		}
		if low := float32(l.strength); math.IsInf(float64(low), 0) {
			return nil, f.fail("", fmt.Sprintf("%s gets the strength %g, which fp32 cannot hold", t.name, l.strength), "")
		}
		byComponent[t.component] = append(byComponent[t.component], l)
	}
	for component, layers := range byComponent {
		if a.parts[component], err = newPart(f, component, layers); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// idle says that a layer changes nothing: at scale 0, except where peft's DoRA sets magnitudes regardless.
func (l *applied) idle() bool { return l.scale == 0 && l.keys[magnitude] == "" }

// read says whether a weight or a bias that the layer changes is read.
func (l *applied) read(reads func(component, name string) bool) bool {
	return reads == nil || reads(l.component, l.path+".weight") || reads(l.component, l.path+".bias")
}

// Match finds out which layers of a model a file is for. What does not fit is an error.
func (f *File) Match(m Model, opt Options) (*Match, error) {
	if opt.Attach == RefinersOrder {
		match, err := f.byOrder(m)
		if err != nil {
			return nil, err
		}
		return match, f.refuse(match, m, opt.LetPass)
	}
	match := f.byName(m)
	return match, f.refuse(match, m, opt.LetPass)
}

func newPart(f *File, component string, layers []*applied) (*adapterPart, error) {
	sources := make(map[string]string)
	for _, l := range layers {
		for r, key := range l.keys {
			if r != alpha {
				sources[l.path+"."+string(r)] = key
			}
		}
	}
	c, err := weights.Collect("lora "+component, f.file, sources)
	if err != nil {
		return nil, err
	}
	docs, err := documents(layers)
	return &adapterPart{weights: c, layers: layers, docs: docs}, err
}

// Match is how the file's layers lie on the model.
func (a *Adapter) Match() *Match { return a.match }

// Touches says whether the LoRA changes a component.
func (a *Adapter) Touches(component string) bool { return a.parts[component] != nil }

// Digest identifies what the LoRA does to a component that it touches: tensors under the names of the model's layers, and strengths.
func (a *Adapter) Digest(ctx context.Context, component string, memo weights.Memo) (weights.Digest, error) {
	p := a.parts[component]
	return p.weights.Digest(ctx, memo, p.docs...)
}

// Known is the digest if that takes no reading; else the number of bytes to read.
func (a *Adapter) Known(component string, memo weights.Memo) (d weights.Digest, unread int64, ok bool) {
	p := a.parts[component]
	return p.weights.Remembered(memo, p.docs...)
}

// Parts is what the digest of what it does to a component is made of.
func (a *Adapter) Parts(component string, memo weights.Memo) []weights.Part {
	p := a.parts[component]
	return p.weights.Parts(memo, p.docs...)
}

// Verify says whether the file is still the one that was opened.
func (a *Adapter) Verify() error { return a.file.file.Verify() }

// Join adds the LoRA's weights for a component to a source, as the part of the given name, and what it merges into the component's.
func (a *Adapter) Join(s *Source, part, component string) {
	p := a.parts[component]
	s.Join(part, p.weights)
	s.added[part] = true
	for _, l := range p.layers {
		s.merge(component, part, l, a.file)
	}
}

// Additions are the low-rank layers for a component as patches of its weights, by factors of the part of the given name.
func (a *Adapter) Additions(part, component string) program.Patches {
	out := make(program.Patches)
	if a.parts[component] == nil {
		return out
	}
	for _, l := range a.parts[component].layers {
		if l.merged {
			continue
		}
		factor := func(r role) program.Factor {
			return program.Factor{Name: part + "/" + l.path + "." + string(r), Shape: a.file.shape(l.layer, r)}
		}
		patch := program.Patch{Down: factor(down), Up: factor(up), Scale: float32(l.strength)}
		if l.keys[mid] != "" {
			f := factor(mid)
			patch.Mid = &f
		}
		name := component + "/" + l.path + ".weight"
		out[name] = append(out[name], patch)
	}
	return out
}

// Merged is the number of bytes that merging a component's weights takes.
func (a *Adapter) Merged(component string) int64 {
	var n int64
	if p := a.parts[component]; p != nil {
		for _, l := range p.layers {
			if l.merged {
				n += 4 * int64(size(l.weight))
			}
		}
	}
	return n
}

// Components lists what the LoRA changes, sorted.
func (a *Adapter) Components() []string { return slices.Sorted(maps.Keys(a.parts)) }

// Contents lists the LoRA's file.
func (a *Adapter) Contents() []*weights.Content { return []*weights.Content{a.file.file.Content()} }

// Close unmaps the file.
func (a *Adapter) Close() error { return a.file.Close() }
