package trial

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/internal/trail"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Mode says what is done about goldens that a run does not meet.
type Mode int

// Modes.
const (
	Compare Mode = iota // nothing
	Rewrite             // they are rewritten
	Stage               // new ones are written beside them; the test fails all the same
)

// Options are what tests depend on.
type Options struct {
	// Runtime gives the options of a workflow file.
	Runtime func(file string) (flowruntime.Options, error)
	Tier    string                 // of spec.Tiers, or "all"
	Asked   func(name string) bool // which tests; nil for all
	Mode    Mode
	Release string
	// Check, where it is not nil, is asked before a test runs; its error is a state of Differs.
	Check func(w *flowruntime.Workflow) error
	// On, where it is not nil, gives a workflow that was read what runs it, such as the device that its plan names; done gives that back.
	On func(w *flowruntime.Workflow) (done func(), err error)
	// Begin and End, where they are not nil, are called around each test that runs.
	Begin, End func(*Test)
}

// Run runs the tests of workflow files. The error is the context's, or of options.
func Run(ctx context.Context, files []string, opt Options) ([]*File, error) {
	var out []*File
	var shared sharing
	for _, file := range files {
		f, err := opt.file(ctx, file, &shared)
		if err != nil {
			return out, err
		}
		out = append(out, f)
	}
	return out, nil
}

// file runs the tests of one file.
func (o *Options) file(ctx context.Context, file string, shared *sharing) (*File, error) {
	f := &File{Path: file}
	doc, diags := spec.Load(file)
	if doc != nil {
		diags = spec.Sort(append(diags, shared.add(doc)...))
	}
	if f.Diagnostics = diags; doc == nil || spec.Failed(diags) {
		return f, nil
	}
	for _, t := range doc.Tests {
		test := &Test{File: file, Name: t.Name.Text, Doc: t.Doc, Tier: t.Tier, Pos: t.Name.Pos, State: Left}
		f.Tests = append(f.Tests, test)
		if o.Asked != nil && !o.Asked(test.Name) {
			test.Message = "not asked for"
			continue
		}
		if o.Tier != "all" && o.Tier != t.Tier {
			test.Message = "of tier " + t.Tier
			continue
		}
		if o.Begin != nil {
			o.Begin(test)
		}
		diags, err := o.test(ctx, test)
		if err != nil {
			return f, err
		}
		f.Diagnostics = spec.Sort(append(f.Diagnostics, diags...))
		if o.End != nil {
			o.End(test)
		}
	}
	return f, nil
}

// on is On, where there is one.
func (o *Options) on(w *flowruntime.Workflow) (done func(), err error) {
	if o.On == nil {
		return func() {}, nil
	}
	return o.On(w)
}

// test runs one test.
func (o *Options) test(ctx context.Context, t *Test) ([]spec.Diagnostic, error) {
	opt, err := o.Runtime(t.File)
	if err != nil {
		return nil, err
	}
	opt.Test = t.Name
	plain := opt
	run := newCapture(&opt)
	start := time.Now()
	w, diags := flowruntime.Read(ctx, t.File, opt)
	if w == nil {
		t.State, t.Message = Wrong, "the file is wrong"
		return diags, ctx.Err()
	}
	defer w.Close()
	t.describe(w.Plan)
	if o.Check != nil {
		if err := o.Check(w); err != nil {
			t.State, t.Message = Differs, err.Error()
			return diags, ctx.Err()
		}
	}
	done, err := o.on(w)
	if err != nil {
		t.State, t.Message = Broken, err.Error()
		return diags, ctx.Err()
	}
	defer done()
	res, values, err := w.Collect(ctx)
	if err == nil {
		err = res.Err
	}
	t.Seconds = time.Since(start).Seconds()
	if err != nil {
		t.State, t.Message = Broken, err.Error()
		if errors.Is(err, context.Canceled) {
			return diags, err
		}
		return diags, nil
	}
	t.Steps, t.Trail = res.Steps, trail.Of(w.Plan, res, o.Release)
	root, err := os.OpenRoot(filepath.Dir(t.File))
	if err != nil {
		return diags, err
	}
	defer func() { _ = root.Close() }()
	again := func() (*capture, error) { return o.again(ctx, t, plain) }
	if err := o.judge(t, w.Plan, root, values, run, again); err != nil {
		t.State, t.Message = Broken, err.Error()
	}
	return diags, ctx.Err()
}

// again runs a test once more without what the cache knows, to see the steps of its loops.
func (o *Options) again(ctx context.Context, t *Test, opt flowruntime.Options) (*capture, error) {
	opt.Store = cache.Fresh(opt.Store)
	run := newCapture(&opt)
	w, diags := flowruntime.Read(ctx, t.File, opt)
	if w == nil {
		return nil, diags[0]
	}
	defer w.Close()
	done, err := o.on(w)
	if err != nil {
		return nil, err
	}
	defer done()
	res, _, err := w.Collect(ctx)
	if err == nil {
		err = res.Err
	}
	return run, err
}

// capture keeps some steps of the loops of one run.
type capture struct {
	mu   sync.Mutex
	kept map[string]map[int]map[string]nodes.Tensor // by node and step
}

// newCapture follows the run of some options.
func newCapture(opt *flowruntime.Options) *capture {
	r := &capture{kept: make(map[string]map[int]map[string]nodes.Tensor)}
	also := opt.Follow
	opt.Follow = func(s *plan.Step, step int, state map[string]nodes.Tensor) {
		if also != nil {
			also(s, step, state)
		}
		if !slices.Contains(golden.Keep(s.Plan.Steps), step) {
			return
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.kept[s.Name] == nil {
			r.kept[s.Name] = make(map[int]map[string]nodes.Tensor)
		}
		r.kept[s.Name][step] = state
	}
	return r
}

// whole says whether all steps of a loop that a golden keeps were seen: neither the cache nor an earlier run has made some of them.
func (r *capture) whole(loop *plan.Step) bool {
	for _, step := range golden.Keep(loop.Plan.Steps) {
		if r.kept[loop.Name][step] == nil {
			return false
		}
	}
	return true
}

// describe notes what was planned.
func (t *Test) describe(p *plan.Plan) {
	t.Plan, t.Class, t.Edition = p, nodes.Class(p.Precision), p.Edition
	given := make(map[string]bool)
	for _, o := range p.Doc.Test(t.Name).Params {
		given[o.Name] = true
	}
	for _, x := range p.Doc.Params {
		if v := x.Value(); v != nil {
			t.Params = append(t.Params, Param{x.Name.Text, v.Text, given[x.Name.Text]})
		}
	}
	for _, out := range p.Outputs {
		port, _ := out.From.Kind.Output(out.Port)
		t.Expected = append(t.Expected, &Expected{Output: out.Name, Golden: out.Expect.Golden.Text, Pos: out.Pos, expectation: out.Expect, of: port.Type})
	}
}

// loop is the last node, of those that a node comes from, that has steps; nil for none.
func loop(p *plan.Plan, up *trail.Trail) *plan.Step {
	var out *plan.Step
	for _, s := range p.Steps {
		if s.Plan.Steps > 0 && up.Node(s.Name) != nil {
			out = s
		}
	}
	return out
}
