package sched

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// loop is a toy loop of ten steps: each step takes a second of the rig's clock and adds its number to what is carried.
type loop struct {
	rig     *rig
	steps   []int // that were made by the last run
	from    int   // where it began
	at      int   // the step after which something happens; 0 for none
	what    func() error
	carries map[string][]int
}

const loopTotal = 10

func (l *loop) run(ctx context.Context, env *nodes.Env) error {
	if l.carries == nil {
		l.carries = map[string][]int{"sum": {1}, "last": {1}}
	}
	l.steps = nil
	from, state := env.Steps.Resume(loopTotal, l.carries)
	l.from = from
	sum, last := float32(0), float32(0)
	if from > 0 {
		sum, last = state["sum"].Data[0], state["last"].Data[0]
	}
	for i := from + 1; i <= loopTotal; i++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		sum, last = sum+float32(i)*(1+last), float32(i)
		l.rig.mu.Lock()
		l.rig.now = l.rig.now.Add(time.Second)
		l.rig.mu.Unlock()
		l.steps = append(l.steps, i)
		if i == l.at && l.what != nil {
			if err := l.what(); err != nil {
				return err
			}
		}
		err := env.Steps.Done(i, func() map[string]nodes.Tensor {
			return map[string]nodes.Tensor{"sum": {Shape: []int{1}, Data: []float32{sum}}, "last": {Shape: []int{1}, Data: []float32{last}}}
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// loopRig is a rig whose node 1 has a loop, on a store on disk.
func loopRig(t *testing.T) (*rig, *loop) {
	t.Helper()
	r := newRig()
	d, err := cache.Open(t.TempDir(), cache.Options{Cap: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	r.store = d
	l := &loop{rig: r}
	r.hooks[1] = l.run
	return r, l
}

func (r *rig) looped(t *testing.T, ctx context.Context, every time.Duration) *Result {
	t.Helper()
	r.reset()
	p := r.plan(t, loopFile)
	defer p.Close()
	opt := r.options()
	opt.Checkpoint = every
	return Run(ctx, p, opt)
}

// left are the steps of the checkpoints in the store.
func (r *rig) left(t *testing.T) []int {
	t.Helper()
	var out []int
	for c, err := range r.store.(*cache.Disk).Checkpoints() {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c.Step)
	}
	return out
}

// TestResumesAtEveryStep: a run that fails after any step goes on from the last state that was kept, and ends with the digests of a whole run.
func TestResumesAtEveryStep(t *testing.T) {
	whole, _ := loopRig(t)
	want := whole.looped(t, t.Context(), 0).Steps[0].Steps
	if len(want) != loopTotal || whole.left(t) != nil {
		t.Fatal(want, whole.left(t))
	}
	for _, every := range []time.Duration{time.Second, 3 * time.Second, 100 * time.Second} {
		for at := 1; at <= loopTotal; at++ {
			r, l := loopRig(t)
			l.at, l.what = at, func() error { return errors.New("the machine stops") } // step at is lost
			if res := r.looped(t, t.Context(), every); res.Err == nil {
				t.Fatal("the run did not fail")
			}
			kept := (at - 1) / int(every/time.Second) * int(every/time.Second)
			l.at = 0
			res := r.looped(t, t.Context(), every)
			if res.Err != nil || l.from != kept || res.Steps[0].Resumed != kept || !slices.Equal(res.Steps[0].Steps, want) {
				t.Errorf("every %v, failed in step %d: went on from %d, want %d; %v %v", every, at, l.from, kept, res.Err, res.Steps[0])
			}
			if left := r.left(t); left != nil {
				t.Errorf("every %v, failed in step %d: checkpoints %v are left", every, at, left)
			}
			var said []int
			for _, e := range r.sink.Of(event.NodeResumed) {
				said = append(said, e.Done, e.Total)
			}
			if kept > 0 && !slices.Equal(said, []int{kept, loopTotal}) || kept == 0 && said != nil {
				t.Errorf("kept %d: said %v", kept, said)
			}
			rec, err := r.store.Get(res.Steps[0].Key)
			if err != nil {
				t.Fatal(err)
			}
			if text := fmt.Sprintf("step %d of %d", kept, loopTotal); kept > 0 && rec.Meta[resumedMeta] != text || kept == 0 && rec.Meta[resumedMeta] != "" {
				t.Errorf("kept %d: the record says %q", kept, rec.Meta[resumedMeta])
			}
			if rec.Duration != loopTotal*time.Second {
				t.Errorf("kept %d: the record says that all took %v", kept, rec.Duration)
			}
		}
	}
}

// TestResumesTwice: what two runs did adds up.
func TestResumesTwice(t *testing.T) {
	r, l := loopRig(t)
	for _, x := range []struct{ at, from int }{{4, 0}, {8, 3}} {
		l.at, l.what = x.at, func() error { return errors.New("the machine stops") }
		r.looped(t, t.Context(), time.Second)
		if l.from != x.from {
			t.Errorf("went on from %d, want %d", l.from, x.from)
		}
	}
	l.at = 0
	res := r.looped(t, t.Context(), time.Second)
	rec, err := r.store.Get(res.Steps[0].Key)
	if err != nil || l.from != 7 || rec.Duration != 10*time.Second || len(res.Steps[0].Steps) != loopTotal {
		t.Errorf("from %d: %v, %v", l.from, rec, err)
	}
}

// TestGoOnSaysWhatARunDoes: an explanation names the step after which a run then goes on, the estimate is of the others, and nothing is written.
func TestGoOnSaysWhatARunDoes(t *testing.T) {
	r, l := loopRig(t)
	explain := func() *Row {
		t.Helper()
		p := r.plan(t, loopFile)
		t.Cleanup(p.Close)
		rows := Explain(p, r.store, 0)
		GoOn(rows, r.store)
		for i := range rows {
			if row := &rows[i]; row.State == WouldRun && row.Key != nil {
				row.Step.Plan.MACs = 1000
				Estimate(p, rows, nil, "", func() float64 { return 100 })
				return row
			}
		}
		t.Fatal("nothing would run")
		return nil
	}
	if row := explain(); row.Done != 0 || row.Total != 0 || row.Takes != 10*time.Second {
		t.Errorf("before the first run: %d of %d, %v", row.Done, row.Total, row.Takes)
	}
	l.at, l.what = 8, func() error { return errors.New("the machine stops") }
	r.looped(t, t.Context(), 3*time.Second)
	row := explain()
	if row.Done != 6 || row.Total != loopTotal || row.Takes != 4*time.Second {
		t.Errorf("%d of %d, %v", row.Done, row.Total, row.Takes)
	}
	if left := r.left(t); !slices.Equal(left, []int{6}) {
		t.Errorf("the explanation left %v", left)
	}
	c, err := cache.CheckpointsOf(r.store).GetCheckpoint(*row.Key)
	if err != nil {
		t.Fatal(err)
	}
	kept := c.Digests[5]
	c.Digests[5][0] ^= 1 // its state is another than was noted
	if err := cache.CheckpointsOf(r.store).PutCheckpoint(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
	if row := explain(); row.Total != 0 {
		t.Errorf("a state with another digest: %d of %d", row.Done, row.Total)
	}
	c.Digests[5] = kept
	if err := cache.CheckpointsOf(r.store).PutCheckpoint(t.Context(), *c); err != nil {
		t.Fatal(err)
	}
	l.at = 0
	if r.looped(t, t.Context(), 3*time.Second); l.from != 6 {
		t.Errorf("the run went on from %d", l.from)
	}
}

// TestStoppedRunKeepsItsLastState: Ctrl-C keeps it though no interval is over, if what would be lost is more than a tenth of one.
func TestStoppedRunKeepsItsLastState(t *testing.T) {
	for every, from := range map[time.Duration]int{50 * time.Second: 6, 61 * time.Second: 0, 0: 0} {
		r, l := loopRig(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		l.at, l.what = 6, func() error { cancel(); return nil }
		if res := r.looped(t, ctx, every); !errors.Is(res.Err, context.Canceled) {
			t.Fatal(res.Err)
		}
		l.at = 0
		if r.looped(t, t.Context(), every); l.from != from {
			t.Errorf("every %v: went on from %d, want %d", every, l.from, from)
		}
	}
}

// TestStatesThatAreNotBelieved: of another loop, of other carries, damaged, of a store that computes anew; the run is as if there were none.
func TestStatesThatAreNotBelieved(t *testing.T) {
	dir := func(r *rig) string { return r.store.(*cache.Disk).Dir() }
	damage := func(t *testing.T, r *rig) {
		files, err := filepath.Glob(filepath.Join(dir(r), "v1", "checkpoints", "*", "*"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		data, err := os.ReadFile(files[0])
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-200] ^= 1
		if err := os.WriteFile(files[0], data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	change := func(f func(*cache.Checkpoint)) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) {
			d := r.store.(*cache.Disk)
			for c := range d.Checkpoints() {
				f(c)
				if err := d.PutCheckpoint(t.Context(), *c); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for name, x := range map[string]struct {
		do      func(*testing.T, *rig)
		carries map[string][]int
		from    int
	}{
		"untouched":       {func(*testing.T, *rig) {}, nil, 5},
		"more steps":      {change(func(c *cache.Checkpoint) { c.Total = 11 }), nil, 0},
		"no digests":      {change(func(c *cache.Checkpoint) { c.Digests = c.Digests[1:] }), nil, 0},
		"another digest":  {change(func(c *cache.Checkpoint) { c.Digests[c.Step-1][0] ^= 1 }), nil, 0},
		"no state":        {change(func(c *cache.Checkpoint) { c.State = nil }), nil, 0},
		"a bit":           {damage, nil, 0},
		"another carry":   {func(*testing.T, *rig) {}, map[string][]int{"sum": {1}, "first": {1}}, 0},
		"one carry more":  {func(*testing.T, *rig) {}, map[string][]int{"sum": {1}, "last": {1}, "x": {1}}, 0},
		"one carry less":  {func(*testing.T, *rig) {}, map[string][]int{"sum": {1}}, 0},
		"another shape":   {func(*testing.T, *rig) {}, map[string][]int{"sum": {1}, "last": {1, 1}}, 0},
		"computing anew":  {func(_ *testing.T, r *rig) { r.store = cache.Fresh(r.store) }, nil, 0},
		"another scope":   {func(_ *testing.T, r *rig) { r.store = cache.Scoped(r.store, "x") }, nil, 0},
		"only for itself": {func(_ *testing.T, r *rig) { r.store = cache.NewMemory() }, nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			whole, _ := loopRig(t)
			want := whole.looped(t, t.Context(), time.Second).Steps[0].Steps
			r, l := loopRig(t)
			l.at, l.what = 6, func() error { return errors.New("the machine stops") }
			r.looped(t, t.Context(), time.Second)
			x.do(t, r)
			l.at, l.carries = 0, x.carries
			res := r.looped(t, t.Context(), time.Second)
			if res.Err != nil || l.from != x.from || !slices.Equal(res.Steps[0].Steps, want) || len(l.steps) != loopTotal-x.from {
				t.Errorf("went on from %d, want %d: %v", l.from, x.from, res.Steps[0])
			}
		})
	}
}

const modelLoop = `nodes:
  m: {kind: open}
  a: {kind: step, id: 1, model: $m}
  b: {kind: paint, id: 2, in: [$a]}
outputs: {o: {from: $b, path: o.png}}
`

// TestChangedFilesLeaveNoState: once a file is not what was opened, nothing that came of it is kept, and what was kept before stays.
func TestChangedFilesLeaveNoState(t *testing.T) {
	r, l := loopRig(t)
	run := func() *Result {
		r.reset()
		p := r.plan(t, modelLoop)
		defer p.Close()
		opt := r.options()
		opt.Checkpoint = time.Second
		return Run(t.Context(), p, opt)
	}
	l.at, l.what = 5, func() error {
		r.verify = func() error { return errors.New("the file was changed") }
		return nil
	}
	if res := run(); res.Err == nil || !strings.Contains(res.Err.Error(), "the file was changed") || len(l.steps) != 5 {
		t.Fatalf("%v after steps %v", res.Err, l.steps)
	}
	if left := r.left(t); !slices.Equal(left, []int{4}) {
		t.Errorf("checkpoints after %v", left)
	}
	r.verify, l.at = nil, 0
	if res := run(); res.Err != nil || l.from != 4 {
		t.Errorf("%v, from %d", res.Err, l.from)
	}
}

// TestFullDiskCostsTheState: a state that cannot be kept costs one warning.
func TestFullDiskCostsTheState(t *testing.T) {
	r, l := loopRig(t)
	r.store = full{r.store}
	l.at, l.what = loopTotal, func() error { // what is still to be kept when the result is stored is not kept
		for end := time.Now().Add(10 * time.Second); len(r.sink.Of(event.Warning)) == 0 && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		return nil
	}
	res := r.looped(t, t.Context(), time.Second)
	if res.Err != nil {
		t.Fatal(res.Err)
	}
	if w := r.sink.Of(event.Warning); len(w) != 1 || !strings.Contains(w[0].Message, "what a has come to is not kept: no room") {
		t.Errorf("%v", w)
	}
}

// full has no room for states.
type full struct{ cache.Store }

func (full) GetCheckpoint(k cache.ActionKey) (*cache.Checkpoint, error) {
	return nil, &cache.Miss{Key: k}
}
func (full) PutCheckpoint(context.Context, cache.Checkpoint) error { return errors.New("no room") }
func (full) DropCheckpoint(cache.ActionKey) error                  { return nil }
