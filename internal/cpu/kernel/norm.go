package kernel

import "github.com/seed-8af8f8e1/flow/internal/numeric"

// Moments are running statistics of some elements: their number, mean and sum of squared differences.
type Moments struct {
	N        int
	Mean, M2 float32
}

// Merge joins b to a by Chan's formula (Chan, Golub and LeVeque, 1979), in the
// roundings of docs/numerics.md.
func (a Moments) Merge(b Moments) Moments {
	switch {
	case a.N == 0:
		return b
	case b.N == 0:
		return a
	}
	na, nb := float64(a.N), float64(b.N)
	share, weight := float32(nb/(na+nb)), float32(na*nb/(na+nb))
	delta := b.Mean - a.Mean
	return Moments{
		N:    a.N + b.N,
		Mean: numeric.FMA(delta, share, a.Mean),
		M2:   (a.M2 + b.M2) + float32(float32(delta*delta)*weight),
	}
}

// blockPixels is the number of pixels whose statistics are summed before they are merged.
const blockPixels = 8

// RowMoments gives the moments of one channel of an image row of n pixels: x[0], x[stride], ...
func RowMoments(x []float32, stride, n int) Moments {
	var row Moments
	for i := 0; i < n; i += blockPixels {
		k := min(blockPixels, n-i)
		row = row.Merge(blockMoments(x[i*stride:], stride, k))
	}
	return row
}

func blockMoments(x []float32, stride, n int) Moments {
	sum := x[0]
	for i := 1; i < n; i++ {
		sum += x[i*stride]
	}
	m := Moments{N: n, Mean: sum * float32(1/float64(n))}
	for i := range n {
		d := x[i*stride] - m.Mean
		m.M2 = numeric.FMA(d, d, m.M2)
	}
	return m
}

// RStd is 1/sqrt(variance + eps) of m.
func (a Moments) RStd(eps float32) float32 {
	return 1 / numeric.Sqrt(a.M2/float32(a.N)+eps)
}

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

// Sum adds x up in 16 lanes.
func Sum(x []float32) float32 {
	var s [lanes]float32
	for i, v := range x {
		s[i%lanes] += v
	}
	return joinLanes(&s)
}

// LayerNorm normalises one row; gamma and beta may be nil.
func LayerNorm(dst, x, gamma, beta []float32, eps float32) {
	n := float32(len(x))
	mean := Sum(x) / n
	var s [lanes]float32
	for i, v := range x {
		d := v - mean
		s[i%lanes] = numeric.FMA(d, d, s[i%lanes])
	}
	rstd := 1 / numeric.Sqrt(joinLanes(&s)/n+eps)
	for i, v := range x {
		g, b := float32(1), float32(0)
		if gamma != nil {
			g = gamma[i]
		}
		if beta != nil {
			b = beta[i]
		}
		dst[i] = numeric.FMA(float32((v-mean)*rstd), g, b)
	}
}

// Scale writes fma(x, a, b) by channel: x and dst are pixels of len(a) channels, stride apart.
func Scale(dst []float32, dstStride int, x []float32, xStride int, a, b []float32, pixels int) {
	for p := range pixels {
		src, out := x[p*xStride:], dst[p*dstStride:]
		for c := range a {
			out[c] = numeric.FMA(src[c], a[c], b[c])
		}
	}
}

// Shift is beta - mean*a, rounded once.
func Shift(mean, a, beta float32) float32 { return numeric.FMA(-mean, a, beta) }
