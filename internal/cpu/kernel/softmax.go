package kernel

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// KeyBlock is the number of keys that attention treats at once.
const KeyBlock = 512

// Softmax is the running state of one query row.
type Softmax struct{ max, sum float32 }

// NewSoftmax is the state before the first block.
func NewSoftmax() Softmax { return Softmax{max: float32(math.Inf(-1))} }

// Block turns the scores s of a block of keys (dot products) into weights p =
// exp2(s*scale - max) in place and returns the factor for what was summed before.
// scale includes log2(e).
func (m *Softmax) Block(t *Tier, s []float32, scale float32) (factor float32) {
	factor = m.rise(t.ScaleMax(s, scale))
	m.sum = numeric.FMA(m.sum, factor, t.Exp2Sum(s, m.max))
	return factor
}

// rise makes top the maximum, where it is greater, and returns the factor for what was summed before.
func (m *Softmax) rise(top float32) (factor float32) {
	if m.max >= top {
		return 1
	}
	factor = numeric.Exp2(m.max - top)
	m.max = top
	return factor
}

func scaleMax(s []float32, scale float32) float32 {
	top := float32(math.Inf(-1))
	for i, v := range s {
		v = float32(v * scale)
		s[i] = v
		if v > top || v != v {
			top = v
		}
	}
	return top
}

func exp2Sum(s []float32, top float32) float32 {
	for i, v := range s {
		s[i] = numeric.Exp2(v - top)
	}
	return sum(s)
}

// Row gives a row's maximum and the reciprocal of its sum.
func (m *Softmax) Row() (top, reciprocal float32) { return m.max, 1 / m.sum }

// AddScaled adds x*scale to dst, two roundings.
func AddScaled(dst, x []float32, scale float32) {
	for i, v := range x {
		dst[i] += float32(v * scale)
	}
}
