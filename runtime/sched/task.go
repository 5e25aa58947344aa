package sched

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// task is a step at work. After done is closed its state, key, digests and err do not change.
type task struct {
	step       *plan.Step
	rank       int // its place in the lane
	awaits     []plan.Input
	inputs     []*task // of awaits
	dependents []*task // once for each input that is of this task
	missing    int     // inputs that are not done; guarded by run.mu
	done       chan struct{}
	stored     chan struct{} // closed when the store was given what the task made
	once       sync.Once     // of closing it

	state   State
	key     cache.ActionKey
	action  []byte
	record  *cache.Record
	digests map[string]nodes.Digest
	steps   []nodes.Digest // of its loop
	trace   string
	resumed int // the step of it that an earlier run had come to
	seconds float64
	err     error
	cause   string // the node whose failure is the first cause of this one's

	value sync.Mutex // held while values are read or made
	made  map[string]nodes.Value
	again bool // it was in the store, and had to run after all

	seat *seat // in a batch; nil for none
	left bool  // its batch knows of it

	count   sync.Mutex
	readers int // steps and outputs that may still ask for a value
	gone    bool
}

// ended is the state to report.
func (t *task) ended() State {
	if t.again {
		return Ran
	}
	return t.state
}

// skipError says that an input of a step failed.
type skipError struct{ cause string }

// Error implements error.
func (e *skipError) Error() string { return fmt.Sprintf("skipped because %s failed", e.cause) }

// resolve finds out a step's digests: from the store, or by running it.
func (r *run) resolve(ctx context.Context, t *task) {
	computed, err := r.attempt(ctx, t)
	r.leave(t)
	if t.err = err; err != nil {
		t.once.Do(func() { close(t.stored) }) // there will be nothing to store
	}
	var skip *skipError
	switch {
	case err == nil:
	case errors.As(err, &skip):
		t.state, t.cause = Skipped, skip.cause
		r.emit(event.Event{Type: event.NodeSkipped, Node: t.step.Name, Kind: t.step.Kind.Name, Message: skip.cause + " failed"})
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		t.state = Interrupted
		r.fail(ctx, r.plan.Place(t.step.Pos), "node", t.step.Name, err)
	default:
		t.state, t.cause = Failed, t.step.Name
		r.fail(ctx, r.plan.Place(t.step.Pos), "node", t.step.Name, err)
		r.emit(event.Event{Type: event.NodeFailed, Node: t.step.Name, Kind: t.step.Kind.Name, Message: err.Error()})
	}
	r.finish(t)
	if t.seat != nil {
		close(t.seat.finished)
	}
	if computed && t.seat != nil {
		for _, s := range r.batches[t].seats {
			<-s.finished
		}
	}
	if computed { // after finish: those that became ready by this step are expected in the lane
		r.lane.leave()
	}
}

// finish lets readers go on, and inputs go that this step needs no more.
func (r *run) finish(t *task) {
	r.mu.Lock()
	for _, d := range t.dependents {
		if d.missing--; d.missing == 0 {
			r.lane.expect(d.rank)
		}
	}
	r.mu.Unlock()
	r.lane.settle(t.rank)
	close(t.done)
	t.count.Lock()
	settled := t.readers == 0
	t.count.Unlock()
	if t.state != Hit && t.state != Live { // theirs may be needed yet, if a blob proves damaged or a reader runs
		r.releaseInputs(t)
	}
	if settled {
		r.drop(t)
	}
}

// attempt resolves a step whose inputs it waits for. computed says that it holds the lane.
func (r *run) attempt(ctx context.Context, t *task) (computed bool, err error) {
	for _, in := range t.inputs {
		select {
		case <-in.done:
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	for _, in := range t.inputs {
		if in.err != nil {
			return false, &skipError{in.cause}
		}
	}
	if t.step.Kind.Live() {
		t.state = Live
		return false, nil
	}
	if err := r.identify(ctx, t); err != nil {
		return false, err
	}
	reason := r.lookUp(t)
	if reason == nil {
		t.state = Hit
		r.emit(event.Event{Type: event.NodeHit, Node: t.step.Name, Kind: t.step.Kind.Name, Key: t.key.String()})
		return false, nil
	}
	if shared, err := r.share(ctx, t); shared || err != nil {
		return false, err
	}
	c, led, err := r.perform(ctx, t, reason.Error())
	if err != nil {
		return led, err
	}
	t.state, t.made, t.digests, t.steps, t.trace, t.resumed, t.seconds = Ran, c.made, c.digests, c.steps, c.trace, c.from, c.took.Seconds()
	r.keep(t, c)
	return led, nil
}

// perform runs a step, alone or with its batch. led says that it holds the lane.
func (r *run) perform(ctx context.Context, t *task, reason string) (c *computed, led bool, err error) {
	if r.batches[t] != nil {
		return r.runTogether(ctx, t, reason)
	}
	c, err = r.compute(ctx, t, reason)
	return c, c != nil, err
}

// lookUp asks the store for the step's record. The error is the reason why the step runs.
func (r *run) lookUp(t *task) error {
	rec, err := r.opt.Store.Get(t.key)
	if err == nil {
		return t.adopt(rec)
	}
	var miss *cache.Miss
	if !errors.As(err, &miss) || miss.Reason == cache.Unreadable {
		r.warnOnce("get", "the cache cannot be read, and what it may hold is computed again: %v", err)
	}
	return err
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
	memo := cache.Memos(r.opt.Store)
	var unread int64
	for _, use := range t.step.Plan.Uses {
		for _, c := range use.Components {
			_, n, _ := live[use.Input].Known(c, memo)
			unread += n
		}
	}
	if unread > 0 {
		r.lane.settle(t.rank) // others compute meanwhile
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
	t.record, t.digests, t.steps, t.trace = rec, digests, recordedSteps(rec), rec.Meta[TraceMeta]
	return nil
}
