package sched

import (
	"encoding/hex"
	"strings"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// follower takes a digest of every step of a loop, and passes the state on to who follows the run.
type follower struct {
	step   *plan.Step
	made   *computed
	follow func(s *plan.Step, step int, state map[string]nodes.Tensor)
}

// Resume implements nodes.Steps.
func (f *follower) Resume() (int, map[string]nodes.Tensor) { return 0, nil }

// Done implements nodes.Steps.
func (f *follower) Done(step int, state func() map[string]nodes.Tensor) error {
	carried := state()
	f.made.steps = append(f.made.steps, nodes.StepDigest(carried))
	if f.follow != nil {
		f.follow(f.step, step, carried)
	}
	return nil
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
