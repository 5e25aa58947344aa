package sched

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// rigMany runs with up to three others of its key.
type rigMany struct {
	rigStep
	key string
}

// Plan implements nodes.StoredOp.
func (o rigMany) Plan(env *nodes.Env, in nodes.PlanInputs) (nodes.Plan, error) {
	p, err := o.rigStep.Plan(env, in)
	p.Batch = &nodes.Batch{Key: fmt.Sprint(o.key, o.id), Most: 4, Peak: func(n int) int64 { return int64(n) * 1e6 }}
	return p, err
}

// RunBatch implements nodes.Batcher.
func (o rigMany) RunBatch(ctx context.Context, envs []*nodes.Env, in []nodes.Inputs) ([]map[string]nodes.Value, error) {
	o.r.mu.Lock()
	o.r.together = append(o.r.together, len(in))
	hook := o.r.hooks[-1]
	o.r.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, envs[0]); err != nil {
			return nil, err
		}
	}
	var out []map[string]nodes.Value
	for i := range in {
		made, err := o.rigStep.Run(ctx, envs[i], in[i])
		if err != nil {
			return nil, err
		}
		if err := envs[i].Steps.Done(1, func() map[string]nodes.Tensor {
			return map[string]nodes.Tensor{"x": {Shape: []int{1}, Data: []float32{float32(i)}}}
		}); err != nil {
			return nil, err
		}
		out = append(out, made)
	}
	return out, nil
}

// crowd is n steps that may run together, each with an input and a reader of its own; the input of the last comes late.
func crowd(n int, change func(i int, line string) string) string {
	var b strings.Builder
	b.WriteString("nodes:\n  base: {kind: open}\n")
	for i := range n {
		fmt.Fprintf(&b, "  in%d: {kind: step, id: %d}\n", i, 100+i)
		b.WriteString(change(i, fmt.Sprintf("  m%d: {kind: many, id: 7, model: $base, in: [$in%d]}\n", i, i)))
		fmt.Fprintf(&b, "  p%d: {kind: paint, id: 1, in: [$m%d]}\n", i, i)
	}
	b.WriteString("outputs:\n")
	for i := range n {
		fmt.Fprintf(&b, "  o%d: {from: $p%d, path: %d.png}\n", i, i, i)
	}
	return b.String()
}

func same(_ int, line string) string { return line }

// written demands the pictures of a crowd.
func (r *rig) crowded(t *testing.T, res *Result, n int) {
	t.Helper()
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	for i := range n {
		if got, want := r.written[fmt.Sprintf("o%d", i)], float32(108+i); got != want {
			t.Errorf("picture %d is %v, want %v", i, got, want)
		}
	}
	if r.open != 0 || r.most > 1 {
		t.Errorf("%d models open, %d nodes at once", r.open, r.most)
	}
}

func TestBatch(t *testing.T) {
	r := newRig()
	res := r.run(t, within(t), crowd(6, same))
	r.crowded(t, res, 6)
	if !slices.Equal(r.together, []int{4, 2}) {
		t.Errorf("batches of %v", r.together)
	}
	if n := len(r.sink.Of(event.NodeDone)); n != 18 {
		t.Errorf("%d nodes ran", n)
	}
	for _, e := range r.sink.Of(event.NodeStarted) {
		if want := strings.HasPrefix(e.Node, "m"); want != strings.Contains(e.Reason, " more as one") {
			t.Errorf("%s: %s", e.Node, e.Reason)
		}
	}
	// each has a record of its own, with its steps, and is found
	for _, s := range res.Steps {
		if strings.HasPrefix(s.Name, "m") && len(s.Steps) != 1 {
			t.Errorf("%s has %d steps", s.Name, len(s.Steps))
		}
	}
	r.together = nil
	again := r.run(t, within(t), crowd(6, same))
	r.crowded(t, again, 6)
	if len(r.ran)+len(r.together) != 0 {
		t.Errorf("ran %v again, together %v", r.ran, r.together)
	}
	// one more runs alone, the others being there
	r.crowded(t, r.run(t, within(t), crowd(7, same)), 7)
	if len(r.together) != 0 {
		t.Errorf("one alone ran as a batch: %v", r.together)
	}
}

// What differs in its key, its model or its kind runs apart, and so does what comes from another of the batch.
func TestBatchOfWhom(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(i int, line string) string
		want   []int
	}{
		"key": {func(i int, line string) string {
			return strings.Replace(line, "id: 7", fmt.Sprintf("id: 7, key: k%d", i%2), 1)
		}, []int{3, 3}},
		"model": {func(i int, line string) string {
			if i > 2 {
				return fmt.Sprintf("  base%d: {kind: open, version: 2}\n", i) + strings.Replace(line, "$base", fmt.Sprintf("$base%d", i), 1)
			}
			return line
		}, []int{3}},
		"kind": {func(i int, line string) string {
			if i%3 > 0 {
				return strings.Replace(line, "many", "step", 1)
			}
			return line
		}, []int{2}},
	} {
		r := newRig()
		r.crowded(t, r.run(t, within(t), crowd(6, tt.change)), 6)
		if slices.Sort(r.together); !slices.Equal(r.together, tt.want) {
			t.Errorf("%s: batches of %v, want %v", name, r.together, tt.want)
		}
	}
	r := newRig()
	chain := "nodes:\n  x: {kind: step, id: 3}\n  y: {kind: step, id: 9}\n  a: {kind: many, id: 1, in: [$x]}\n  b: {kind: many, id: 1, in: [$a]}\n  c: {kind: many, id: 1, in: [$y]}\n  d: {kind: many, id: 1, in: [$c]}\n  e: {kind: paint, id: 5, in: [$b, $d]}\noutputs: {p: {from: $e, path: p.png}}\n"
	if res := r.run(t, within(t), chain); res.Err != nil || r.written["p"] != 21 || !slices.Equal(r.together, []int{2, 2}) {
		t.Errorf("%v, %v, batches of %v", res.Err, r.written, r.together)
	}
}

// The memory of a run bounds its batches, and the plan counts them.
func TestBatchWithinMemory(t *testing.T) {
	r := newRig()
	p := r.plan(t, crowd(6, same))
	defer p.Close()
	for limit, want := range map[int64][]int{0: {4, 2}, 1 << 30: {4, 2}, 2 * (baseBytes + 2.5e6): {2, 2, 2}, 2 * (baseBytes + 1.5e6): nil, 1: nil} {
		var got []int
		for _, b := range batches(p, limit) {
			got = append(got, len(b))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d bytes: batches of %v, want %v", limit, got, want)
		}
	}
	most := func(limit int64) (peak int64) {
		for _, row := range Explain(p, r.store, limit) {
			peak = max(peak, row.Peak)
		}
		return peak
	}
	if free, tight := most(0), most(1); free < 4e6 || free > 4.1e6 || tight > 2e5 {
		t.Errorf("peaks of %d and %d bytes", free, tight)
	}
}

func TestBatchFails(t *testing.T) {
	r := newRig()
	r.hooks[-1] = func(context.Context, *nodes.Env) error { return errors.New("broken") }
	res := r.run(t, within(t), crowd(3, same))
	if res.Err == nil || len(r.sink.Of(event.NodeFailed)) != 3 || len(r.sink.Of(event.NodeSkipped)) != 3 || r.open != 0 {
		t.Errorf("%v: %s", res.Err, states(res))
	}
	r = newRig()
	r.hooks[-1] = func(context.Context, *nodes.Env) error { panic(&program.ShapeError{Msg: "no"}) }
	if res := r.run(t, within(t), crowd(3, same)); res.Err == nil {
		t.Error("a mistake in shapes is none")
	}
	// one whose input fails leaves the others to run
	r = newRig()
	r.hooks[101] = func(context.Context, *nodes.Env) error { return errors.New("broken") }
	if res := r.run(t, within(t), crowd(3, same)); res.Err == nil || !slices.Equal(r.together, []int{2}) || r.written["o0"] != 108 || r.written["o2"] != 110 {
		t.Errorf("%v, batches of %v, written %v", res.Err, r.together, r.written)
	}
}

func TestBatchInterrupted(t *testing.T) {
	for _, at := range []int64{-1, 100, 102} {
		r := newRig()
		ctx, cancel := context.WithCancel(within(t))
		r.hooks[at] = func(context.Context, *nodes.Env) error { cancel(); return ctx.Err() }
		if res := r.run(t, ctx, crowd(3, same)); !errors.Is(res.Err, context.Canceled) || r.open != 0 {
			t.Errorf("%v, %d models open", res.Err, r.open)
		}
	}
}

// Steps of one batch that do the same are computed once, and none waits for the other for ever.
func TestBatchOfTwins(t *testing.T) {
	for range 20 {
		r := newRig()
		r.store = &faulty{Store: cache.NewMemory(), put: func() error { return errors.New("full") }}
		text := strings.ReplaceAll(crowd(4, same), "id: 102", "id: 101")
		if res := r.run(t, within(t), text); res.Err != nil || r.written["o1"] != 109 || r.written["o2"] != 109 || !slices.Equal(r.together, []int{3}) {
			t.Fatalf("%v, batches of %v, written %v", res.Err, r.together, r.written)
		}
	}
}

// Whatever steps there are, in whatever order: a run with batches ends, and draws what one step after the other draws.
func TestBatchesOfRandomGraphs(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	for range 60 {
		var b strings.Builder
		b.WriteString("nodes:\n")
		n := 4 + r.IntN(20)
		for i := range n {
			var in []string
			for j := range i {
				if r.IntN(4) == 0 && len(in) < 3 {
					in = append(in, fmt.Sprintf("$n%d", j))
				}
			}
			kind := []string{"step", "many"}[r.IntN(2)]
			fmt.Fprintf(&b, "  n%d: {kind: %s, id: %d, in: [%s]}\n", i, kind, 1+r.IntN(4), strings.Join(in, ", "))
		}
		fmt.Fprintf(&b, "  p: {kind: paint, id: 1, in: [$n%d, $n%d, $n%d]}\noutputs: {p: {from: $p, path: p.png}}\n", n-1, n-2, n-3)
		one, many := newRig(), newRig()
		res := many.run(t, within(t), b.String())
		if res.Err != nil {
			t.Fatal(res.Err, b.String())
		}
		if res := one.run(t, within(t), strings.ReplaceAll(b.String(), "kind: many", "kind: step")); res.Err != nil || one.written["p"] != many.written["p"] {
			t.Fatalf("%v, %v and %v\n%s", res.Err, one.written, many.written, b.String())
		}
	}
}
