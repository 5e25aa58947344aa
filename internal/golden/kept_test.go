package golden

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// TestNear: a value is at no distance from its own rounding, and what rounds otherwise keeps a distance of the right size.
func TestNear(t *testing.T) {
	half := func(x float32) float32 { return numeric.FromF16(numeric.ToF16(x)) }
	rnd := rand.New(rand.NewPCG(1, 2))
	values := []float32{0, 1, -1, 2, 0.5, 1.0004, 65504, 65519, 70000, -70000, 1e-4, 6e-5, 6.1e-5, 5e-8, 2e-8, 1e-9, float32(math.Inf(1))}
	for range 20000 {
		values = append(values, float32(math.Ldexp(rnd.Float64()*2-1, rnd.IntN(44)-27)))
	}
	for _, x := range values {
		if got := near(half(x), x); got != x {
			t.Fatalf("%g is kept as %g and thought to have been %g", x, half(x), got)
		}
		y := x * 1.01 // ten units away, of numbers that fp16 does not round to few bits
		if math.Abs(float64(x)) < 1e-3 || math.Abs(float64(x)) > 6e4 {
			continue
		}
		if d := math.Abs(float64(near(half(x), y) - y)); d < 0.008*math.Abs(float64(x)) || d > 0.01*math.Abs(float64(x))*(1+1e-6) {
			t.Fatalf("%g, kept as %g, is %g from %g", x, half(x), d, y)
		}
	}
	nan := map[string]nodes.Tensor{"latents": {Shape: []int{1}, Data: []float32{float32(math.NaN())}}}
	one := map[string]nodes.Tensor{"latents": {Shape: []int{1}, Data: []float32{1}}}
	if d, err := tensors(Near(one, nan), nan); err != nil || !math.IsNaN(d.MaxAbs) || d.Differ != 1 {
		t.Errorf("what is not a number is near: %+v, %v", d, err)
	}
	kept := map[string]nodes.Tensor{"latents": {Shape: []int{1}, Data: []float32{1}}, "other": {Shape: []int{2}, Data: []float32{1, 2}}}
	got := Near(kept, map[string]nodes.Tensor{"latents": {Shape: []int{1}, Data: []float32{1.0001}}, "other": {Shape: []int{1}, Data: []float32{1}}})
	if got["latents"].Data[0] != 1.0001 || len(got["other"].Data) != 2 || kept["latents"].Data[0] != 1 {
		t.Errorf("%v of %v", got, kept)
	}
}
