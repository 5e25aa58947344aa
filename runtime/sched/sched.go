package sched

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// State is how a step ended.
type State string

// States of a step.
const (
	Hit         State = "hit"
	Ran         State = "ran"
	Failed      State = "failed"
	Skipped     State = "skipped"     // an input failed
	Interrupted State = "interrupted" // the run was stopped before it was done
	Live        State = "live"        // a model: opened, never stored
	Same        State = "same"        // another step of the run did the same
)

// StepResult is how one step ended.
type StepResult struct {
	Name    string
	State   State
	Key     cache.ActionKey
	Action  []byte // the action document that Key is of
	Outputs map[string]nodes.Digest
	Steps   []nodes.Digest // of what its loop carried after each step; nil where it has none, or the store does not know them
	Resumed int            // the step of its loop after which it went on, where an earlier run had come to; 0 for none
	Seconds float64
	Err     error
}

// Result is how a run ended.
type Result struct {
	Steps   []StepResult
	Written []string // paths of outputs
	Err     error    // the first cause of failure; the context's error where the run was stopped before it was done
}

// Options are what a run needs.
type Options struct {
	Store cache.Store
	Env   nodes.Env // Progress and Warn are filled in for each step
	Sink  event.Sink
	// Write takes an output's value and gives the path that it was written to; empty for none. made is what led to it.
	Write func(o plan.Output, v nodes.Value, made []Made) (string, error)
	// Follow, where it is not nil, is given what a step's loop carries after each of its steps, counted from 1.
	Follow func(s *plan.Step, step int, state map[string]nodes.Tensor)
	// Checkpoint is how often a loop's state is kept in the store, so that a run that is killed or stopped goes on from there; 0 for never.
	Checkpoint time.Duration
	Machine    string           // names processor, kernels and workers, for records of how long steps take; empty: none are kept
	Memory     int64            // bytes that the run may use; 0 for no limit. Steps run together where that fits
	Now        func() time.Time // nil for time.Now
}

// Made is a step that an output came from: what was done, as its action document, and the key of that.
type Made struct {
	Node   string
	Key    cache.ActionKey
	Action []byte
	Trace  string // what the components were made of that it read, in JSON; empty where that is not known
}

// Run runs the needed steps of an inspected plan and writes its outputs. Everything that can
// finish does; Result.Err names the first cause of what cannot. Live values are closed when their last reader is done.
func Run(ctx context.Context, p *plan.Plan, opt Options) *Result {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	r := &run{plan: p, opt: opt, tasks: make(map[*plan.Step]*task)}
	started := opt.Now()
	for _, s := range p.Steps {
		if s.Needed {
			r.add(s)
		}
	}
	r.rank()
	r.emit(event.Event{Type: event.RunStarted, Total: len(r.order)})
	for _, t := range r.order {
		if t.missing == 0 {
			r.lane.expect(t.rank)
		}
	}
	storing, stop := grace(ctx)
	defer stop()
	r.storing = storing
	var wg sync.WaitGroup
	for _, t := range r.order {
		wg.Go(func() { r.resolve(ctx, t) })
	}
	written := make([]string, len(p.Outputs))
	for i, o := range p.Outputs {
		wg.Go(func() { written[i] = r.output(ctx, o) })
	}
	wg.Wait()
	r.background.Wait()
	res := r.result(ctx, written)
	message := "done"
	switch {
	case res.Err != nil && res.Err == ctx.Err():
		message = "interrupted"
	case res.Err != nil:
		message = "failed"
	}
	r.emit(event.Event{Type: event.RunDone, Message: message, Seconds: opt.Now().Sub(started).Seconds()})
	return res
}

// patience is how long what is finished may still be stored once a run is stopped.
const patience = 500 * time.Millisecond

// grace gives a context that ends patience after another.
func grace(ctx context.Context) (context.Context, func()) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(patience, cancel) })
	return late, func() { stop(); cancel() }
}

// run is one run.
type run struct {
	plan       *plan.Plan
	opt        Options
	tasks      map[*plan.Step]*task
	order      []*task
	lane       lane
	background sync.WaitGroup  // storing
	storing    context.Context // of background

	mu      sync.Mutex
	first   error // the first cause
	stopped bool  // something was left undone since the context ended
	warned  map[string]bool
	claims  map[[32]byte]*task // who computes an action, by its key
	batches map[*task]*batch   // of those that may run with others
}

func (r *run) emit(e event.Event) {
	e.Time = r.opt.Now()
	r.opt.Sink.Emit(e)
}

// add makes the task of a step; steps come in an order in which they can run.
func (r *run) add(s *plan.Step) {
	t := &task{step: s, awaits: s.Awaits(), done: make(chan struct{}), stored: make(chan struct{})}
	t.missing = len(t.awaits)
	for _, in := range t.awaits {
		from := r.tasks[in.From]
		t.inputs = append(t.inputs, from)
		from.readers++
		from.dependents = append(from.dependents, t)
	}
	for _, o := range r.plan.Outputs {
		if o.From == s {
			t.readers++
		}
	}
	r.tasks[s] = t
	r.order = append(r.order, t)
}

// fail keeps the first cause, with its place in the workflow; what ends since the run is stopped is none.
func (r *run) fail(ctx context.Context, place, what, name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		r.stopped = true
		return
	}
	if r.first == nil {
		r.first = fmt.Errorf("%s%s %q: %w", place, what, name, err)
	}
}

// warnOnce reports a warning once a run for each topic.
func (r *run) warnOnce(topic, format string, args ...any) {
	r.mu.Lock()
	if r.warned == nil {
		r.warned = make(map[string]bool)
	}
	seen := r.warned[topic]
	r.warned[topic] = true
	r.mu.Unlock()
	if !seen {
		r.emit(event.Event{Type: event.Warning, Message: fmt.Sprintf(format, args...)})
	}
}

// result gathers how all ended.
func (r *run) result(ctx context.Context, written []string) *Result {
	res := &Result{Err: r.first}
	if res.Err == nil && r.stopped {
		res.Err = ctx.Err()
	}
	for _, t := range r.order {
		res.Steps = append(res.Steps, StepResult{Name: t.step.Name, State: t.ended(), Key: t.key, Action: t.action, Outputs: t.digests,
			Steps: t.steps, Resumed: t.resumed, Seconds: t.seconds, Err: t.err})
	}
	for _, w := range written {
		if w != "" {
			res.Written = append(res.Written, w)
		}
	}
	return res
}

// output writes one output.
func (r *run) output(ctx context.Context, o plan.Output) string {
	t := r.tasks[o.From]
	defer r.release(t)
	<-t.done
	if t.err != nil {
		return ""
	}
	path, err := r.write(ctx, t, o)
	if err == nil && path == "" {
		return "" // it was looked at alone
	}
	if err == nil {
		r.emit(event.Event{Type: event.OutputDone, Output: o.Name, Node: t.step.Name, Path: path})
		return path
	}
	r.fail(ctx, r.plan.Place(o.Pos), "output", o.Name, err)
	if ctx.Err() == nil {
		r.emit(event.Event{Type: event.NodeFailed, Node: t.step.Name, Output: o.Name, Message: err.Error()})
	}
	return ""
}

func (r *run) write(ctx context.Context, t *task, o plan.Output) (string, error) {
	v, err := r.value(ctx, nil, t, o.Port)
	if err != nil {
		return "", err
	}
	if err := ctx.Err(); err != nil {
		return "", err // the store has it: the next run writes it at once
	}
	return r.opt.Write(o, v, r.lineage(t))
}

// lineage lists the stored steps that t, which is done, came from, in an order that other cells of a matrix do not change.
func (r *run) lineage(t *task) []Made {
	from := make(map[*plan.Step]bool)
	var steps []*plan.Step
	var visit func(t *task)
	visit = func(t *task) {
		if !from[t.step] {
			from[t.step] = true
			steps = append(steps, t.step)
			for _, in := range t.inputs {
				visit(in)
			}
		}
	}
	visit(t)
	var out []Made
	for _, s := range plan.AsInFile(steps) {
		if t := r.tasks[s]; t.action != nil {
			out = append(out, Made{s.Node, t.key, t.action, t.trace})
		}
	}
	return out
}
