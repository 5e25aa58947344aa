package sched

import (
	"encoding/hex"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// follower takes a digest of every step of a loop and passes the state on to who follows the run. Now and then it keeps the state in the
// store, so that a run that was killed goes on from there.
type follower struct {
	run  *run
	task *task
	made *computed
	kept keeper
}

// keeper keeps checkpoints of one loop.
type keeper struct {
	store  cache.Checkpoints // nil where none are kept
	total  int
	asked  bool // whether there is a state to go on from: start is it, if there is
	start  map[string]nodes.Tensor
	from   int           // the step that an earlier run had come to
	before time.Duration // that earlier runs have spent on these steps
	began  time.Time
	last   time.Time // when a state was last kept, or the loop began

	step  int                     // the last that was done
	state map[string]nodes.Tensor // after it

	writing sync.Mutex // held by the one that writes
	written int        // the step of the checkpoint in the store; guarded by writing
}

// tenth of the interval is what a run that is stopped may lose: what took less is not worth keeping.
const tenth = 10

// Resume implements nodes.Steps. A state that does not fit the loop, or whose digest is not what was noted, is not believed.
func (f *follower) Resume(total int, carries map[string][]int) (int, map[string]nodes.Tensor) {
	k := &f.kept
	k.total, k.began = total, f.run.opt.Now()
	k.last = k.began
	if k.store == nil || k.asked {
		return k.from, k.start
	}
	k.asked = true
	c, state := believed(k.store, f.task.key)
	if c == nil || c.Total != total || !fits(state, carries) {
		return 0, nil
	}
	for _, d := range c.Digests {
		f.made.steps = append(f.made.steps, nodes.Digest(d))
	}
	k.start, k.from, k.before, k.step, k.written = state, c.Step, c.Spent, c.Step, c.Step
	f.made.from, f.made.before = c.Step, c.Spent
	f.run.emit(event.Event{Type: event.NodeResumed, Node: f.task.step.Name, Kind: f.task.step.Kind.Name, Key: f.task.key.String(), Done: c.Step, Total: total})
	return c.Step, state
}

// believed finds the checkpoint of an action with its state; nil where there is none, or the state's digest is not what was noted.
func believed(store cache.Checkpoints, key cache.ActionKey) (*cache.Checkpoint, map[string]nodes.Tensor) {
	c, err := store.GetCheckpoint(key)
	if err != nil {
		return nil, nil
	}
	v, err := nodes.Decode(stepType, nodes.MediaSafetensors, c.State)
	if err != nil {
		return nil, nil
	}
	state := v.(*nodes.Tensors).List
	if nodes.StepDigest(state) != nodes.Digest(c.Digests[len(c.Digests)-1]) {
		return nil, nil
	}
	return c, state
}

// fits says whether a state is that of a loop with these carries.
func fits(state map[string]nodes.Tensor, carries map[string][]int) bool {
	if len(state) != len(carries) {
		return false
	}
	for name, shape := range carries {
		if !slices.Equal(state[name].Shape, shape) {
			return false
		}
	}
	return true
}

// stepType is the type of what a loop carries, as a stored value.
const stepType nodes.Type = "step"

// Done implements nodes.Steps.
func (f *follower) Done(step int, state func() map[string]nodes.Tensor) error {
	carried := state()
	f.kept.start = nil // it is not asked for again
	f.made.steps = append(f.made.steps, nodes.StepDigest(carried))
	if f.run.opt.Follow != nil {
		f.run.opt.Follow(f.task.step, step, carried)
	}
	k := &f.kept
	if k.step, k.state = step, carried; k.store == nil || step >= k.total {
		return nil
	}
	if now := f.run.opt.Now(); now.Sub(k.last) >= f.run.opt.Checkpoint {
		return f.keep(now)
	}
	return nil
}

// stop keeps what the loop of a run that is stopped has come to.
func (f *follower) stop() {
	k := &f.kept
	if now := f.run.opt.Now(); k.store != nil && k.state != nil && k.step < k.total && now.Sub(k.last) >= f.run.opt.Checkpoint/tenth {
		_ = f.keep(now) // files that have changed are the next run's affair
	}
}

// keep keeps the state beside the lane. The files that led to it must be what was opened.
func (f *follower) keep(now time.Time) error {
	if err := verify(f.task.step); err != nil {
		return err
	}
	k := &f.kept
	k.last = now
	c := cache.Checkpoint{Key: f.task.key, Action: f.task.action, Step: k.step, Total: k.total, Spent: k.before + now.Sub(k.began), Created: now.UTC(),
		Meta: map[string]string{"node": f.task.step.Node}}
	for _, d := range f.made.steps {
		c.Digests = append(c.Digests, cache.Digest(d))
	}
	state := k.state
	f.run.background.Go(func() {
		if err := k.write(f.run, c, state); err != nil && f.run.storing.Err() == nil {
			f.run.warnOnce("checkpoint", "what %s has come to is not kept: %v", f.task.step.Name, err)
		}
	})
	return nil
}

// write puts a checkpoint, unless a later one was put meanwhile.
func (k *keeper) write(r *run, c cache.Checkpoint, state map[string]nodes.Tensor) error {
	_, data, err := nodes.Encode(&nodes.Tensors{Of: stepType, List: state})
	if err != nil {
		return err
	}
	c.State = data
	k.writing.Lock()
	defer k.writing.Unlock()
	if c.Step <= k.written {
		return nil
	}
	if err := k.store.PutCheckpoint(r.storing, c); err != nil {
		return err
	}
	k.written = c.Step
	return nil
}

// drop removes the checkpoint of a loop whose result is stored.
func (k *keeper) drop(key cache.ActionKey) {
	k.writing.Lock()
	defer k.writing.Unlock()
	written := k.written
	k.written = k.total // what has still to be written is late
	if written > 0 {
		_ = k.store.DropCheckpoint(key) // gc finds it beside the record
	}
}

// stepsMeta is the name under which a record keeps the digests of the steps.
const stepsMeta = "steps"

// recordSteps puts the digests of the steps into a record.
func recordSteps(rec *cache.Record, steps []nodes.Digest) {
	if len(steps) == 0 {
		return
	}
	list := make([]string, len(steps))
	for i, d := range steps {
		list[i] = d.String()
	}
	rec.Meta[stepsMeta] = strings.Join(list, ",")
}

// recordedSteps gives the digests that recordSteps has put there; nil where there are none, or they are damaged.
func recordedSteps(rec *cache.Record) []nodes.Digest {
	text := rec.Meta[stepsMeta]
	if text == "" {
		return nil
	}
	var out []nodes.Digest
	for s := range strings.SplitSeq(text, ",") {
		var d nodes.Digest
		if len(s) != hex.EncodedLen(len(d)) {
			return nil
		}
		if _, err := hex.Decode(d[:], []byte(s)); err != nil {
			return nil
		}
		out = append(out, d)
	}
	return out
}
