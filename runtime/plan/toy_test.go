package plan

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// toyModel is a live value of two parts.
type toyModel struct {
	parts  map[string]byte
	closed *int
}

func (*toyModel) Type() nodes.Type     { return nodes.ModelType }
func (*toyModel) Components() []string { return []string{"unet", "text"} }
func (m *toyModel) Digest(_ context.Context, c string, _ nodes.Memo) (nodes.Digest, error) {
	return nodes.Digest{m.parts[c]}, nil
}
func (m *toyModel) Known(c string, _ nodes.Memo) (nodes.Digest, int64, bool) {
	return nodes.Digest{m.parts[c]}, 0, true
}
func (*toyModel) Verify(...string) error { return nil }
func (m *toyModel) Close() error {
	if m.closed != nil {
		*m.closed++
	}
	return nil
}

// stored is an operation that plans what it is told to.
type stored struct{ plan func() (nodes.Plan, error) }

func (o stored) Plan(*nodes.Env, nodes.PlanInputs) (nodes.Plan, error) { return o.plan() }
func (o stored) Run(context.Context, *nodes.Env, nodes.Inputs) (map[string]nodes.Value, error) {
	return nil, fmt.Errorf("a plan runs nothing")
}

type opener struct {
	open func() (map[string]nodes.Live, error)
}

func (o opener) Open(context.Context, *nodes.Env, nodes.PlanInputs) (map[string]nodes.Live, error) {
	return o.open()
}

// toys is a registry of kinds that look like the real ones and do nothing.
func toys(closed *int) *nodes.Registry {
	port := func(name string, t nodes.Type, required bool) nodes.Arg {
		return nodes.Arg{Name: name, Type: nodes.PortArg, Port: t, Required: required}
	}
	gives := func(name string, t nodes.Type, class, edition bool, uses ...string) func(*nodes.Args) (nodes.Op, error) {
		return func(a *nodes.Args) (nodes.Op, error) {
			return stored{func() (nodes.Plan, error) {
				p := nodes.Plan{Class: class, Edition: edition, Outputs: map[string]nodes.Meta{name: {Of: t, Shapes: map[string][]int{name: {1, 2, 2, 4}}}}}
				if uses != nil {
					p.Uses = []nodes.Use{{Input: "model", Components: uses}}
				}
				if a.String("note") != "" {
					p.Notes = []string{a.String("note")}
				}
				return p, nil
			}}, nil
		}
	}
	return nodes.NewRegistry(
		&nodes.Kind{Name: "load", Version: 1, Args: []nodes.Arg{{Name: "weights", Type: nodes.WeightsArg}, {Name: "fail", Type: nodes.BoolArg}},
			Outputs: []nodes.Port{{Name: "model", Type: nodes.ModelType}},
			New: func(a *nodes.Args) (nodes.Op, error) {
				return opener{func() (map[string]nodes.Live, error) {
					if a.Bool("fail") {
						return nil, fmt.Errorf("cannot be opened")
					}
					return map[string]nodes.Live{"model": &toyModel{map[string]byte{"unet": 1, "text": 2}, closed}}, nil
				}}, nil
			}},
		&nodes.Kind{Name: "text", Version: 1, Args: []nodes.Arg{port("model", nodes.ModelType, true), {Name: "prompt", Type: nodes.StringArg, Template: true}, {Name: "note", Type: nodes.StringArg}},
			Outputs: []nodes.Port{{Name: "conditioning", Type: nodes.ConditioningType}}, New: gives("conditioning", nodes.ConditioningType, true, true, "text")},
		&nodes.Kind{Name: "noise", Version: 1, Args: []nodes.Arg{{Name: "seed", Type: nodes.SeedArg}, {Name: "ratio", Type: nodes.FloatArg, Default: 0.5}},
			Outputs: []nodes.Port{{Name: "latents", Type: nodes.LatentsType}}, New: func(a *nodes.Args) (nodes.Op, error) {
				if a.Seed("seed") == 13 {
					return nil, fmt.Errorf("seed 13 is unlucky")
				}
				return gives("latents", nodes.LatentsType, false, false)(a)
			}},
		&nodes.Kind{Name: "noise", Version: 2, Outputs: []nodes.Port{{Name: "latents", Type: nodes.LatentsType}}, New: gives("latents", nodes.LatentsType, false, false)},
		&nodes.Kind{Name: "denoise", Version: 1, Args: []nodes.Arg{port("model", nodes.ModelType, true), port("latents", nodes.LatentsType, true), port("conditioning", nodes.ConditioningType, true)},
			Outputs: []nodes.Port{{Name: "latents", Type: nodes.LatentsType}}, New: gives("latents", nodes.LatentsType, true, true, "unet")},
		&nodes.Kind{Name: "image", Version: 1, Args: []nodes.Arg{port("latents", nodes.LatentsType, false), {Name: "images", Type: nodes.ListArg, Item: &nodes.Arg{Type: nodes.PortArg, Port: nodes.ImageType}}},
			Outputs: []nodes.Port{{Name: "image", Type: nodes.ImageType}}, New: gives("image", nodes.ImageType, false, true)},
		&nodes.Kind{Name: "two", Version: 1, Outputs: []nodes.Port{{Name: "image", Type: nodes.ImageType}, {Name: "mask", Type: nodes.ImageType}},
			New: func(*nodes.Args) (nodes.Op, error) { return "not an operation", nil }},
	)
}

// castle is a workflow of toys with the castle's shape.
const castle = `flow: v1
name: castle
params:
  seed: {type: seed, default: 42}
  word: {type: string, default: a castle}
models: {small: {path: model}}
nodes:
  base: {kind: load, weights: $models.small}
  text: {kind: text, model: $base.model, prompt: "${params.word}, best"}
  noise: {kind: noise, seed: $params.seed}
  latents: {kind: denoise, model: $base.model, latents: $noise.latents, conditioning: $text.conditioning}
  image: {kind: image, latents: $latents.latents}
outputs:
  picture: {from: $image.image, path: "out/${name}-${params.seed}.png"}
`

// build plans a workflow whose folder holds a model and reports all diagnostics.
func build(t *testing.T, text string, change func(*Options)) (*Plan, []spec.Diagnostic) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "model"), 0o755); err != nil {
		t.Fatal(err)
	}
	opt := Options{Registry: toys(nil), Files: &Finder{Folder: dir}}
	if change != nil {
		change(&opt)
	}
	doc, diags := spec.Parse("toy.flow.yaml", []byte(text))
	return Build(doc, diags, opt)
}

// mustBuild plans a workflow without a mistake and inspects it.
func mustBuild(t *testing.T, text string, change func(*Options)) *Plan {
	t.Helper()
	p, diags := build(t, text, change)
	if p == nil {
		t.Fatal(diags)
	}
	if diags := p.Inspect(t.Context(), &nodes.Env{Edition: p.Edition, Precision: p.Precision}); spec.Failed(diags) {
		t.Fatal(diags)
	}
	t.Cleanup(p.Close)
	return p
}

// nodesOnly is a workflow of nodes alone.
func nodesOnly(lines ...string) string {
	return "flow: v1\nname: toy\nnodes:\n  " + strings.Join(lines, "\n  ") + "\n"
}

func (p *Plan) step(name string) *Step {
	for _, s := range p.Steps {
		if s.Name == name {
			return s
		}
	}
	return nil
}
