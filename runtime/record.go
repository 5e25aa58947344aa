package runtime

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/provenance"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

// signed gives a function that writes pictures with the record of what made them.
func (w *Workflow) signed(out *writer) func(plan.Output, nodes.Value, []sched.Made) (string, error) {
	return func(o plan.Output, v nodes.Value, made []sched.Made) (string, error) {
		m, ok := v.(*nodes.Image)
		if w.opt.Release == "" || !ok {
			return out.write(o, v, nil)
		}
		chunk, err := w.record(o, m, made)
		if err != nil {
			w.opt.Sink.Emit(event.Event{Type: event.Warning, Output: o.Name, Message: fmt.Sprintf("output %s is written without its record: %v", o.Name, err)})
		}
		return out.write(o, m, chunk)
	}
}

// record is the chunk of a picture that says what made it.
func (w *Workflow) record(o plan.Output, m *nodes.Image, made []sched.Made) ([]byte, error) {
	doc := w.Plan.Doc
	if o.Cells != nil {
		doc = o.Cells[0].Doc // as if the cell had been run alone
	}
	workflow, err := doc.Resolve(w.Plan.Precision.String(), w.Plan.Device, w.Plan.Edition)
	if err != nil {
		return nil, err
	}
	r := provenance.Record{Release: w.opt.Release, Numerics: nodes.Class(w.Plan.Precision), Output: o.Node, Pixels: m.Digest().String(), Lock: w.lock(), Workflow: string(workflow), Actions: actions(made)}
	return r.Chunk()
}

// Rendered is what a run gave for an output.
type Rendered struct {
	Image   *nodes.Image
	Actions []provenance.Action // what led to it
}

// Render runs the workflow and writes nothing: pictures by the names of the outputs, as far as they were made.
func (w *Workflow) Render(ctx context.Context) (*sched.Result, map[string]Rendered, error) {
	if err := sched.CheckMemory(w.Explain(), w.opt.Memory); err != nil {
		return nil, nil, err
	}
	var mu sync.Mutex
	made := make(map[string]Rendered)
	res := sched.Run(ctx, w.Plan, sched.Options{Store: w.opt.Store, Machine: w.opt.Machine, Memory: w.opt.Memory, Env: w.opt.Env, Sink: w.opt.Sink, Write: func(o plan.Output, v nodes.Value, from []sched.Made) (string, error) {
		m, ok := v.(*nodes.Image)
		if !ok {
			return "", fmt.Errorf("it is a %T, not a picture", v)
		}
		mu.Lock()
		defer mu.Unlock()
		made[o.Name] = Rendered{m, actions(from)}
		return "", nil
	}})
	return res, made, nil
}

func actions(made []sched.Made) []provenance.Action {
	var out []provenance.Action
	for _, x := range made {
		out = append(out, provenance.Action{Node: x.Node, Key: x.Key.String(), Action: x.Action, Trace: json.RawMessage(x.Trace)})
	}
	return out
}

// lock is the SHA-256 of the lock that the run is held to, empty for none.
func (w *Workflow) lock() string {
	if w.opt.Lock == nil {
		return ""
	}
	return w.opt.Lock()
}
