package sched

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// twins has two nodes of one action, and readers of each.
const twins = `nodes:
  a: {kind: step, id: 1}
  b: {kind: step, id: 1}
  c: {kind: paint, id: 2, in: [$a]}
  d: {kind: paint, id: 3, in: [$b]}
outputs:
  p: {from: $c, path: p.png}
  q: {from: $d, path: q.png}
`

func TestOneActionRunsOnce(t *testing.T) {
	r := newRig()
	res := r.run(t, within(t), twins)
	slices.Sort(r.ran)
	if !slices.Equal(r.ran, []int64{1, 2, 3}) || res.Err != nil || r.written["p"] != 3 || r.written["q"] != 4 {
		t.Errorf("ran %v, error %v, written %v", r.ran, res.Err, r.written)
	}
	a, b := res.Steps[0], res.Steps[1]
	if s := states(res); s != "a:ran b:same c:ran d:ran " && s != "a:same b:ran c:ran d:ran " && s != "a:ran b:hit c:ran d:ran " && s != "a:hit b:ran c:ran d:ran " {
		t.Error(s)
	}
	if a.Key != b.Key || fmt.Sprint(a.Outputs) != fmt.Sprint(b.Outputs) || a.Key == (cache.ActionKey{}) {
		t.Errorf("%v and %v", a, b)
	}
	if rows := Explain(r.plan(t, strings.ReplaceAll(twins, "id: 1", "id: 9")), r.store, 0); rows[1].State != WouldShare || rows[1].Reason != "the same as a" {
		t.Errorf("%+v", rows[1])
	}
}

// The one that waits takes what the other has in memory, whether or not a store keeps it.
func TestOneActionWithoutAStore(t *testing.T) {
	for range 20 {
		r := newRig()
		r.store = &faulty{Store: cache.NewMemory(), put: func() error { return errors.New("full") }}
		if res := r.run(t, within(t), strings.ReplaceAll(twins, "outputs", "  e: {kind: paint, id: 4, in: [$a, $b]}\noutputs")+"  z: {from: $e, path: z.png}\n"); res.Err != nil || r.written["z"] != 6 {
			t.Fatal(res.Err, r.written)
		}
		if n := len(slices.DeleteFunc(slices.Clone(r.ran), func(id int64) bool { return id != 1 })); n != 1 {
			t.Errorf("ran %v", r.ran)
		}
	}
}

func TestOneActionFails(t *testing.T) {
	r := newRig()
	r.hooks[1] = func(context.Context, *nodes.Env) error { return errors.New("broken") }
	res := r.run(t, within(t), twins)
	if n := len(r.sink.Of(event.NodeFailed)); n != 1 || len(r.ran) != 1 || res.Err == nil {
		t.Errorf("%d failures, ran %v: %v", n, r.ran, res.Err)
	}
	if n := len(r.sink.Of(event.NodeSkipped)); n != 3 {
		t.Errorf("%d nodes are skipped: %s", n, states(res))
	}
}

func TestOneActionInterrupted(t *testing.T) {
	r := newRig()
	ctx, cancel := context.WithCancel(within(t))
	r.hooks[1] = func(context.Context, *nodes.Env) error { cancel(); return ctx.Err() }
	if res := r.run(t, ctx, twins); !errors.Is(res.Err, context.Canceled) || len(r.ran) != 1 {
		t.Errorf("%v, ran %v", res.Err, r.ran)
	}
}

// What one twin made and let go of before the other knew its key comes from the store.
func TestOneActionLater(t *testing.T) {
	r := newRig()
	late := `nodes:
  a: {kind: step, id: 1, give: 5}
  b: {kind: step, id: 2, give: 5}
  c: {kind: step, id: 3, in: [$a]}
  d: {kind: step, id: 3, in: [$b]}
  e: {kind: paint, id: 4, in: [$c, $d]}
outputs:
  p: {from: $e, path: p.png}
`
	r.want(t, r.run(t, within(t), late), []int64{1, 2, 3, 4}, 20)
}
