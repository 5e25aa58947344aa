package sched

import (
	"context"
	"slices"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

const loopFile = `nodes:
  a: {kind: step, id: 1}
  b: {kind: paint, id: 2, in: [$a]}
outputs: {o: {from: $b, path: o.png}}
`

// TestSteps: the digests of a loop's steps are in the result of the run that made them, and of the next, which the store answers.
func TestSteps(t *testing.T) {
	r := newRig()
	state := func(step int) map[string]nodes.Tensor {
		return map[string]nodes.Tensor{"latents": {Shape: []int{1}, Data: []float32{float32(step)}}}
	}
	r.hooks[1] = func(_ context.Context, env *nodes.Env) error {
		if step, _ := env.Steps.Resume(3, map[string][]int{"latents": {1}}); step != 0 {
			t.Errorf("a loop goes on after step %d", step)
		}
		for i := 1; i <= 3; i++ {
			if err := env.Steps.Done(i, func() map[string]nodes.Tensor { return state(i) }); err != nil {
				return err
			}
		}
		return nil
	}
	want := []nodes.Digest{nodes.StepDigest(state(1)), nodes.StepDigest(state(2)), nodes.StepDigest(state(3))}
	for _, state := range []State{Ran, Hit} {
		var followed []float32
		p := r.plan(t, loopFile)
		opt := r.options()
		opt.Follow = func(s *plan.Step, step int, state map[string]nodes.Tensor) {
			followed = append(followed, float32(step), state["latents"].Data[0])
		}
		res := Run(t.Context(), p, opt)
		p.Close()
		if a := res.Steps[0]; a.State != state || !slices.Equal(a.Steps, want) || len(a.Action) == 0 {
			t.Errorf("%s: %v, want the steps %v", a.State, a.Steps, want)
		}
		if res.Steps[1].Steps != nil {
			t.Errorf("steps of a node without a loop: %v", res.Steps[1].Steps)
		}
		if all := []float32{1, 1, 2, 2, 3, 3}; state == Ran && !slices.Equal(followed, all) || state == Hit && followed != nil {
			t.Errorf("%s: followed %v", state, followed)
		}
	}
}

// TestDamagedSteps: what is no list of digests is none.
func TestDamagedSteps(t *testing.T) {
	good := nodes.StepDigest(nil).String()
	for text, want := range map[string]int{"": 0, good: 1, good + "," + good: 2, good + ",": 0, good[1:]: 0, good + "00": 0, "x" + good[1:]: 0} {
		if got := recordedSteps(&cache.Record{Meta: map[string]string{stepsMeta: text}}); len(got) != want {
			t.Errorf("%q gives %d steps, want %d", text, len(got), want)
		}
	}
}
