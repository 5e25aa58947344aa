package sched

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// dependentFile has a live value, adapted, one component of which needs the stored value of tokens.
const dependentFile = `flow: v1
name: toy
params: {shade: {type: int, default: 1}}
nodes:
  base:    {kind: open}
  tokens:  {kind: look, shade: $params.shade}
  adapted: {kind: adapt, model: $base.model, from: $tokens.value}
  text:    {kind: read, model: $adapted.model}
  paint:   {kind: paint, model: $adapted.model}
outputs:
  text:  {from: $text.value, path: text.png}
  paint: {from: $paint.value, path: paint.png}
`

// toy is a live value with the components "text" and "unet", and "adapter" where it was adapted.
type toy struct {
	needs []nodes.Source
	mu    *sync.Mutex
	open  *int
}

func (*toy) Type() nodes.Type { return nodes.ModelType }

func (*toy) Components() []string { return []string{"text", "unet", "adapter"} }

func (*toy) Digest(_ context.Context, component string, _ nodes.Memo) (nodes.Digest, error) {
	return nodes.Digest{byte(len(component))}, nil
}

func (t *toy) Known(component string, m nodes.Memo) (nodes.Digest, int64, bool) {
	d, _ := t.Digest(context.Background(), component, m)
	return d, 0, true
}

func (*toy) Verify(...string) error { return nil }

func (t *toy) Close() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	*t.open--
	return nil
}

func (t *toy) Needs(component string) []nodes.Source {
	if component != "adapter" {
		return nil
	}
	return t.needs
}

// opener is a live operation; adapt passes its stored input on as a need.
type opener struct{ b *bench }

func (o *opener) Open(_ context.Context, _ *nodes.Env, in nodes.PlanInputs) (map[string]nodes.Live, error) {
	o.b.open++
	t := &toy{mu: &o.b.mu, open: &o.b.open}
	if src, ok := in.Sources["from"]; ok {
		t.needs = append(t.needs, src)
		if got := in.Stored["from"].Shape("image"); !slices.Equal(got, []int{1, 1, 3}) {
			return nil, fmt.Errorf("the shape of from is %v", got)
		}
	}
	return map[string]nodes.Live{"model": t}, nil
}

// painter is a stored operation that counts its runs and makes one pixel.
type painter struct {
	b          *bench
	name       string
	shade      byte
	components []string
}

func (p *painter) Plan(*nodes.Env, nodes.PlanInputs) (nodes.Plan, error) {
	out := nodes.Plan{Outputs: map[string]nodes.Meta{"value": {Of: nodes.ImageType, Shapes: map[string][]int{"image": {1, 1, 3}}}}}
	if p.components != nil {
		out.Uses = []nodes.Use{{Input: "model", Components: p.components}}
	}
	return out, nil
}

func (p *painter) Run(_ context.Context, _ *nodes.Env, in nodes.Inputs) (map[string]nodes.Value, error) {
	p.b.mu.Lock()
	defer p.b.mu.Unlock()
	p.b.ran = append(p.b.ran, p.name)
	if p.b.fail == p.name {
		return nil, errors.New("out of paint")
	}
	pix := []byte{p.shade, 0, 0}
	if p.name == "paint" {
		given, ok := in.Stored[nodes.Inherited("model", "adapter", 0)].(*nodes.Image)
		if !ok {
			return nil, fmt.Errorf("paint got %v", slices.Collect(maps.Keys(in.Stored)))
		}
		pix[1] = given.Pix[0]
	}
	return map[string]nodes.Value{"value": &nodes.Image{Width: 1, Height: 1, Pix: pix}}, nil
}

// bench runs the toy workflow over one store.
type bench struct {
	mu    sync.Mutex
	store cache.Store
	ran   []string
	fail  string // the kind that fails
	open  int    // live values that are open
}

func (b *bench) registry() *nodes.Registry {
	model := nodes.Arg{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType}
	live := []nodes.Port{{Name: "model", Type: nodes.ModelType}}
	stored := []nodes.Port{{Name: "value", Type: nodes.ImageType}}
	opens := func(*nodes.Args) (nodes.Op, error) { return &opener{b}, nil }
	paints := func(name string, components ...string) func(*nodes.Args) (nodes.Op, error) {
		return func(a *nodes.Args) (nodes.Op, error) {
			return &painter{b, name, byte(a.Int("shade")), components}, nil
		}
	}
	return nodes.NewRegistry(
		&nodes.Kind{Name: "open", Version: 1, Outputs: live, New: opens},
		&nodes.Kind{Name: "adapt", Version: 1, Args: []nodes.Arg{model, {Name: "from", Type: nodes.PortArg, Port: nodes.ImageType}}, Outputs: live, New: opens},
		&nodes.Kind{Name: "look", Version: 1, Args: []nodes.Arg{{Name: "shade", Type: nodes.IntArg}}, Outputs: stored, New: paints("look")},
		&nodes.Kind{Name: "read", Version: 1, Args: []nodes.Arg{model}, Outputs: stored, New: paints("read", "text")},
		&nodes.Kind{Name: "paint", Version: 1, Args: []nodes.Arg{model}, Outputs: stored, New: paints("paint", "unet", "adapter")},
	)
}

// run gives the states of the needed nodes and the kinds that ran, sorted.
func (b *bench) run(t *testing.T, file string, shade string) (states map[string]State, ran []string, rows []Row) {
	t.Helper()
	doc, diags := spec.Parse("toy.flow.yaml", []byte(file))
	over, problem := spec.ParseOverride("shade=" + shade)
	if problem != nil {
		t.Fatal(problem)
	}
	p, diags := plan.Build(doc, diags, plan.Options{Registry: b.registry(), Overrides: []spec.Override{over}, Files: &plan.Finder{}})
	if p == nil {
		t.Fatal(diags)
	}
	defer p.Close()
	if diags := p.Inspect(t.Context(), &nodes.Env{}); len(diags) > 0 {
		t.Fatal(diags)
	}
	b.ran, rows = nil, Explain(p, b.store, 0)
	res := Run(t.Context(), p, Options{Store: b.store, Sink: &event.Recorder{}, Write: func(plan.Output, nodes.Value, []Made) (string, error) { return "x", nil }})
	states = make(map[string]State)
	for _, s := range res.Steps {
		states[s.Name] = s.State
	}
	slices.Sort(b.ran)
	return states, b.ran, rows
}

func TestDependent(t *testing.T) {
	b := &bench{store: cache.NewMemory()}
	if _, ran, _ := b.run(t, dependentFile, "1"); !slices.Equal(ran, []string{"look", "paint", "read"}) {
		t.Fatalf("the first run ran %v", ran)
	}
	if b.open != 0 {
		t.Errorf("%d live values stay open", b.open)
	}
	if _, ran, _ := b.run(t, dependentFile, "1"); len(ran) != 0 {
		t.Errorf("the second run ran %v", ran)
	}
	states, ran, rows := b.run(t, dependentFile, "2")
	if !slices.Equal(ran, []string{"look", "paint"}) || states["text"] != Hit {
		t.Errorf("with another value %v ran and text was %s: what does not use the adapter must not run again", ran, states["text"])
	}
	planned := make(map[string]string)
	for _, r := range rows {
		planned[r.Step.Name] = r.State
	}
	if planned["text"] != WouldHit || planned["tokens"] != WouldRun || planned["paint"] != WouldWait {
		t.Errorf("the plan said %v", planned)
	}
}

func TestDependentFails(t *testing.T) {
	b := &bench{store: cache.NewMemory(), fail: "look"}
	states, _, _ := b.run(t, dependentFile, "1")
	want := map[string]State{"base": Live, "adapted": Live, "tokens": Failed, "text": Ran, "paint": Skipped}
	if !maps.Equal(states, want) {
		t.Errorf("got %v, want %v", states, want)
	}
	if b.open != 0 {
		t.Errorf("%d live values stay open", b.open)
	}
}

// TestDependentUnused: a stored value that nobody uses of a live one is not made.
func TestDependentUnused(t *testing.T) {
	file := dependentFile[:len(dependentFile)-len("  paint: {from: $paint.value, path: paint.png}\n")]
	b := &bench{store: cache.NewMemory()}
	if _, ran, _ := b.run(t, file, "1"); !slices.Equal(ran, []string{"read"}) {
		t.Errorf("%v ran, want read alone", ran)
	}
}
