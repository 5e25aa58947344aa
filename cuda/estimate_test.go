package cuda

import (
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// typed says the types of a source's weights by reading them.
type typed struct{ program.WeightSource }

// TypeOf implements program.TypeSource.
func (t typed) TypeOf(name string) (program.WeightType, bool) {
	w, err := t.Weight(name)
	return w.Type, err == nil
}

// TestEstimate: what is planned from shapes and the weights' types is what the compiled program says, in each class, weights staying or
// streamed; without the types it is another number where weights are not fp16.
func TestEstimate(t *testing.T) {
	e := Planner(driver.Info{TotalBytes: 1 << 40})
	other := 0
	for _, c := range conformance.Cases() {
		for _, prec := range []program.Precision{program.F32, program.BF16, program.F16} {
			if prec != program.F32 && !c.Half() {
				continue
			}
			p := program.Optimize(c.Program(prec, 1))
			src := c.Source(p)
			for _, block := range []int64{0, 1} {
				e.block = block
				x, err := e.Compile(p, program.Options{Weights: src})
				if err != nil {
					t.Fatal(err)
				}
				want := x.PeakBytes()
				if got := e.EstimateOf(p, 1, typed{src}); got != want {
					t.Errorf("%s in %v, blocks of %d bytes: planned %d, compiled %d", c.Name, prec, block, got, want)
				}
				if e.Estimate(p, 1) != want {
					other++
				}
			}
		}
	}
	if other == 0 {
		t.Error("types decide nothing: the test shows nothing")
	}
}
