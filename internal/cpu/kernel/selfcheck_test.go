//go:build (amd64 || arm64) && !purego

package kernel

import (
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// TestSelfCheck: the check of dot products accepts the definition, and neither another order nor kept subnormal numbers.
func TestSelfCheck(t *testing.T) {
	other := func(f func(acc, x0, w0, x1, w1 float32) float32) Dot {
		return func(acc *Tile, x [][MR][]float32, w Panel, _, _, _ int) {
			for j := range NR {
				acc[j] = f(acc[j], even(x[0][0][0]), even(w[j]), odd(x[0][0][0]), odd(w[j]))
			}
		}
	}
	for name, c := range map[string]struct {
		dot  Dot
		want bool
	}{
		"plain": {productBF16, true},
		"even first": {other(func(a, x0, w0, x1, w1 float32) float32 {
			return fmaFlush(x1, w1, fmaFlush(x0, w0, numeric.FlushSubnormal(a)))
		}), false},
		"products first": {other(func(a, x0, w0, x1, w1 float32) float32 { return a + (x0*w0 + x1*w1) }), false},
		"one rounding": {other(func(a, x0, w0, x1, w1 float32) float32 {
			return float32(float64(a) + float64(x0)*float64(w0) + float64(x1)*float64(w1))
		}), false},
		"subnormals are kept": {other(func(a, x0, w0, x1, w1 float32) float32 { return numeric.FMAExact(x0, w0, numeric.FMAExact(x1, w1, a)) }), false},
	} {
		if got := dotsAsDefined(c.dot); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
