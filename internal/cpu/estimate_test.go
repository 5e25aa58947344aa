package cpu

import (
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// TestEstimate: what is planned from shapes is what the compiled program says.
func TestEstimate(t *testing.T) {
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		for _, steps := range []int{1, 4} {
			p, _, src := castleDenoise(t, prec, steps)
			p = program.Optimize(p)
			for _, threads := range []int{1, 3} {
				x, err := New().Compile(p, program.Options{Weights: src, Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				if got, want := New().Estimate(p, threads), x.PeakBytes(); got != want || want <= x.(*exec).plan.Bytes {
					t.Errorf("%s, %d steps, %d threads: estimated %d, compiled %d", prec, steps, threads, got, want)
				}
				if err := x.Close(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}
