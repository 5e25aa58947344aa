package sched

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// task is a step at work. After done is closed its state, key, digests and err do not change.
type task struct {
	step   *plan.Step
	awaits []plan.Input
	inputs []*task // of awaits
	done   chan struct{}

	state   State
	key     cache.ActionKey
	action  []byte
	record  *cache.Record
	digests map[string]nodes.Digest
	seconds float64
	err     error

	value sync.Mutex // held while values are read or made
	made  map[string]nodes.Value

	count   sync.Mutex
	readers int // steps and outputs that may still ask for a value
	gone    bool
}

// resolve finds out a step's digests: from the store, or by running it.
func (r *run) resolve(ctx context.Context, t *task) {
	defer r.finish(t)
	t.err = r.attempt(ctx, t)
	switch {
	case t.err == nil:
	case errors.Is(t.err, errSkipped):
		t.state = Skipped
		r.emit(event.Event{Type: event.NodeSkipped, Node: t.step.Name, Message: t.err.Error()})
	default:
		t.state = Failed
		r.fail(t.step.Name, t.err)
		if ctx.Err() == nil {
			r.emit(event.Event{Type: event.NodeFailed, Node: t.step.Name, Kind: t.step.Kind.Name, Message: t.err.Error()})
		}
	}
}

// finish lets readers go on, and inputs go that this step needs no more.
func (r *run) finish(t *task) {
	close(t.done)
	if t.state == Hit || t.state == Live { // its inputs may be needed yet, if a blob proves damaged or a reader runs
		t.count.Lock()
		settled := t.readers == 0
		t.count.Unlock()
		if settled {
			r.drop(t)
		}
		return
	}
	r.releaseInputs(t)
}

func (r *run) attempt(ctx context.Context, t *task) error {
	for i, in := range t.inputs {
		select {
		case <-in.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		if in.err != nil {
			return fmt.Errorf("%w: %s", errSkipped, t.awaits[i].From.Name+" failed")
		}
	}
	if t.step.Kind.Live() {
		t.state = Live
		return nil
	}
	if err := r.identify(ctx, t); err != nil {
		return err
	}
	rec, err := r.opt.Store.Get(t.key)
	if err == nil {
		err = t.adopt(rec)
	}
	if err == nil {
		t.state = Hit
		r.emit(event.Event{Type: event.NodeHit, Node: t.step.Name, Kind: t.step.Kind.Name, Key: t.key.String()})
		return nil
	}
	return r.execute(ctx, t, err.Error())
}

// identify computes the step's action key, hashing what it reads of live inputs.
func (r *run) identify(ctx context.Context, t *task) error {
	d := plan.Digests{Stored: make(map[string]nodes.Digest), Live: make(map[string]map[string]nodes.Digest)}
	for i, in := range t.awaits {
		if !in.Type.Live() {
			d.Stored[in.Path] = t.inputs[i].digests[in.Port]
		}
	}
	live := t.step.LiveInputs()
	memo := memo{r.opt.Store}
	var unread int64
	for _, use := range t.step.Plan.Uses {
		for _, c := range use.Components {
			_, n, _ := live[use.Input].Known(c, memo)
			unread += n
		}
	}
	if unread > 0 {
		r.emit(event.Event{Type: event.NodeHashing, Node: t.step.Name, Bytes: unread})
	}
	for _, use := range t.step.Plan.Uses {
		parts := make(map[string]nodes.Digest)
		for _, c := range use.Components {
			digest, err := live[use.Input].Digest(ctx, c, memo)
			if err != nil {
				return err
			}
			parts[c] = digest
		}
		d.Live[use.Input] = parts
	}
	action, key, err := r.plan.Action(t.step, d)
	t.action, t.key = action, key
	return err
}

// adopt takes digests from a record whose outputs are those of the kind.
func (t *task) adopt(rec *cache.Record) error {
	digests := make(map[string]nodes.Digest)
	for _, o := range rec.Outputs {
		digests[o.Port] = nodes.Digest(o.Digest)
	}
	for _, p := range t.step.Kind.Outputs {
		if _, ok := digests[p.Name]; !ok {
			return fmt.Errorf("record without output %q", p.Name)
		}
	}
	t.record, t.digests = rec, digests
	return nil
}

// execute runs the step in the lane and stores what it made.
func (r *run) execute(ctx context.Context, t *task, reason string) error {
	in, err := r.gather(ctx, t)
	if err != nil {
		return err
	}
	if err := r.lane.enter(ctx, t.step.Index); err != nil {
		return err
	}
	defer r.lane.leave()
	r.emit(event.Event{Type: event.NodeStarted, Node: t.step.Name, Kind: t.step.Kind.Name, Key: t.key.String(), Reason: reason, Total: t.step.Plan.Steps})
	var warnings []string
	env := r.opt.Env
	env.Progress = func(done, total int) {
		r.emit(event.Event{Type: event.NodeProgress, Node: t.step.Name, Done: done, Total: total})
	}
	env.Warn = func(m string) { warnings = append(warnings, m) }
	start := time.Now()
	made, err := runOp(ctx, t.step, &env, in)
	if err == nil {
		err = verify(t.step)
	}
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	took := time.Since(start)
	t.seconds, t.state = took.Seconds(), Ran
	t.made, t.digests = made, make(map[string]nodes.Digest)
	for port, v := range made {
		t.digests[port] = v.Digest()
	}
	r.emit(event.Event{Type: event.NodeDone, Node: t.step.Name, Kind: t.step.Kind.Name, Key: t.key.String(), Seconds: t.seconds, Reason: reason})
	for _, w := range warnings {
		r.emit(event.Event{Type: event.Warning, Node: t.step.Name, Message: w})
	}
	r.background.Go(func() { r.store(ctx, t, made, t.digests, took, warnings) })
	return nil
}

// runOp runs the operation; a mistake in shapes comes back as an error.
func runOp(ctx context.Context, s *plan.Step, env *nodes.Env, in nodes.Inputs) (out map[string]nodes.Value, err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		var shape *program.ShapeError
		if e, ok := v.(error); !ok || !errors.As(e, &shape) {
			panic(v)
		}
		err = shape
	}()
	op, ok := s.Op.(nodes.StoredOp)
	if !ok {
		return nil, fmt.Errorf("kind %s has an operation of type %T", s.Kind.ID(), s.Op)
	}
	out, err = op.Run(ctx, env, in)
	if err != nil {
		return nil, err
	}
	for _, p := range s.Kind.Outputs {
		if out[p.Name] == nil || out[p.Name].Type() != p.Type {
			return nil, fmt.Errorf("kind %s made no %s for output %q", s.Kind.ID(), p.Type, p.Name)
		}
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

// gather collects a step's inputs.
func (r *run) gather(ctx context.Context, t *task) (nodes.Inputs, error) {
	in := nodes.Inputs{Stored: make(map[string]nodes.Value), Live: t.step.LiveInputs()}
	for i, input := range t.awaits {
		if input.Type.Live() {
			continue
		}
		v, err := r.value(ctx, t.inputs[i], input.Port)
		if err != nil {
			return in, fmt.Errorf("%s: %w", input.Path, err)
		}
		in.Stored[input.Path] = v
	}
	return in, nil
}

// value gives a step's output: from memory, from the store, or - where the store has lost it since - by
// running the step after all.
func (r *run) value(ctx context.Context, t *task, port string) (nodes.Value, error) {
	t.value.Lock()
	defer t.value.Unlock()
	if v := t.made[port]; v != nil {
		return v, nil
	}
	v, err := r.read(t, port)
	if err == nil {
		if t.made == nil {
			t.made = make(map[string]nodes.Value)
		}
		t.made[port] = v
		return v, nil
	}
	digests := t.digests
	again := &task{step: t.step, awaits: t.awaits, inputs: t.inputs, key: t.key, action: t.action}
	if err := r.execute(ctx, again, err.Error()); err != nil {
		return nil, err
	}
	if again.digests[port] != digests[port] {
		return nil, fmt.Errorf("%s gave another %s than the record of the same action: the machine or the store is faulty", t.step.Name, port)
	}
	t.made = again.made
	return t.made[port], nil
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

// store puts values and record; a failure costs a warning, never the picture.
func (r *run) store(ctx context.Context, t *task, made map[string]nodes.Value, digests map[string]nodes.Digest, took time.Duration, warnings []string) {
	rec := cache.Record{Key: t.key, Action: t.action, Created: time.Now().UTC(), Duration: took, Warnings: warnings,
		Meta: map[string]string{"node": t.step.Name}}
	var blobs []cache.NewBlob
	for _, p := range t.step.Kind.Outputs {
		media, data, err := nodes.Encode(made[p.Name])
		if err != nil {
			r.warnOnce(fmt.Sprintf("cannot store %s of %s: %v", p.Name, t.step.Name, err))
			return
		}
		blobs = append(blobs, cache.NewBlob{Output: cache.Output{Port: p.Name, Digest: cache.Digest(digests[p.Name]), Media: media}, Data: data})
	}
	// What is finished is stored even when the run is being interrupted: it is quick, and the next run has it.
	if _, err := r.opt.Store.Put(context.WithoutCancel(ctx), rec, blobs); err != nil {
		r.warnOnce(fmt.Sprintf("the cache does not keep this run: %v", err))
	}
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
	gone := t.gone
	t.gone = true
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
				r.warnOnce(fmt.Sprintf("closing %s of %s: %v", name, t.step.Name, err))
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

// memo lets the store remember digests of files.
type memo struct{ store cache.Store }

// Get implements nodes.Memo.
func (m memo) Get(key string) ([]byte, bool) { return m.store.GetMemo(key) }

// Put implements nodes.Memo.
func (m memo) Put(key string, value []byte) { m.store.PutMemo(key, value) }
