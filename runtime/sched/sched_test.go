package sched

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// edit replaces a part of the castle.
func edit(from, to string) string {
	if !strings.Contains(castle, from) {
		panic(from)
	}
	return strings.ReplaceAll(castle, from, to)
}

func TestSecondRunHits(t *testing.T) {
	r := newRig()
	r.want(t, r.run(t, within(t), castle), []int64{1, 2, 3, 4}, 10)
	if n := len(r.sink.Of(event.NodeDone)); n != 4 {
		t.Errorf("%d nodes done", n)
	}
	res := r.run(t, within(t), castle)
	r.want(t, res, nil, 10)
	if got := states(res); got != "base:live text:hit noise:hit latents:hit image:hit " {
		t.Error(got)
	}
	if len(res.Written) != 1 || res.Written[0] != "/p.png" {
		t.Errorf("written %v", res.Written)
	}
	if n := len(r.sink.Of(event.NodeHit)); n != 4 || len(r.sink.Of(event.NodeStarted)) != 0 {
		t.Errorf("%d hits in %v", n, r.sink.Events())
	}
}

func TestWhatRunsAgain(t *testing.T) {
	for name, tt := range map[string]struct {
		text    string
		ran     []int64
		picture float32
	}{
		"nothing":        {castle, nil, 10},
		"renamed":        {edit("noise", "zzz"), nil, 10},
		"another prompt": {edit("id: 1,", "id: 11,"), []int64{11, 3, 4}, 20},
		"another seed":   {edit("id: 2}", "id: 12}"), []int64{12, 3, 4}, 20},
		"early cutoff":   {edit("id: 2}", "id: 12, give: 2}"), []int64{12}, 10}, // another action with the same bytes
		"another model":  {edit("{kind: open}", "{kind: open, version: 2}"), []int64{1, 3, 4}, 10},
		"only the end":   {edit("id: 4,", "id: 5,"), []int64{5}, 11},
	} {
		r := newRig()
		r.run(t, within(t), castle)
		t.Run(name, func(t *testing.T) { r.want(t, r.run(t, within(t), tt.text), tt.ran, tt.picture) })
	}
}

// TestModelChangeIsCutOff: another model that gives the same bytes re-runs only what reads it.
func TestModelChangeIsCutOff(t *testing.T) {
	r := newRig()
	file := "nodes:\n  base: {kind: open}\n  text: {kind: step, id: 1, model: $base}\n  p: {kind: paint, id: 2, in: [$text]}\noutputs: {p: {from: $p, path: p.png}}\n"
	r.run(t, within(t), file)
	r.want(t, r.run(t, within(t), strings.ReplaceAll(file, "{kind: open}", "{kind: open, version: 7}")), []int64{1}, 3)
}

// TestOrderInTheLane: ready nodes in the order of the file, on random graphs, whatever the goroutines do.
func TestOrderInTheLane(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		n := 2 + rnd.IntN(25)
		text := "nodes:\n"
		inputs := make([][]int, n)
		for i := range n {
			var refs []string
			for range rnd.IntN(3) {
				if i > 0 {
					j := rnd.IntN(i)
					inputs[i] = append(inputs[i], j)
					refs = append(refs, fmt.Sprintf("$n%d", j))
				}
			}
			text += fmt.Sprintf("  n%d: {kind: step, id: %d, in: [%s]}\n", i, i+1, strings.Join(refs, ", "))
		}
		var want []int64
		for i := range n { // the file is in an order in which it can run
			want = append(want, int64(i+1))
		}
		r := newRig()
		res := r.run(t, within(t), text)
		if res.Err != nil || !slices.Equal(r.ran, want) {
			t.Fatalf("round %d: ran %v: %v", round, r.ran, res.Err)
		}
	}
}

// TestReadyNodesFirst: a node that waits for a long one does not hold up those behind it.
func TestReadyNodesFirst(t *testing.T) {
	r := newRig()
	res := r.run(t, within(t), `nodes:
  d: {kind: step, id: 4, in: [$b]}
  a: {kind: step, id: 1}
  c: {kind: step, id: 3, in: [$a]}
  b: {kind: step, id: 2}
`)
	if res.Err != nil || !slices.Equal(r.ran, []int64{1, 3, 2, 4}) {
		t.Errorf("ran %v: %v", r.ran, res.Err)
	}
}

// TestBesideTheLane: while one node's weights are hashed, another's result is stored and a picture is written, others compute.
func TestBesideTheLane(t *testing.T) {
	gate := make(chan struct{})
	wait := func(ctx context.Context) error {
		select {
		case <-gate:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	ctx := within(t)
	t.Run("hashing", func(t *testing.T) {
		r := newRig()
		r.unread = 1 << 30
		r.hash = func(string) error { return wait(ctx) }
		r.hooks[2] = func(context.Context, *nodes.Env) error { close(gate); return nil }
		r.want(t, r.run(t, ctx, castle), []int64{2, 1, 3, 4}, 10)
		if e := r.sink.Of(event.NodeHashing); len(e) == 0 || e[0].Bytes != 1<<30 {
			t.Errorf("events %v", e)
		}
	})
	two := "nodes:\n  a: {kind: paint, id: 1}\n  b: {kind: paint, id: 2}\noutputs:\n  p: {from: $a, path: a.png}\n  q: {from: $b, path: b.png}\n"
	t.Run("writing", func(t *testing.T) {
		gate = make(chan struct{})
		r := newRig()
		r.write = func(name string) error {
			if name == "p" {
				return wait(ctx)
			}
			return nil
		}
		r.hooks[2] = func(context.Context, *nodes.Env) error { close(gate); return nil }
		r.want(t, r.run(t, ctx, two), []int64{1, 2}, 1)
	})
	t.Run("storing", func(t *testing.T) {
		gate = make(chan struct{})
		r := newRig()
		r.store = &faulty{Store: r.store, put: func() error { return wait(ctx) }}
		r.hooks[2] = func(context.Context, *nodes.Env) error { close(gate); return nil }
		r.want(t, r.run(t, ctx, two), []int64{1, 2}, 1)
		r.want(t, r.run(t, ctx, two), nil, 1)
	})
	t.Run("reading", func(t *testing.T) {
		r := newRig()
		file := "nodes:\n  a: {kind: step, id: 1}\n  b: {kind: step, id: 2, in: [$a]}\n  c: {kind: step, id: 3}\n"
		r.run(t, ctx, "nodes:\n  a: {kind: step, id: 1}\n")
		gate = make(chan struct{})
		r.store = &faulty{Store: r.store, read: func() error { return wait(ctx) }}
		r.hooks[3] = func(context.Context, *nodes.Env) error { close(gate); return nil }
		if res := r.run(t, ctx, file); res.Err != nil || !slices.Equal(r.ran, []int64{3, 2}) {
			t.Errorf("ran %v: %v", r.ran, res.Err)
		}
	})
}

// TestModelsAreClosedWhenTheirLastReaderIsDone, not at the end.
func TestModelsAreClosedWhenTheirLastReaderIsDone(t *testing.T) {
	file := `nodes:
  m: {kind: open, version: 1}
  n: {kind: open, version: 2}
  a: {kind: step, id: 1, model: $m}
  b: {kind: step, id: 2, model: $m, in: [$a]}
  c: {kind: step, id: 3, model: $n, in: [$b]}
  d: {kind: paint, id: 4, in: [$c]}
outputs: {p: {from: $d, path: p.png}}
`
	r := newRig()
	var open [5]int
	for id := int64(1); id <= 4; id++ {
		r.hooks[id] = func(context.Context, *nodes.Env) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			open[id] = r.open
			return nil
		}
	}
	r.want(t, r.run(t, within(t), file), []int64{1, 2, 3, 4}, 10)
	if open != [5]int{0, 2, 2, 1, 0} {
		t.Errorf("open models while each node ran: %v", open[1:])
	}
	r.want(t, r.run(t, within(t), file), nil, 10)
}

func TestFirstCauseOfFailure(t *testing.T) {
	r := newRig()
	r.hooks[1] = func(context.Context, *nodes.Env) error { return errors.New("out of paint") }
	r.hooks[6] = func(context.Context, *nodes.Env) error { return errors.New("out of paper") }
	res := r.run(t, within(t), `nodes:
  a: {kind: step, id: 1}
  b: {kind: step, id: 2, in: [$a]}
  c: {kind: step, id: 3, in: [$d, $b]}
  d: {kind: step, id: 4}
  e: {kind: paint, id: 5, in: [$d]}
  f: {kind: step, id: 6}
  g: {kind: paint, id: 7, in: [$c, $f]}
outputs:
  p: {from: $e, path: e.png}
  q: {from: $g, path: g.png}
`)
	if res.Err == nil || !failedWith(res.Err, `node "a": out of paint`) {
		t.Errorf("error %v", res.Err)
	}
	if got := states(res); got != "a:failed b:skipped d:ran c:skipped e:ran f:failed g:skipped " {
		t.Error(got)
	}
	if r.written["p"] != 9 || len(r.written) != 1 || len(res.Written) != 1 {
		t.Errorf("what does not depend on a was not written: %v", r.written)
	}
	var skipped []string
	for _, e := range r.sink.Of(event.NodeSkipped) {
		skipped = append(skipped, e.Node+" "+e.Message)
	}
	slices.Sort(skipped)
	if !slices.Equal(skipped, []string{"b a failed", "c a failed", "g a failed"}) {
		t.Errorf("skipped %q", skipped)
	}
	for _, s := range res.Steps {
		if s.Name == "c" && (s.Err == nil || s.Err.Error() != "skipped because a failed") {
			t.Errorf("c: %v", s.Err)
		}
	}
	if e := r.sink.Of(event.RunDone); len(e) != 1 || e[0].Message != "failed" {
		t.Errorf("%v", e)
	}
	delete(r.hooks, 1) // mended: what was done is there
	delete(r.hooks, 6)
	if res := r.run(t, within(t), castle); res.Err != nil {
		t.Error(res.Err)
	}
}

// TestWhatFailsIsNotStored: a node whose files changed while it ran gives nothing.
func TestWhatFailsIsNotStored(t *testing.T) {
	r := newRig()
	r.verify = func() error { return errors.New("unet.safetensors: the file changed while it was in use") }
	res := r.run(t, within(t), castle)
	if res.Err == nil || !failedWith(res.Err, `node "text": unet.safetensors: the file changed while it was in use`) || len(r.written) != 0 || r.open != 0 {
		t.Errorf("%v, wrote %v", res.Err, r.written)
	}
	for rec := range r.store.Records() {
		if rec.Meta["node"] != "noise" { // which reads no file
			t.Errorf("stored %s", rec.Meta["node"])
		}
	}
	r.verify = nil
	r.want(t, r.run(t, within(t), castle), []int64{1, 3, 4}, 10)
}

func TestHashingFails(t *testing.T) {
	r := newRig()
	r.hash = func(c string) error { return fmt.Errorf("cannot read %s", c) }
	res := r.run(t, within(t), castle)
	if res.Err == nil || !failedWith(res.Err, `node "text": cannot read a`) || !slices.Equal(r.ran, []int64{2}) || r.open != 0 {
		t.Errorf("%v, ran %v", res.Err, r.ran)
	}
}

func TestWritingFails(t *testing.T) {
	r := newRig()
	r.write = func(string) error { return errors.New("the disk is full") }
	res := r.run(t, within(t), castle)
	if res.Err == nil || !failedWith(res.Err, `output "p": the disk is full`) || len(res.Written) != 0 {
		t.Errorf("%v", res.Err)
	}
	if e := r.sink.Of(event.NodeFailed); len(e) != 1 || e[0].Output != "p" || e[0].Node != "image" {
		t.Errorf("%v", e)
	}
	r.write = nil
	r.want(t, r.run(t, within(t), castle), nil, 10)
}

func TestFrozenClock(t *testing.T) {
	r := newRig()
	r.hooks[1] = func(_ context.Context, env *nodes.Env) error {
		r.now = r.now.Add(90 * time.Second)
		env.Warn("the prompt is odd")
		return nil
	}
	res := r.run(t, within(t), castle)
	if res.Steps[1].Seconds != 90 || res.Steps[2].Seconds != 0 {
		t.Errorf("%+v", res.Steps)
	}
	for rec := range r.store.Records() {
		want := time.Duration(0)
		if rec.Meta["node"] == "text" {
			want = 90 * time.Second
			if !slices.Equal(rec.Warnings, []string{"the prompt is odd"}) {
				t.Errorf("warnings %q", rec.Warnings)
			}
		}
		if rec.Duration != want || !rec.Created.Equal(r.now) {
			t.Errorf("%s: %v at %v", rec.Meta["node"], rec.Duration, rec.Created)
		}
	}
	if e := r.sink.Of(event.Warning); len(e) != 1 || e[0].Node != "text" || e[0].Message != "the prompt is odd" {
		t.Errorf("%v", e)
	}
	events := r.sink.Events()
	if e := events[len(events)-1]; e.Type != event.RunDone || e.Seconds != 90 || e.Message != "done" || !e.Time.Equal(r.now) {
		t.Errorf("%+v", e)
	}
	if e := r.sink.Of(event.NodeProgress); len(e) != 4 || e[0].Done != 1 || e[0].Total != 3 {
		t.Errorf("%v", e)
	}
}

// TestShapeMistakesAreErrors with the node's name.
func TestShapeMistakesAreErrors(t *testing.T) {
	r := newRig()
	r.hooks[3] = func(context.Context, *nodes.Env) error {
		panic(fmt.Errorf("wrapped: %w", &program.ShapeError{Scope: "unet.mid", Msg: "4 channels where 8 are declared"}))
	}
	res := r.run(t, within(t), castle)
	if res.Err == nil || !strings.HasPrefix(res.Err.Error(), `rig.flow.yaml:7:3: node "latents": `) || !strings.Contains(res.Err.Error(), "4 channels where 8 are declared") || r.open != 0 {
		t.Errorf("%v", res.Err)
	}
}

// TestKindsThatBreakTheContract are errors, not panics.
func TestKindsThatBreakTheContract(t *testing.T) {
	for name, op := range map[string]nodes.Op{
		"no operation": "text",
		"no output":    badOp{nil},
		"wrong type":   badOp{map[string]nodes.Value{"x": &nodes.Image{Width: 1, Height: 1, Pix: []byte{1, 2, 3}}}},
	} {
		r := newRig()
		p := r.plan(t, "nodes:\n  a: {kind: step, id: 1}\n")
		p.Steps[0].Op = op
		res := Run(within(t), p, r.options())
		if res.Err == nil || !strings.HasPrefix(res.Err.Error(), `rig.flow.yaml:4:3: node "a": kind step@1 `) {
			t.Errorf("%s: %v", name, res.Err)
		}
	}
}

type badOp struct{ out map[string]nodes.Value }

func (badOp) Plan(*nodes.Env, nodes.PlanInputs) (nodes.Plan, error) { return nodes.Plan{}, nil }
func (o badOp) Run(context.Context, *nodes.Env, nodes.Inputs) (map[string]nodes.Value, error) {
	return o.out, nil
}

// TestLaneAlone: the lane by itself under many that enter, give up, expect and settle.
func TestLaneAlone(t *testing.T) {
	var l lane
	var wg sync.WaitGroup
	var mu sync.Mutex
	inside, served := 0, 0
	for g := range 40 {
		wg.Go(func() {
			rnd := rand.New(rand.NewPCG(uint64(g), 9))
			for range 50 {
				ctx, cancel := context.WithCancel(context.Background())
				if rnd.IntN(3) == 0 {
					l.expect(g)
				}
				if rnd.IntN(2) == 0 {
					go cancel()
				}
				if rnd.IntN(9) == 0 {
					l.settle(g)
				}
				err := l.enter(ctx, g)
				if err == nil {
					mu.Lock()
					if inside++; inside > 1 {
						t.Error("two are inside")
					}
					served++
					mu.Unlock()
					mu.Lock()
					inside--
					mu.Unlock()
					l.leave()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if l.busy || len(l.waiting) != 0 || len(l.expected) != 0 || served == 0 {
		t.Errorf("at the end: busy %v, waiting %d, expected %v, served %d", l.busy, len(l.waiting), l.expected, served)
	}
}
