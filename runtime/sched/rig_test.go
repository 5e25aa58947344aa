package sched

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// rig runs workflows of toy nodes and counts what happens. Nodes are told apart by their argument id.
type rig struct {
	store  cache.Store
	now    time.Time
	hooks  map[int64]func(ctx context.Context, env *nodes.Env) error // called while the node runs
	hash   func(component string) error                              // called when a component is hashed
	verify func() error
	write  func(name string) error
	unread int64 // bytes to hash before a component is known

	mu       sync.Mutex
	ran      []int64
	together []int // sizes of batches
	inside   int   // nodes that compute at this moment
	most     int
	open     int // models that are open
	hashed   int
	written  map[string]float32
	sink     event.Recorder
}

func newRig() *rig {
	return &rig{store: cache.NewMemory(), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), hooks: make(map[int64]func(context.Context, *nodes.Env) error), written: make(map[string]float32)}
}

// rigModel is a model of the components "a" and "b".
type rigModel struct {
	r       *rig
	version int64
	known   map[string]bool
}

func (*rigModel) Type() nodes.Type     { return nodes.ModelType }
func (*rigModel) Components() []string { return []string{"a", "b"} }

func (m *rigModel) Digest(_ context.Context, c string, _ nodes.Memo) (nodes.Digest, error) {
	if m.r.hash != nil {
		if err := m.r.hash(c); err != nil {
			return nodes.Digest{}, err
		}
	}
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	m.r.hashed++
	m.known[c] = true
	return nodes.Digest{byte(m.version), c[0]}, nil
}

func (m *rigModel) Known(c string, _ nodes.Memo) (nodes.Digest, int64, bool) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	if m.r.unread > 0 && !m.known[c] {
		return nodes.Digest{}, m.r.unread, false
	}
	return nodes.Digest{byte(m.version), c[0]}, 0, true
}

func (m *rigModel) Verify(...string) error {
	if m.r.verify != nil {
		return m.r.verify()
	}
	return nil
}

func (m *rigModel) Close() error {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	m.r.open--
	return nil
}

// rigOpen opens a model.
type rigOpen struct {
	r       *rig
	version int64
}

func (o rigOpen) Open(context.Context, *nodes.Env, nodes.PlanInputs) (map[string]nodes.Live, error) {
	o.r.mu.Lock()
	defer o.r.mu.Unlock()
	o.r.open++
	return map[string]nodes.Live{"model": &rigModel{o.r, o.version, make(map[string]bool)}}, nil
}

// rigStep gives one number: give, if that is set, else id and the sum of its inputs.
type rigStep struct {
	r        *rig
	id, give int64
	uses     string
	image    bool
}

func (o rigStep) Plan(_ *nodes.Env, in nodes.PlanInputs) (nodes.Plan, error) {
	p := nodes.Plan{Steps: 3, PeakBytes: 1000 * o.id, Outputs: map[string]nodes.Meta{"x": {Of: nodes.LatentsType, Shapes: map[string][]int{"x": {10}}}}}
	if o.image {
		p.Outputs = map[string]nodes.Meta{"image": {Of: nodes.ImageType, Shapes: map[string][]int{"image": {1, 1, 3}}}}
	}
	if in.Live["model"] != nil {
		p.Uses = []nodes.Use{{Input: "model", Components: []string{o.uses}}}
	}
	return p, nil
}

func (o rigStep) Run(ctx context.Context, env *nodes.Env, in nodes.Inputs) (map[string]nodes.Value, error) {
	r := o.r
	r.mu.Lock()
	r.ran = append(r.ran, o.id)
	r.inside++
	r.most = max(r.most, r.inside)
	hook := r.hooks[o.id]
	if in.Live["model"] != nil && r.open == 0 {
		r.mu.Unlock()
		return nil, errors.New("the model was closed")
	}
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.inside--
	}()
	env.Progress(1, 3)
	if hook != nil {
		if err := hook(ctx, env); err != nil {
			return nil, err
		}
	}
	sum := float32(o.id)
	for _, v := range in.Stored {
		sum += v.(*nodes.Tensors).List["x"].Data[0]
	}
	if o.give != 0 {
		sum = float32(o.give)
	}
	if o.image {
		return map[string]nodes.Value{"image": &nodes.Image{Width: 1, Height: 1, Pix: []byte{byte(int(sum)), byte(int(sum) >> 8), 0}}}, nil
	}
	return map[string]nodes.Value{"x": &nodes.Tensors{Of: nodes.LatentsType, List: map[string]nodes.Tensor{"x": {Shape: []int{1}, Data: []float32{sum}}}}}, nil
}

func (r *rig) registry() *nodes.Registry {
	args := []nodes.Arg{{Name: "id", Type: nodes.IntArg}, {Name: "give", Type: nodes.IntArg}, {Name: "uses", Type: nodes.StringArg, Default: "a"},
		{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType}, {Name: "in", Type: nodes.ListArg, Item: &nodes.Arg{Type: nodes.PortArg, Port: nodes.LatentsType}}}
	step := func(image bool) func(*nodes.Args) (nodes.Op, error) {
		return func(a *nodes.Args) (nodes.Op, error) {
			return rigStep{r, int64(a.Int("id")), int64(a.Int("give")), a.String("uses"), image}, nil
		}
	}
	return nodes.NewRegistry(
		&nodes.Kind{Name: "open", Version: 1, Args: []nodes.Arg{{Name: "version", Type: nodes.IntArg}}, Outputs: []nodes.Port{{Name: "model", Type: nodes.ModelType}},
			New: func(a *nodes.Args) (nodes.Op, error) { return rigOpen{r, int64(a.Int("version"))}, nil }},
		&nodes.Kind{Name: "step", Version: 1, Args: args, Outputs: []nodes.Port{{Name: "x", Type: nodes.LatentsType}}, New: step(false)},
		&nodes.Kind{Name: "many", Version: 1, Args: append(slices.Clone(args), nodes.Arg{Name: "key", Type: nodes.StringArg, Default: "k"}), Outputs: []nodes.Port{{Name: "x", Type: nodes.LatentsType}},
			New: func(a *nodes.Args) (nodes.Op, error) {
				return rigMany{rigStep{r, int64(a.Int("id")), int64(a.Int("give")), a.String("uses"), false}, a.String("key")}, nil
			}},
		&nodes.Kind{Name: "paint", Version: 1, Args: args, Outputs: []nodes.Port{{Name: "image", Type: nodes.ImageType}}, New: step(true)},
	)
}

// plan reads a workflow: nodes and outputs in YAML.
func (r *rig) plan(t testing.TB, text string) *plan.Plan {
	t.Helper()
	doc, diags := spec.Parse("rig.flow.yaml", []byte("flow: v1\nname: rig\n"+text))
	p, diags := plan.Build(doc, diags, plan.Options{Registry: r.registry(), Files: &plan.Finder{}})
	if p == nil {
		t.Fatal(diags)
	}
	if diags := p.Inspect(t.Context(), &nodes.Env{}); spec.Failed(diags) {
		t.Fatal(diags)
	}
	return p
}

// run runs a workflow and gives the result. What was counted before is forgotten.
func (r *rig) run(t testing.TB, ctx context.Context, text string) *Result {
	t.Helper()
	r.reset()
	p := r.plan(t, text)
	defer p.Close()
	return Run(ctx, p, r.options())
}

func (r *rig) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ran, r.together, r.most, r.hashed, r.written = nil, nil, 0, 0, make(map[string]float32)
	r.sink = event.Recorder{}
}

// clock is the time, which nodes may set.
func (r *rig) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *rig) options() Options {
	return Options{Store: r.store, Sink: &r.sink, Now: r.clock, Write: func(o plan.Output, v nodes.Value, _ []Made) (string, error) {
		m := v.(*nodes.Image)
		if r.write != nil {
			if err := r.write(o.Name); err != nil {
				return "", err
			}
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.written[o.Name] = float32(m.Pix[0]) + 256*float32(m.Pix[1])
		return "/" + o.Path, nil
	}}
}

// states lists how the steps ended.
func states(res *Result) string {
	s := ""
	for _, x := range res.Steps {
		s += fmt.Sprintf("%s:%s ", x.Name, x.State)
	}
	return s
}

// want checks the nodes that ran and how the run ended.
func (r *rig) want(t *testing.T, res *Result, ran []int64, picture float32) {
	t.Helper()
	if !slices.Equal(r.ran, ran) {
		t.Errorf("ran %v, want %v", r.ran, ran)
	}
	if res.Err != nil || r.written["p"] != picture {
		t.Errorf("error %v, picture %v, want %v", res.Err, r.written["p"], picture)
	}
	if r.open != 0 {
		t.Errorf("%d models stay open", r.open)
	}
	if r.most > 1 {
		t.Errorf("%d nodes computed at once", r.most)
	}
}

// within gives a context that ends when a test has taken too long, so that a run that hangs is an error.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// castle has the shape of the real one.
const castle = `nodes:
  base: {kind: open}
  text: {kind: step, id: 1, model: $base, uses: a}
  noise: {kind: step, id: 2}
  latents: {kind: step, id: 3, model: $base, uses: b, in: [$noise, $text]}
  image: {kind: paint, id: 4, model: $base, uses: b, in: [$latents]}
outputs:
  p: {from: $image, path: p.png}
`

// failedWith says whether a run failed with this message, behind the place in the workflow.
func failedWith(err error, message string) bool {
	place, text, ok := strings.Cut(err.Error(), ": ")
	line := strings.Split(place, ":")
	return ok && text == message && len(line) == 3 && line[0] == "rig.flow.yaml" && line[1] != "0"
}
