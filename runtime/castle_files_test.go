package runtime_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	castleexample "github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

const unet = "diffusion_pytorch_model.safetensors"

// change makes a run of the castle's first 64x64 picture during whose denoising step the model is changed.
func (s *studio) change(step int, how func()) *outcome {
	s.t.Helper()
	done := false
	s.hook = func(e event.Event) {
		if e.Type == event.NodeProgress && e.Node == "latents" && e.Done == step && !done {
			done = true
			how()
		}
	}
	out, err := s.try(s.t.Context(), castleexample.Workflow, "size=64", "steps=6")
	s.hook = nil
	if err != nil {
		s.t.Fatal(err)
	}
	if !done {
		s.t.Fatal("nothing was changed: the test does not test")
	}
	return out
}

// TestWeightsChangeDuringDenoise: a model file that is cut, rewritten in place, replaced or removed while it is mapped is an error
// that names it, never a crash; and nothing that was computed from it is stored.
func TestWeightsChangeDuringDenoise(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows refuses to change a mapped file")
	}
	s := newStudio(t)
	path := s.file("model", "unet", unet)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	write := func(flag int, data []byte, at int64) {
		f, err := os.OpenFile(path, flag, 0o644)
		must(err)
		_, err = f.WriteAt(data, at)
		must(errors.Join(err, f.Close()))
	}
	s.remembered()
	for name, tt := range map[string]struct {
		how  func()
		says string
	}{
		"cut to the header":   {func() { must(os.Truncate(path, 100_000)) }, "its size was 10223952 and is 100000"},
		"cut in the middle":   {func() { must(os.Truncate(path, int64(len(whole)/2))) }, "its size was"},
		"emptied":             {func() { must(os.Truncate(path, 0)) }, "its size was 10223952 and is 0"},
		"cut and written":     {func() { must(os.Truncate(path, 0)); write(os.O_WRONLY, whole, 0) }, "changed while it was in use"},
		"a byte in place":     {func() { write(os.O_WRONLY, []byte{whole[9_000_000] ^ 1}, 9_000_000) }, "it was written"},
		"rewritten as it was": {func() { write(os.O_WRONLY, whole, 0) }, "it was written"},
		"longer":              {func() { write(os.O_WRONLY, []byte{1}, int64(len(whole))) }, "its size was 10223952 and is 10223953"},
		"replaced": {func() {
			must(os.WriteFile(path+".new", whole, 0o644))
			must(os.Rename(path+".new", path))
		}, "another file has its name now"},
		"removed": {func() { must(os.Remove(path)) }, "no such file"},
	} {
		for _, step := range []int{0, 1, 5} { // before the first step, after it, before the last
			out := s.change(step, tt.how)
			if out.Err == nil || !strings.Contains(out.Err.Error(), `castle.flow.yaml:26:3: node "latents": `+path) || !strings.Contains(out.Err.Error(), tt.says) {
				t.Errorf("%s at step %d: %v", name, step, out.Err)
			}
			if !strings.Contains(out.states, "latents:failed image:skipped ") || len(out.Written) != 0 {
				t.Errorf("%s at step %d: %s, wrote %v", name, step, out.states, out.Written)
			}
			s.holds(name, "noise", "text")
			must(os.WriteFile(path, whole, 0o644))
		}
	}
	s.mended()
}

// mended demands that the file as it was gives the picture of a clean store, from what the store holds.
func (s *studio) mended() {
	s.t.Helper()
	s.remembered()
	params := []string{"size=64", "steps=6"}
	got, err := s.try(s.t.Context(), castleexample.Workflow, params...)
	if err != nil {
		s.t.Fatal(err)
	}
	got.want(s.t, "with the file as it was", "text:hit noise:hit latents:ran image:ran ")
	want, err := newStudio(s.t).try(s.t.Context(), castleexample.Workflow, params...)
	if err != nil || got.Err != nil || !bytes.Equal(got.picture, want.picture) {
		s.t.Errorf("another picture than in a clean store: %v, %v", err, got.Err)
	}
}

// holds demands that the store has what the given nodes made, and nothing else.
func (s *studio) holds(when string, names ...string) {
	s.t.Helper()
	store := s.open()
	defer func() { _ = store.Close() }()
	var got []string
	for rec, err := range store.Records() {
		if err != nil {
			s.t.Fatal(err)
		}
		got = append(got, rec.Meta["node"])
	}
	if len(got) != len(names) {
		s.t.Errorf("%s: the store holds %v", when, got)
	}
	for _, n := range got {
		if !strings.Contains(strings.Join(names, " "), n) {
			s.t.Errorf("%s: the store holds %s", when, n)
		}
	}
}

// TestWeightsCutAtRandom moments, whatever is being read then: by the hash, by the text encoders, the UNet or the autoencoder.
func TestWeightsCutAtRandom(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows refuses to cut a mapped file")
	}
	s := newStudio(t)
	want, err := s.try(t.Context(), castleexample.Workflow, small...)
	if err != nil {
		t.Fatal(err)
	}
	files := [][]string{{"model", "unet", unet}, {"model", "vae", unet}, {"model", "text_encoder", "model.safetensors"}, {"model", "text_encoder_2", "model.safetensors"}}
	rnd := rand.New(rand.NewPCG(7, 8))
	rounds := 24
	if testing.Short() {
		rounds = 8
	}
	failed := 0
	for i := range rounds {
		path := s.file(files[i%len(files)]...)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(s.store); err != nil {
			t.Fatal(err)
		}
		out := s.cut(path, rnd.Int64N(int64(len(whole))), time.Duration(rnd.Int64N(int64(120*time.Millisecond))))
		if out.Err != nil {
			failed++
			if !strings.Contains(out.Err.Error(), path) {
				t.Errorf("round %d: %v does not name %s", i, out.Err, path)
			}
		} else if !bytes.Equal(out.picture, want.picture) {
			t.Errorf("round %d: another picture", i)
		}
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
		again, err := s.try(t.Context(), castleexample.Workflow, small...)
		if err != nil {
			t.Fatal(err)
		}
		if again.Err != nil || !bytes.Equal(again.picture, want.picture) {
			t.Errorf("round %d: the next run trusts the store wrongly: %v", i, again.Err)
		}
	}
	t.Logf("%d of %d runs failed", failed, rounds)
	if failed == 0 {
		t.Error("no run failed: the test does not test")
	}
}

// cut runs the castle and cuts a file to a size some time after the run's start.
func (s *studio) cut(path string, size int64, wait time.Duration) *outcome {
	s.t.Helper()
	started, done := make(chan struct{}), make(chan error, 1)
	s.hook = func(e event.Event) {
		if e.Type == event.RunStarted {
			close(started)
		}
	}
	go func() {
		<-started
		time.Sleep(wait)
		done <- os.Truncate(path, size)
	}()
	out, err := s.try(context.WithoutCancel(s.t.Context()), castleexample.Workflow, small...)
	s.hook = nil
	if err := errors.Join(err, <-done); err != nil {
		s.t.Fatal(err)
	}
	return out
}

// TestInterruptedCastle stops between two kernels, within a second.
func TestInterruptedCastle(t *testing.T) {
	s := newStudio(t)
	ctx, cancel := context.WithCancel(t.Context())
	var at time.Time
	s.hook = func(e event.Event) {
		if e.Type == event.NodeProgress && e.Node == "latents" && e.Done == 1 {
			at = time.Now()
			cancel()
		}
	}
	out, err := s.try(ctx, castleexample.Workflow, "size=256", "steps=100")
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(at); out.Err != context.Canceled || took > time.Second {
		t.Errorf("%v, %v after it was stopped", out.Err, took)
	}
	if out.Steps[3].State != sched.Interrupted || len(out.Written) != 0 {
		t.Errorf("%s, wrote %v", out.states, out.Written)
	}
	s.holds("interrupted", "noise", "text")
}
