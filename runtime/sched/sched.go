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
	Hit     State = "hit"
	Ran     State = "ran"
	Failed  State = "failed"
	Skipped State = "skipped" // an input failed
	Live    State = "live"    // a model: opened, never stored
)

// StepResult is how one step ended.
type StepResult struct {
	Name    string
	State   State
	Key     cache.ActionKey
	Outputs map[string]nodes.Digest
	Seconds float64
	Err     error
}

// Result is how a run ended.
type Result struct {
	Steps   []StepResult
	Written []string // paths of outputs
	Err     error    // the first cause of failure
}

// Options are what a run needs.
type Options struct {
	Store cache.Store
	Env   nodes.Env // Progress and Warn are filled in for each step
	Sink  event.Sink
	// Write stores an output's picture and gives the path it was written to.
	Write func(o plan.Output, m *nodes.Image) (string, error)
}

// errSkipped marks steps whose inputs failed.
var errSkipped = errors.New("skipped")

// Run runs the needed steps of an inspected plan and writes its outputs. Everything that can
// finish does; Result.Err names the first cause of what cannot. Live values are closed when their last reader is done.
func Run(ctx context.Context, p *plan.Plan, opt Options) *Result {
	r := &run{plan: p, opt: opt, tasks: make(map[*plan.Step]*task)}
	started := time.Now()
	for _, s := range p.Steps {
		if s.Needed {
			r.add(s)
		}
	}
	r.emit(event.Event{Type: event.RunStarted, Total: len(r.order)})
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
	case errors.Is(res.Err, context.Canceled):
		message = "interrupted"
	case res.Err != nil:
		message = "failed"
	}
	r.emit(event.Event{Type: event.RunDone, Message: message, Seconds: time.Since(started).Seconds()})
	return res
}

// run is one run.
type run struct {
	plan       *plan.Plan
	opt        Options
	tasks      map[*plan.Step]*task
	order      []*task
	lane       lane
	background sync.WaitGroup // storing

	mu    sync.Mutex
	first error // the first cause
	warn  map[string]bool
}

func (r *run) emit(e event.Event) {
	e.Time = time.Now()
	r.opt.Sink.Emit(e)
}

// add makes the task of a step; steps come in an order in which they can run.
func (r *run) add(s *plan.Step) {
	t := &task{step: s, awaits: s.Awaits(), done: make(chan struct{})}
	for _, in := range t.awaits {
		from := r.tasks[in.From]
		t.inputs = append(t.inputs, from)
		from.readers++
	}
	for _, o := range r.plan.Outputs {
		if o.From == s {
			t.readers++
		}
	}
	r.tasks[s] = t
	r.order = append(r.order, t)
}

// fail keeps the first cause.
func (r *run) fail(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil && !errors.Is(err, errSkipped) {
		r.first = fmt.Errorf("node %q: %w", name, err)
	}
}

// warnOnce reports a warning once a run.
func (r *run) warnOnce(message string) {
	r.mu.Lock()
	if r.warn == nil {
		r.warn = make(map[string]bool)
	}
	seen := r.warn[message]
	r.warn[message] = true
	r.mu.Unlock()
	if !seen {
		r.emit(event.Event{Type: event.Warning, Message: message})
	}
}

// result gathers how all ended.
func (r *run) result(ctx context.Context, written []string) *Result {
	res := &Result{Err: r.first}
	if err := ctx.Err(); err != nil {
		res.Err = err
	}
	for _, t := range r.order {
		res.Steps = append(res.Steps, StepResult{Name: t.step.Name, State: t.state, Key: t.key, Outputs: t.digests, Seconds: t.seconds, Err: t.err})
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
	v, err := r.value(ctx, t, o.Port)
	if err == nil {
		m, ok := v.(*nodes.Image)
		if !ok {
			err = fmt.Errorf("output %q is a %T, not a picture", o.Name, v)
		} else {
			var path string
			if path, err = r.opt.Write(o, m); err == nil {
				r.emit(event.Event{Type: event.OutputDone, Output: o.Name, Node: t.step.Name, Path: path})
				return path
			}
		}
	}
	if ctx.Err() == nil {
		r.emit(event.Event{Type: event.NodeFailed, Node: o.Name, Message: err.Error()})
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.first == nil {
		r.first = fmt.Errorf("output %q: %w", o.Name, err)
	}
	return ""
}
