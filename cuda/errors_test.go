package cuda

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// TestRandomPrograms compares made-up programs before and after each pass.
func TestRandomPrograms(t *testing.T) {
	e, _ := onSim(t, sim.Options{Seed: 7})
	n := uint64(8)
	if testing.Short() {
		n = 4
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { conformance.RunRandom(t, e, seed) })
	}
}

// sample is a program of the suite with its weights and inputs.
func sample(name string) (*program.Program, program.WeightSource, map[string]program.Tensor) {
	for _, c := range conformance.Cases() {
		if c.Name == name {
			p := program.Optimize(c.Program(program.F32, 2))
			return p, c.Source(p), c.Inputs(p)
		}
	}
	panic("no case " + name)
}

// TestDoesNotFit checks that the error says how much memory a program needs, where the device can never have it and where it is taken.
func TestDoesNotFit(t *testing.T) {
	p, src, in := sample("chain/residual block")
	e, d := onSim(t, sim.Options{TotalBytes: 1 << 20})
	x, err := e.Compile(p, program.Options{Weights: src})
	if err != nil {
		t.Fatal(err)
	}
	taken, err := d.Alloc(1<<20 - x.PeakBytes() + 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := x.Run(context.Background(), in, program.RunOptions{}); !errors.Is(err, driver.OutOfMemory) || !strings.Contains(err.Error(), "KiB of memory") {
		t.Errorf("a run without memory: %v", err)
	}
	if err := d.Free(taken); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Run(context.Background(), in, program.RunOptions{}); err != nil {
		t.Errorf("a run with exactly the memory that was planned: %v", err)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	small, _ := onSim(t, sim.Options{TotalBytes: x.PeakBytes() - 1})
	if _, err := small.Compile(p, program.Options{Weights: src}); err == nil || !strings.Contains(err.Error(), "needs") {
		t.Errorf("a program larger than the device: %v", err)
	}
}

// TestFailingCalls makes each call of a run fail once: the failure comes back, and nothing is kept.
func TestFailingCalls(t *testing.T) {
	p, src, in := sample("conv/with shortcut")
	for _, call := range []string{"cuMemAlloc", "cuMemHostAlloc", "cuStreamCreate", "cuEventCreate", "cuEventRecord", "cuMemcpyHtoDAsync", "cuMemcpyHtoD",
		"cuLaunchKernel", "cuMemcpyDtoH", "cuStreamSynchronize"} {
		t.Run(call, func(t *testing.T) {
			failed := false
			inject := sim.Nth(call, 1, driver.Unknown)
			e, _ := onSim(t, sim.Options{Inject: func(c string) driver.Code {
				code := inject(c)
				failed = failed || code != driver.Success
				return code
			}})
			x, err := e.Compile(p, program.Options{Weights: src})
			if err != nil {
				t.Fatal(err)
			}
			if _, err = x.Run(context.Background(), in, program.RunOptions{}); !errors.Is(err, driver.Unknown) {
				t.Errorf("the run gives %v (the call was made to fail: %v)", err, failed)
			}
			if _, err = x.Run(context.Background(), in, program.RunOptions{}); err != nil {
				t.Errorf("the next run: %v", err)
			}
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}
