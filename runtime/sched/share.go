package sched

import (
	"context"
	"maps"

	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// claim makes t the one that computes its action. If another step of the run has claimed it before, that one comes back, and waits for t to read
// what it makes; kept says whether it still has that.
func (r *run) claim(t *task) (other *task, kept bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.claims == nil {
		r.claims = make(map[[32]byte]*task)
	}
	other = r.claims[t.key]
	if other == nil {
		r.claims[t.key] = t
		return nil, false
	}
	other.count.Lock()
	defer other.count.Unlock()
	if other.gone {
		r.claims[t.key] = t // should the store not have it either
		return other, false
	}
	other.readers++
	return other, true
}

// share gives a step what another one of the run makes by the same action. It says whether it did: what is made and gone by now the store may have.
func (r *run) share(ctx context.Context, t *task) (bool, error) {
	other, kept := r.claim(t)
	if other == nil {
		return false, nil
	}
	r.lane.settle(t.rank)
	r.leave(t) // the other may wait for its batch, which is this one's
	if !kept {
		select {
		case <-other.stored:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		if other.err != nil {
			return false, ofTwin(ctx, other)
		}
		if r.lookUp(t) != nil {
			return false, nil
		}
		t.state = Hit
		r.emit(event.Event{Type: event.NodeHit, Node: t.step.Name, Kind: t.step.Kind.Name, Key: t.key.String()})
		return true, nil
	}
	defer r.release(other)
	select {
	case <-other.done:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if other.err != nil {
		return false, ofTwin(ctx, other)
	}
	other.value.Lock()
	t.made = maps.Clone(other.made)
	other.value.Unlock()
	t.state, t.digests, t.steps = Same, other.digests, other.steps
	r.emit(event.Event{Type: event.NodeHit, Node: t.step.Name, Kind: t.step.Kind.Name, Key: t.key.String(), Reason: "the same as " + other.step.Name})
	return true, nil
}

// ofTwin is the error of a step whose twin has failed.
func ofTwin(ctx context.Context, other *task) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &skipError{other.cause}
}
