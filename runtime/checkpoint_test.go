package runtime_test

import (
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	castleexample "github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/ref"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

// loopSteps are those of the workflow below.
const loopSteps = 5

const sampling = `flow: v1
name: sampling
models: {small: {path: model}}
nodes:
  base:    {kind: load-model, weights: $models.small}
  text:    {kind: encode-prompt, model: $base, prompt: "a castle", negative: "lowres"}
  noise:   {kind: noise, seed: 42, width: 64, height: 64}
  latents: {kind: denoise, model: $base, latents: $noise, conditioning: $text, solver: 5, guidance: GUIDANCE}
  image:   {kind: decode, model: $base, latents: $latents}
outputs: {p: {from: $image, path: p.png}}
`

// sampled runs the workflow until the loop has done stop steps; 0 for all of them.
func (s *studio) sampled(store cache.Store, exec program.Executor, precision string, stop int) (*sched.StepResult, nodes.Digest) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	opt := s.options(store)
	opt.Env.Executor, opt.Precision, opt.Checkpoint = exec, precision, time.Nanosecond
	opt.Follow = func(_ *plan.Step, step int, _ map[string]nodes.Tensor) {
		if step == stop {
			cancel()
		}
	}
	w, diags := flowruntime.Read(ctx, s.file(castleexample.Workflow), opt)
	if w == nil {
		s.t.Fatal(diags)
	}
	defer w.Close()
	res, made, err := w.Collect(ctx)
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(res.Steps, func(x sched.StepResult) bool { return x.Name == "latents" })
	if stop > 0 {
		if !errors.Is(res.Err, context.Canceled) {
			s.t.Fatalf("stopped after step %d: %v", stop, res.Err)
		}
		return &res.Steps[i], nodes.Digest{}
	}
	if res.Err != nil {
		s.t.Fatal(res.Err)
	}
	return &res.Steps[i], made["p"].Digest()
}

// TestResumedPictures: a denoise that was stopped after any of its steps goes on from there and gives the same bits in every step and in the
// picture, in both classes, with and without self-attention guidance. No class believes the other's state.
func TestResumedPictures(t *testing.T) {
	t.Parallel()
	executors := map[string]func() program.Executor{"cpu": func() program.Executor { return cpu.New() }, "ref": func() program.Executor { return ref.New() }}
	for name, guidance := range map[string]string{"plain": "5", "self-attention": "{scale: 5, self-attention: 0.75}", "alone": "1"} {
		s := newStudio(t)
		if err := os.WriteFile(s.file(castleexample.Workflow), []byte(strings.Replace(sampling, "GUIDANCE", guidance, 1)), 0o666); err != nil {
			t.Fatal(err)
		}
		s.remembered()
		store := s.open().(*cache.Disk)
		for _, precision := range []string{"bf16", "fp32"} {
			for exec, e := range executors {
				if exec == "ref" && (testing.Short() || name != "self-attention") {
					continue // plain loops take a second a step
				}
				first, last := 1, loopSteps-1
				if exec == "ref" {
					first, last = 2, 2
				}
				want, picture := s.sampled(cache.Scoped(store, "whole "+exec), e(), precision, 0)
				resumed := 0
				for stop := first; stop <= last; stop++ {
					mine := cache.Scoped(store, exec+" "+string(rune('0'+stop))) // one scope for both precisions
					s.sampled(mine, e(), precision, stop)
					got, again := s.sampled(mine, e(), precision, 0)
					if got.Resumed > stop || !slices.Equal(got.Steps, want.Steps) || again != picture {
						t.Errorf("%s, %s on %s, stopped after step %d: went on after %d, steps %v, want %v", name, precision, exec, stop, got.Resumed, got.Steps, want.Steps)
					}
					if got.Resumed == stop {
						resumed++
					}
				}
				if 2*resumed <= last-first+1 { // a disk may be too slow for a run that is being stopped
					t.Errorf("%s, %s on %s: of %d runs only %d went on from where they were stopped", name, precision, exec, last-first+1, resumed)
				}
			}
		}
		for c := range store.Checkpoints() {
			t.Errorf("%s: step %d of %d is left", name, c.Step, c.Total)
		}
		_ = store.Close()
	}
}

// TestNoClassResumesAnother: a state of one class is nothing for the other.
func TestNoClassResumesAnother(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	if err := os.WriteFile(s.file(castleexample.Workflow), []byte(strings.Replace(sampling, "GUIDANCE", "5", 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	store := s.open().(*cache.Disk)
	defer func() { _ = store.Close() }()
	s.sampled(store, cpu.New(), "bf16", 3)
	kept := 0
	for range store.Checkpoints() {
		kept++
	}
	if got, _ := s.sampled(store, cpu.New(), "fp32", 0); got.Resumed != 0 || kept != 1 {
		t.Errorf("fp32 goes on after step %d of bf16, of %d states", got.Resumed, kept)
	}
	if got, _ := s.sampled(store, cpu.New(), "bf16", 0); got.Resumed == 0 {
		t.Error("bf16 does not go on from its own")
	}
}
