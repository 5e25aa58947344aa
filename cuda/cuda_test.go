package cuda

import (
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// onSim is an executor on the simulator, which says at the end what was not given back.
func onSim(t *testing.T, o sim.Options) (*Executor, driver.Driver) {
	t.Helper()
	d := sim.Open(o)
	e, err := New(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return e, d
}

// TestConformance runs the suite in the simulator: in fp32 and bf16 the bits are the CPU's, in fp16 results lie within the class's bound.
func TestConformance(t *testing.T) {
	e, _ := onSim(t, sim.Options{})
	conformance.RunAll(t, e, conformance.Options{SameAs: cpu.New(), Half: true})
}
