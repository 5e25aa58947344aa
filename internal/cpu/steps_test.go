package cpu

import (
	"context"
	"errors"
	"runtime"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// TestStepsAllocateNothing counts allocations between the second and the last step of a run.
func TestStepsAllocateNothing(t *testing.T) {
	for _, threads := range []int{1, 2} {
		for _, prec := range []program.Precision{program.F32, program.BF16} {
			p, in, src := castleDenoise(t, prec, 5)
			x, err := New().Compile(program.Optimize(p), program.Options{Weights: src, Threads: threads})
			if err != nil {
				t.Fatal(err)
			}
			var before, after runtime.MemStats
			_, err = x.Run(context.Background(), in, program.RunOptions{OnStep: func(done int, _ func() map[string]program.Tensor) error {
				switch done {
				case 2:
					runtime.ReadMemStats(&before)
				case 5:
					runtime.ReadMemStats(&after)
				}
				return nil
			}})
			if err != nil {
				t.Fatal(err)
			}
			if err := x.Close(); err != nil {
				t.Fatal(err)
			}
			// The runtime itself allocates now and then, for its own goroutines and caches.
			if n := after.Mallocs - before.Mallocs; n > 6 {
				t.Errorf("%s, %d threads: three steps make %d allocations", prec, threads, n)
			}
		}
	}
}

// TestCancelIsPrompt cancels runs in their middle, on every tier.
func TestCancelIsPrompt(t *testing.T) {
	for _, tier := range kernel.Tiers() {
		p, in, src := castleDenoise(t, program.F32, 10000)
		t.Run(tier.Name, func(t *testing.T) { cancelPromptly(t, tier, p, in, src) })
	}
}

// breakingSource is a source whose guard counts and whose weights are those of another.
type breakingSource struct {
	program.WeightSource
	failure error
}

func (s *breakingSource) Guard(f func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			if v != any("a fault") {
				panic(v)
			}
			err = s.failure
		}
	}()
	return f()
}

// panicking is a job of which one task panics, on whichever worker meets it.
type panicking struct {
	value any
	on    func(w *worker) bool
}

func (j *panicking) task(w *worker, _ int) {
	if j.on(w) {
		panic(j.value)
	}
	time.Sleep(time.Millisecond)
}

// TestFaultsAndPanicsOfWorkers checks that a fault in a worker becomes the guard's error, another
// panic a WorkerPanic on the caller's goroutine, and that the pool serves the next job all the same.
func TestFaultsAndPanicsOfWorkers(t *testing.T) {
	fault := errors.New("the file was cut")
	src := &breakingSource{failure: fault}
	p := pool{threads: 3, guard: src.Guard}
	for i := range 3 {
		p.workers = append(p.workers, &worker{pool: &p, id: i})
	}
	p.start(context.Background())
	defer p.stop()
	helper := func(w *worker) bool { return w.id != 0 }
	for range 3 {
		if err := p.do(&panicking{"a fault", helper}, 100, small); !errors.Is(err, fault) {
			t.Fatalf("a fault in a worker gives %v", err)
		}
		func() {
			defer func() {
				wp, ok := recover().(*WorkerPanic)
				if !ok || wp.Value != any("a bug") || wp.Stack == "" {
					t.Fatalf("a panic in a worker gives %v", wp)
				}
			}()
			_ = p.do(&panicking{"a bug", helper}, 100, small)
			t.Fatal("a panic in a worker is lost")
		}()
		if err := p.do(&panicking{nil, func(*worker) bool { return false }}, 10, small); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCallersPanicStopsTheWorkers checks that stop waits where a panic on the caller's goroutine leaves a job.
func TestCallersPanicStopsTheWorkers(t *testing.T) {
	p := pool{threads: 2, guard: func(f func() error) error { return f() }}
	for i := range 2 {
		p.workers = append(p.workers, &worker{pool: &p, id: i})
	}
	p.start(context.Background())
	defer func() {
		if v := recover(); v != any("a bug") {
			t.Fatalf("recovered %v", v)
		}
	}()
	defer p.stop()
	_ = p.do(&panicking{"a bug", func(w *worker) bool { return w.id == 0 }}, 1000, small)
}
