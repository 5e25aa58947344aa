package sched

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// gather collects a step's inputs.
func (r *run) gather(ctx context.Context, t *task) (nodes.Inputs, error) {
	in := nodes.Inputs{Stored: make(map[string]nodes.Value), Live: t.step.LiveInputs()}
	for i, input := range t.awaits {
		if input.Type.Live() {
			continue
		}
		v, err := r.value(ctx, t, t.inputs[i], input.Port)
		if err != nil {
			return in, fmt.Errorf("%s: %w", input.Path, err)
		}
		in.Stored[input.Path] = v
	}
	return in, nil
}

// value gives a step's output: from memory, from the store, or - where the store has lost it since - by
// running the step after all. The reader, a step or nil, is not expected in the lane while it waits for files.
func (r *run) value(ctx context.Context, reader, t *task, port string) (nodes.Value, error) {
	t.value.Lock()
	defer t.value.Unlock()
	if v := t.made[port]; v != nil {
		return v, nil
	}
	if reader != nil {
		r.lane.settle(reader.rank)
	}
	v, err := r.read(t, port)
	if err == nil {
		if t.made == nil {
			t.made = make(map[string]nodes.Value)
		}
		t.made[port] = v
		return v, nil
	}
	if err := r.rerun(ctx, t, err.Error()); err != nil {
		return nil, err
	}
	return t.made[port], nil
}

// rerun runs a step that was found in the store. What it makes must be what the record says: readers may have gone on from that.
func (r *run) rerun(ctx context.Context, t *task, reason string) error {
	c, err := r.compute(ctx, t, reason)
	if c != nil {
		defer r.lane.leave()
	}
	if err != nil {
		return err
	}
	for _, p := range t.step.Kind.Outputs {
		if c.digests[p.Name] != t.digests[p.Name] {
			return fmt.Errorf("%s gave another %s than the record of the same action: the machine or the store is faulty; flow cache clear forgets the record", t.step.Name, p.Name)
		}
	}
	t.made, t.steps, t.again, t.resumed, t.seconds = c.made, c.steps, true, c.from, c.took.Seconds()
	r.keep(t, c)
	return nil
}

// read takes an output from the store and checks its content.
func (r *run) read(t *task, port string) (nodes.Value, error) {
	if t.record == nil {
		return nil, errors.New("not stored")
	}
	for _, o := range t.record.Outputs {
		if o.Port != port {
			continue
		}
		data, err := r.opt.Store.Read(o.Blob)
		if err != nil {
			return nil, err
		}
		p, _ := t.step.Kind.Output(port)
		v, err := nodes.Decode(p.Type, o.Media, data)
		if err != nil {
			return nil, fmt.Errorf("stored %s: %w", port, err)
		}
		if got := v.Digest(); got != nodes.Digest(o.Digest) {
			return nil, fmt.Errorf("stored %s has another content than its record says", port)
		}
		return v, nil
	}
	return nil, fmt.Errorf("record without output %q", port)
}

// release says that one reader of t is done; with the last, values and live things go.
func (r *run) release(t *task) {
	t.count.Lock()
	t.readers--
	last := t.readers <= 0
	t.count.Unlock()
	if last {
		r.drop(t)
	}
}

// drop forgets a task's values and lets its inputs go.
func (r *run) drop(t *task) {
	<-t.done
	t.count.Lock()
	gone := t.gone || t.readers > 0 // one came since
	t.gone = t.gone || !gone
	t.count.Unlock()
	if gone {
		return
	}
	t.value.Lock()
	t.made = nil
	t.value.Unlock()
	if t.state == Live {
		for name, l := range t.step.Live {
			if err := l.Close(); err != nil {
				r.warnOnce("close "+t.step.Name, "closing %s of %s: %v", name, t.step.Name, err)
			}
		}
		t.step.Live = nil
	}
	if t.state == Hit || t.state == Live {
		r.releaseInputs(t)
	}
}

func (r *run) releaseInputs(t *task) {
	for _, in := range t.inputs {
		r.release(in)
	}
}
