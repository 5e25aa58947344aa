package runtime

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Options are what a run depends on beside the file.
type Options struct {
	plan.Options
	Env nodes.Env // Precision and Edition are filled in from the plan
	// Plan, where it is not nil, may choose an executor that says what runs take on a device which is opened later; it is true then, and
	// Memory does not bind that device: [Workflow.Limit] does.
	Plan  func(device string, env *nodes.Env) bool
	Store cache.Store
	Sink  event.Sink
	// Machine names processor, kernels and workers, for records of how long steps take. Empty: none are kept.
	Machine string
	Memory  int64  // bytes that the run may use; 0 for no limit
	Folder  string // where outputs are written
	Force   bool   // overwrite files that flow did not write
	Fresh   bool   // write over no file at all
	// Release of flow, which pictures name. Empty: pictures say nothing of what made them.
	Release string
	// Lock gives the SHA-256 in hex of the lock that the run was held to, which pictures name; empty for none. It is asked for each picture, since a
	// run may have to read files before they can be compared. nil: none.
	Lock func() string
	// Checkpoint is how often a loop keeps its state in the store, so that a run that is killed goes on from there; 0 for never.
	Checkpoint time.Duration
	// Follow, where it is not nil, is given what a step's loop carries after each of its steps, counted from 1.
	Follow func(s *plan.Step, step int, state map[string]nodes.Tensor)
}

// Workflow is a workflow that was read and planned.
type Workflow struct {
	Plan *plan.Plan
	opt  Options
}

// Read reads and plans a workflow file: the graph, the kinds, and from headers and shapes what every node
// will do. The workflow is nil if a diagnostic is an error. Close it.
func Read(ctx context.Context, file string, opt Options) (*Workflow, []spec.Diagnostic) {
	doc, diags := spec.Load(file)
	return ReadDocument(ctx, doc, diags, opt)
}

// ReadDocument is [Read] for a document that was read before, with its diagnostics; doc is nil where nothing could be made of the text.
func ReadDocument(ctx context.Context, doc *spec.Document, diags []spec.Diagnostic, opt Options) (*Workflow, []spec.Diagnostic) {
	p, diags := plan.Build(doc, diags, opt.Options)
	if p == nil {
		return nil, diags
	}
	opt.Env.Precision, opt.Env.Edition = p.Precision, p.Edition
	if opt.Plan != nil && opt.Plan(p.Device, &opt.Env) {
		opt.Memory = 0
	}
	if opt.Env.LowMemory || doc.Weights.Text == "streamed" {
		opt.Env.SaveMemory()
	}
	diags = spec.Sort(append(diags, p.Inspect(ctx, &opt.Env)...))
	if spec.Failed(diags) {
		p.Close()
		return nil, diags
	}
	p.Keep(opt.Shard)
	return &Workflow{Plan: p, opt: opt}, diags
}

// Close closes what was opened while planning.
func (w *Workflow) Close() { w.Plan.Close() }

// Use changes the environment of a run, such as the executor, once the plan has said which device it is for.
func (w *Workflow) Use(f func(*nodes.Env)) { f(&w.opt.Env) }

// Pin says that the workflow is what a lock pins, see [Options].
func (w *Workflow) Pin(lock func() string) { w.opt.Lock = lock }

// Limit says, once the device is known, how much of its memory a run may use, in bytes. A *[sched.MemoryError] says what does not fit.
func (w *Workflow) Limit(memory int64) error {
	w.opt.Memory = memory
	return sched.CheckMemory(w.rows(), memory)
}

// rows say what a run would do.
func (w *Workflow) rows() []sched.Row { return sched.Explain(w.Plan, w.opt.Store, w.opt.Memory) }

// Explain says what a run would do, and where it would go on from what an earlier run has kept.
func (w *Workflow) Explain() []sched.Row {
	rows := w.rows()
	if w.opt.Checkpoint > 0 {
		sched.GoOn(rows, w.opt.Store)
	}
	return rows
}

// Run runs the workflow and writes its outputs. It refuses to begin what does not fit into memory, or
// would end by overwriting files that flow did not write.
func (w *Workflow) Run(ctx context.Context) (*sched.Result, error) {
	if err := sched.CheckMemory(w.rows(), w.opt.Memory); err != nil {
		return nil, err
	}
	out, err := newWriter(w.opt.Folder, w.opt.Force, w.opt.Fresh)
	if err != nil {
		return nil, err
	}
	defer out.close()
	if err := out.check(w.Plan.Outputs); err != nil {
		return nil, err
	}
	return w.run(ctx, w.signed(out)), nil
}

func (w *Workflow) run(ctx context.Context, write func(plan.Output, nodes.Value, []sched.Made) (string, error)) *sched.Result {
	return sched.Run(ctx, w.Plan, sched.Options{Store: w.opt.Store, Machine: w.opt.Machine, Memory: w.opt.Memory, Env: w.opt.Env, Sink: w.opt.Sink, Write: write, Follow: w.opt.Follow, Checkpoint: w.opt.Checkpoint})
}

// Collect runs the workflow and gives the values of its outputs by name, writing no file.
func (w *Workflow) Collect(ctx context.Context) (*sched.Result, map[string]nodes.Value, error) {
	if err := sched.CheckMemory(w.Explain(), w.opt.Memory); err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	values := make(map[string]nodes.Value)
	res := w.run(ctx, func(o plan.Output, v nodes.Value, _ []sched.Made) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		values[o.Name] = v
		return "", nil
	})
	return res, values, nil
}

// FinderFor finds a workflow's files: in its folder, then in the roots.
func FinderFor(file string, roots, allow []string) *plan.Finder {
	dir, err := filepath.Abs(filepath.Dir(file))
	if err != nil {
		dir = filepath.Dir(file)
	}
	return &plan.Finder{Folder: dir, Roots: roots, Allow: allow}
}

// Graph reads a workflow's graph without opening its models.
func Graph(file string, opt Options) (*plan.Plan, []spec.Diagnostic) {
	doc, diags := spec.Load(file)
	return plan.Build(doc, diags, opt.Options)
}
