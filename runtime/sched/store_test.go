package sched

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// faulty is a store whose methods fail as they are told to.
type faulty struct {
	cache.Store
	get, put, read func() error
	lost           map[cache.BlobID]bool
	puts           atomic.Int32
}

func (f *faulty) Get(key cache.ActionKey) (*cache.Record, error) {
	if f.get != nil {
		if err := f.get(); err != nil {
			return nil, err
		}
	}
	return f.Store.Get(key)
}

func (f *faulty) Put(ctx context.Context, r cache.Record, blobs []cache.NewBlob) (*cache.Record, error) {
	f.puts.Add(1)
	if f.put != nil {
		if err := f.put(); err != nil {
			return nil, err
		}
	}
	return f.Store.Put(ctx, r, blobs)
}

func (f *faulty) Read(id cache.BlobID) ([]byte, error) {
	if f.read != nil {
		if err := f.read(); err != nil {
			return nil, err
		}
	}
	if f.lost[id] {
		return nil, &cache.Miss{Reason: cache.BlobMissing, Blob: id}
	}
	return f.Store.Read(id)
}

// chain is a workflow whose nodes stand in a row, so that no two are stored at once.
const chain = "nodes:\n  a: {kind: step, id: 1}\n  b: {kind: step, id: 2, in: [$a]}\n  c: {kind: paint, id: 3, in: [$b]}\noutputs: {p: {from: $c, path: p.png}}\n"

func TestStoreThatFailsCostsAWarning(t *testing.T) {
	fail := func() error { return errors.New("the disk is gone") }
	unreadable := func() error { return &cache.Miss{Reason: cache.Unreadable, Err: errors.New("permission denied")} }
	for name, tt := range map[string]struct {
		store   *faulty
		second  []int64 // ran in the second run
		warning string
	}{
		"put":            {&faulty{put: fail}, []int64{1, 2, 3}, "the cache does not keep this run: the disk is gone"},
		"get":            {&faulty{get: fail}, []int64{1, 2, 3}, "the cache cannot be read, and what it may hold is computed again: the disk is gone"},
		"get unreadable": {&faulty{get: unreadable}, []int64{1, 2, 3}, "permission denied"},
		"read":           {&faulty{read: fail}, []int64{1, 2, 3}, ""}, // hits, none of which can be read
		"all":            {&faulty{get: fail, put: fail, read: fail}, []int64{1, 2, 3}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig()
			tt.store.Store = r.store
			r.store = tt.store
			for run, ran := range [][]int64{{1, 2, 3}, tt.second} {
				res := r.run(t, within(t), chain)
				r.want(t, res, ran, 6)
				n := 0
				for _, e := range r.sink.Of(event.Warning) {
					if tt.warning != "" && strings.Contains(e.Message, tt.warning) {
						n++
					}
				}
				if tt.warning != "" && n != 1 {
					t.Errorf("run %d: %d warnings in %v", run, n, r.sink.Of(event.Warning))
				}
			}
		})
	}
}

// lose makes a store lose what the given nodes made, after it was found.
func lose(r *rig, names ...string) *faulty {
	f := &faulty{Store: r.store, lost: make(map[cache.BlobID]bool)}
	for rec := range r.store.Records() {
		if slices.Contains(names, rec.Meta["node"]) {
			for _, o := range rec.Outputs {
				f.lost[o.Blob] = true
			}
		}
	}
	r.store = f
	return f
}

func TestLostBlobRunsTheStepAgain(t *testing.T) {
	for _, tt := range []struct {
		lost []string
		ran  []int64
		end  string
	}{
		{[]string{"c"}, []int64{3}, "a:hit b:hit c:ran "},
		{[]string{"a"}, nil, "a:hit b:hit c:hit "}, // nobody asks for it
		{[]string{"b", "c"}, []int64{2, 3}, "a:hit b:ran c:ran "},
		{[]string{"a", "b", "c"}, []int64{1, 2, 3}, "a:ran b:ran c:ran "},
	} {
		r := newRig()
		r.run(t, within(t), chain)
		f := lose(r, tt.lost...)
		res := r.run(t, within(t), chain)
		r.want(t, res, tt.ran, 6)
		if got := states(res); got != tt.end {
			t.Errorf("%v lost: %s", tt.lost, got)
		}
		if int(f.puts.Load()) != len(tt.ran) {
			t.Errorf("%v lost: %d were stored again", tt.lost, f.puts.Load())
		}
		for _, e := range r.sink.Of(event.NodeStarted) {
			if !strings.Contains(e.Reason, "blob missing") {
				t.Errorf("reason %q", e.Reason)
			}
		}
	}
}

// TestLostBlobWithAModel: the model is still open when the step has to run after all.
func TestLostBlobWithAModel(t *testing.T) {
	r := newRig()
	r.run(t, within(t), castle)
	lose(r, "text", "latents", "image")
	r.want(t, r.run(t, within(t), castle), []int64{1, 3, 4}, 10)
}

// TestOtherBytesThanTheRecord are an error, and are not stored: readers may have gone on from the record.
func TestOtherBytesThanTheRecord(t *testing.T) {
	r := newRig()
	r.run(t, within(t), chain)
	f := lose(r, "c")
	p := r.plan(t, chain)
	p.Steps[2].Op = rigStep{r, 3, 77, "", true}
	r.reset()
	res := Run(within(t), p, r.options())
	if res.Err == nil || !strings.Contains(res.Err.Error(), "c gave another image than the record of the same action") || len(r.written) != 0 {
		t.Errorf("%v, wrote %v", res.Err, r.written)
	}
	if f.puts.Load() != 0 {
		t.Error("it was stored")
	}
}

// TestRecordsThatDoNotFit are run again.
func TestRecordsThatDoNotFit(t *testing.T) {
	r := newRig()
	r.run(t, within(t), chain)
	for rec := range r.store.Records() {
		if rec.Meta["node"] != "c" {
			continue
		}
		data, err := r.store.Read(rec.Outputs[0].Blob)
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range []cache.Output{{Port: "other", Media: "png"}, {Port: "image", Media: "png", Digest: cache.Digest{1}}, {Port: "image", Media: "safetensors", Digest: rec.Outputs[0].Digest}} {
			if _, err := r.store.Put(t.Context(), *rec, []cache.NewBlob{{Output: o, Data: data}}); err != nil {
				t.Fatal(err)
			}
			res := r.run(t, within(t), chain)
			switch {
			case o.Digest == cache.Digest{1}: // another content than the record says, and other bytes than the node gives
				if res.Err == nil || !strings.Contains(res.Err.Error(), "gave another image") {
					t.Errorf("%v", res.Err)
				}
			default:
				r.want(t, res, []int64{3}, 6)
			}
		}
	}
}

func TestInterrupted(t *testing.T) {
	r := newRig()
	ctx, cancel := context.WithCancel(t.Context())
	r.hooks[3] = func(ctx context.Context, _ *nodes.Env) error {
		cancel()
		<-ctx.Done()
		return errors.New("stopped between two kernels")
	}
	began := time.Now()
	res := r.run(t, ctx, castle)
	if took := time.Since(began); took > time.Second {
		t.Errorf("it took %v", took)
	}
	if res.Err != context.Canceled || states(res) != "base:live text:ran noise:ran latents:interrupted image:interrupted " || len(r.written) != 0 || r.open != 0 {
		t.Errorf("%v: %s, wrote %v, %d open", res.Err, states(res), r.written, r.open)
	}
	if len(r.sink.Of(event.NodeFailed)) != 0 || len(r.sink.Of(event.NodeSkipped)) != 0 || r.sink.Of(event.RunDone)[0].Message != "interrupted" {
		t.Errorf("%v", r.sink.Events())
	}
	delete(r.hooks, 3) // what was finished is there
	r.want(t, r.run(t, within(t), castle), []int64{3, 4}, 10)
}

// TestInterruptedBefore anything began.
func TestInterruptedBefore(t *testing.T) {
	r := newRig()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if res := r.run(t, ctx, castle); res.Err != context.Canceled || len(r.ran) != 0 || r.open != 0 {
		t.Errorf("%v, ran %v, %d open", res.Err, r.ran, r.open)
	}
}

// TestInterruptedAfterTheEnd: what is whole is no failure.
func TestInterruptedAfterTheEnd(t *testing.T) {
	r := newRig()
	ctx, cancel := context.WithCancel(t.Context())
	r.write = func(string) error { cancel(); return nil }
	if res := r.run(t, ctx, castle); res.Err != nil || len(res.Written) != 1 {
		t.Errorf("%v", res.Err)
	}
}

// TestInterruptedAfterAFailure names the failure.
func TestInterruptedAfterAFailure(t *testing.T) {
	r := newRig()
	ctx, cancel := context.WithCancel(t.Context())
	r.hooks[1] = func(context.Context, *nodes.Env) error { return errors.New("out of paint") }
	r.hooks[2] = func(context.Context, *nodes.Env) error { cancel(); return ctx.Err() }
	if res := r.run(t, ctx, castle); res.Err == nil || !failedWith(res.Err, `node "text": out of paint`) {
		t.Errorf("%v", res.Err)
	}
}

// TestInterruptedWhileStoring: a store that hangs does not hold the run up.
func TestInterruptedWhileStoring(t *testing.T) {
	r := newRig()
	ctx, cancel := context.WithCancel(t.Context())
	hang := &hanging{Store: r.store, started: make(chan struct{}, 9)}
	r.store = hang
	r.hooks[2] = func(ctx context.Context, _ *nodes.Env) error {
		<-hang.started // the first node's result is being stored
		cancel()
		return ctx.Err()
	}
	began := time.Now()
	res := r.run(t, ctx, castle)
	if took := time.Since(began); took > time.Second || took < patience/2 {
		t.Errorf("it took %v", took)
	}
	if res.Err != context.Canceled || len(r.sink.Of(event.Warning)) != 0 {
		t.Errorf("%v, %v", res.Err, r.sink.Of(event.Warning))
	}
}

// hanging is a store that is locked by another process.
type hanging struct {
	cache.Store
	started chan struct{}
}

func (h *hanging) Put(ctx context.Context, _ cache.Record, _ []cache.NewBlob) (*cache.Record, error) {
	h.started <- struct{}{}
	<-ctx.Done()
	return nil, fmt.Errorf("not cached: %w", ctx.Err())
}
