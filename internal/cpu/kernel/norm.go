package kernel

import "github.com/seed-8af8f8e1/flow/internal/numeric"

// lanes is the number of partial sums of a reduction along channels or keys.
const lanes = 16

// joinLanes adds partial sums: 8..15 onto 0..7, 4..7 onto 0..3, 2..3 onto 0..1, 1 onto 0.
func joinLanes(s *[lanes]float32) float32 {
	for half := lanes / 2; half > 0; half /= 2 {
		for i := range half {
			s[i] += s[i+half]
		}
	}
	return s[0]
}

func sum(x []float32) float32 {
	var s [lanes]float32
	for i, v := range x {
		s[i%lanes] += v
	}
	return joinLanes(&s)
}

func squares(x []float32, mean float32) float32 {
	var s [lanes]float32
	for i, v := range x {
		d := v - mean
		s[i%lanes] = numeric.FMA(d, d, s[i%lanes])
	}
	return joinLanes(&s)
}

func normalize(dst, x, gamma, beta []float32, mean, rstd float32) {
	for i, v := range x {
		dst[i] = numeric.FMA(float32((v-mean)*rstd), gamma[i], beta[i])
	}
}

// LayerNorm normalises one row.
func (t *Tier) LayerNorm(dst, x, gamma, beta []float32, eps float32) {
	n := float32(len(x))
	mean := t.Sum(x) / n
	rstd := 1 / numeric.Sqrt(t.Squares(x, mean)/n+eps)
	t.Normalize(dst, x, gamma, beta, mean, rstd)
}

func scale(dst []float32, dstStride int, x []float32, xStride int, a, b []float32, pixels int) {
	for p := range pixels {
		src, out := x[p*xStride:], dst[p*dstStride:]
		for c := range a {
			out[c] = numeric.FMA(src[c], a[c], b[c])
		}
	}
}

// AffineOf gives the map of one channel of a group with the given mean: x*a + b.
func AffineOf(mean, rstd, gamma, beta float32) (a, b float32) {
	a = rstd * gamma
	return a, numeric.FMA(-mean, a, beta)
}
