package sched

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// computed is what a step made.
type computed struct {
	made     map[string]nodes.Value
	digests  map[string]nodes.Digest
	steps    []nodes.Digest
	trace    string // of what the components are made that it read, in JSON
	took     time.Duration
	from     int           // the step of its loop that an earlier run had come to
	before   time.Duration // that earlier runs have spent on these steps
	loop     *follower
	warnings []string
}

// work is a step that runs.
type work struct {
	t    *task
	node event.Event
	env  nodes.Env
	c    *computed
}

// compute runs the step in the lane. The caller leaves the lane, if the result is not nil.
func (r *run) compute(ctx context.Context, t *task, reason string) (*computed, error) {
	in, err := r.gather(ctx, t)
	if err != nil {
		return nil, err
	}
	if err := r.lane.enter(ctx, t.rank); err != nil {
		return nil, err
	}
	w := r.begin(t, reason)
	start := r.opt.Now()
	made, err := runOp(ctx, t.step, &w.env, in)
	if err != nil {
		return w.c, w.cut(ctx, err)
	}
	return r.end(ctx, w, made, r.opt.Now().Sub(start))
}

// begin says that a step runs, and makes what it knows of where it does.
func (r *run) begin(t *task, reason string) *work {
	w := &work{t: t, node: event.Event{Node: t.step.Name, Kind: t.step.Kind.Name, Key: t.key.String(), Reason: reason}, env: r.opt.Env,
		c: &computed{digests: make(map[string]nodes.Digest)}}
	started := w.node
	started.Type, started.Total = event.NodeStarted, t.step.Plan.Steps
	r.emit(started)
	w.env.Progress = func(done, total int) {
		r.emit(event.Event{Type: event.NodeProgress, Node: t.step.Name, Done: done, Total: total})
	}
	w.env.Warn = func(m string) { w.c.warnings = append(w.c.warnings, m) }
	w.c.loop = &follower{run: r, task: t, made: w.c}
	if r.opt.Checkpoint > 0 {
		w.c.loop.kept.store = cache.CheckpointsOf(r.opt.Store)
	}
	w.env.Steps = w.c.loop
	return w
}

// end takes what a step has made.
func (r *run) end(ctx context.Context, w *work, made map[string]nodes.Value, took time.Duration) (*computed, error) {
	if err := verify(w.t.step); err != nil {
		return w.c, interrupted(ctx, err)
	}
	w.c.made, w.c.took, w.c.trace = made, took, traced(w.t.step, cache.Memos(r.opt.Store))
	for port, v := range made {
		w.c.digests[port] = v.Digest()
	}
	done := w.node
	done.Type, done.Seconds = event.NodeDone, took.Seconds()
	r.emit(done)
	for _, m := range w.c.warnings {
		r.emit(event.Event{Type: event.Warning, Node: w.t.step.Name, Message: m})
	}
	return w.c, nil
}

// cut says why a step came to nothing. Of a run that was stopped it keeps what its loop has come to.
func (w *work) cut(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		w.c.loop.stop()
	}
	return interrupted(ctx, err)
}

// interrupted is the context's error where the run was stopped, whatever came of that.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// runAll runs steps together, or one alone.
func runAll(ctx context.Context, all []*work, seats []*seat) (out []map[string]nodes.Value, err error) {
	if len(all) == 1 {
		made, err := runOp(ctx, all[0].t.step, &all[0].env, seats[0].in)
		return []map[string]nodes.Value{made}, err
	}
	defer program.CatchShape(&err)
	var envs []*nodes.Env
	var in []nodes.Inputs
	for i, w := range all {
		envs, in = append(envs, &w.env), append(in, seats[i].in)
	}
	if out, err = all[0].t.step.Op.(nodes.Batcher).RunBatch(ctx, envs, in); err != nil {
		return nil, err
	}
	if len(out) != len(all) {
		return nil, fmt.Errorf("kind %s made %d results of %d steps", all[0].t.step.Kind.ID(), len(out), len(all))
	}
	for i, w := range all {
		if err := complete(w.t.step, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// complete demands a value for every output.
func complete(s *plan.Step, out map[string]nodes.Value) error {
	for _, p := range s.Kind.Outputs {
		if out[p.Name] == nil || out[p.Name].Type() != p.Type {
			return fmt.Errorf("kind %s made no %s for output %q", s.Kind.ID(), p.Type, p.Name)
		}
	}
	return nil
}

// runOp runs the operation; a mistake in shapes comes back as an error.
func runOp(ctx context.Context, s *plan.Step, env *nodes.Env, in nodes.Inputs) (out map[string]nodes.Value, err error) {
	defer program.CatchShape(&err)
	op, ok := s.Op.(nodes.StoredOp)
	if !ok {
		return nil, fmt.Errorf("kind %s has an operation of type %T", s.Kind.ID(), s.Op)
	}
	out, err = op.Run(ctx, env, in)
	if err == nil {
		err = complete(s, out)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// verify compares the files of the live inputs with what was opened and hashed.
func verify(s *plan.Step) error {
	live := s.LiveInputs()
	for _, use := range s.Plan.Uses {
		if err := live[use.Input].Verify(use.Components...); err != nil {
			return err
		}
	}
	return nil
}

// TraceMeta is the name under which a record keeps what the components were made of that its node read: [plan.Step.Trace] in JSON.
const TraceMeta = "trace"

// traced is a step's trace in JSON; empty where there is none.
func traced(s *plan.Step, m nodes.Memo) string {
	t := s.Trace(m)
	if len(t) == 0 {
		return ""
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "" // it explains, and decides nothing
	}
	return string(text)
}

// keep stores what a step made, beside the lane.
func (r *run) keep(t *task, c *computed) {
	r.background.Go(func() {
		r.store(t, c)
		t.once.Do(func() { close(t.stored) })
	})
}

// store puts values and record; a failure costs a warning, never the picture.
func (r *run) store(t *task, c *computed) {
	rec := cache.Record{Key: t.key, Action: t.action, Created: r.opt.Now().UTC(), Duration: c.before + c.took, Warnings: c.warnings,
		Meta: map[string]string{"node": t.step.Node}}
	if c.trace != "" {
		rec.Meta[TraceMeta] = c.trace
	}
	recordSteps(&rec, c.steps)
	recordPace(&rec, r.plan, t.step, r.opt.Machine)
	if c.from > 0 {
		rec.Meta[resumedMeta] = fmt.Sprintf("step %d of %d", c.from, c.loop.kept.total)
	}
	var blobs []cache.NewBlob
	for _, p := range t.step.Kind.Outputs {
		media, data, err := nodes.Encode(c.made[p.Name])
		if err != nil {
			r.warnOnce("encode", "cannot store %s of %s: %v", p.Name, t.step.Name, err)
			return
		}
		blobs = append(blobs, cache.NewBlob{Output: cache.Output{Port: p.Name, Digest: cache.Digest(c.digests[p.Name]), Media: media}, Data: data})
	}
	// What is finished is stored even when the run is being stopped, if that is quick: the next run has it.
	if _, err := r.opt.Store.Put(r.storing, rec, blobs); err != nil && r.storing.Err() == nil {
		r.warnOnce("put", "the cache does not keep this run: %v", err)
	} else if err == nil {
		c.loop.kept.drop(t.key)
	}
}

// resumedMeta is the name under which a record says that an earlier run had done the first steps of its loop.
const resumedMeta = "resumed"
