package bench

import (
	"math/rand/v2"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
)

// Inputs makes a program's inputs: fp32 numbers in [-1,1), the same at every start, and small whole numbers.
func Inputs(p *program.Program) map[string]program.Tensor {
	r := rand.New(rand.NewPCG(1, 2))
	in := make(map[string]program.Tensor)
	for _, port := range p.Inputs {
		v := p.Value(port.Value)
		t := program.Tensor{Shape: v.Shape}
		if v.DType == program.Int32 {
			t.I = make([]int32, v.Elems())
			for i := range t.I {
				t.I[i] = int32(i % v.Shape[len(v.Shape)-1] % 77)
			}
		} else {
			t.F = make([]float32, v.Elems())
			for i := range t.F {
				if t.F[i] = 2*r.Float32() - 1; port.Name == sdxl.InCoefficients {
					t.F[i] = 0.5 + t.F[i]/4 // a solver divides by some
				}
			}
		}
		in[port.Name] = t
	}
	return in
}
