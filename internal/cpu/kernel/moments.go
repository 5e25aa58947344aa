package kernel

import "github.com/seed-8af8f8e1/flow/internal/numeric"

// Moments are running statistics of some elements: their number, mean and sum of squared differences.
type Moments struct {
	N        int
	Mean, M2 float32
}

// mergeFactors are the two factors of Chan's formula (Chan, Golub and LeVeque, 1979)
// for counts a and b; first says that a is 0, so that b replaces it.
type mergeFactors struct {
	share, weight float32 // b/(a+b), a*b/(a+b)
	first         bool
}

func factorsOf(a, b int) mergeFactors {
	na, nb := float64(a), float64(b)
	return mergeFactors{share: float32(nb / (na + nb)), weight: float32(na * nb / (na + nb)), first: a == 0}
}

// join merges (mean, m2) and (meanB, m2B), in the roundings of docs/numerics.md.
func (f *mergeFactors) join(mean, m2, meanB, m2B float32) (float32, float32) {
	delta := meanB - mean
	return numeric.FMA(delta, f.share, mean), (m2 + m2B) + float32(float32(delta*delta)*f.weight)
}

// Merge joins b to a.
func (a Moments) Merge(b Moments) Moments {
	switch {
	case a.N == 0:
		return b
	case b.N == 0:
		return a
	}
	f := factorsOf(a.N, b.N)
	mean, m2 := f.join(a.Mean, a.M2, b.Mean, b.M2)
	return Moments{a.N + b.N, mean, m2}
}

// RStd is 1/sqrt(variance + eps) of m.
func (a Moments) RStd(eps float32) float32 {
	return 1 / numeric.Sqrt(a.M2/float32(a.N)+eps)
}

// blockPixels is the number of pixels whose statistics are summed before they are merged.
const blockPixels = 8

// RowMoments writes the moments of len(mean) neighbouring channels of an image row of n pixels, stride apart.
func (t *Tier) RowMoments(mean, m2, x []float32, stride, n int) {
	for i := 0; i < n; i += blockPixels {
		k := min(blockPixels, n-i)
		t.BlockMoments(mean, m2, x[i*stride:], stride, k, factorsOf(i, k))
	}
}

// MergeRows merges rows of moments, n elements each, in order: row r of len(mean) channels is at r*stride of
// means and m2s.
func (t *Tier) MergeRows(mean, m2, means, m2s []float32, stride, rows, n int) {
	c := len(mean)
	copy(mean, means)
	copy(m2, m2s)
	for r := 1; r < rows; r++ {
		t.MergeMoments(mean, m2, means[r*stride:][:c], m2s[r*stride:][:c], factorsOf(r*n, n))
	}
}

func blockMoments(mean, m2, x []float32, stride, n int, f mergeFactors) {
	inv := float32(1 / float64(n))
	for c := range mean {
		sum := x[c]
		for i := 1; i < n; i++ {
			sum += x[i*stride+c]
		}
		m := float32(sum * inv)
		s := float32(0)
		for i := range n {
			d := x[i*stride+c] - m
			s = numeric.FMA(d, d, s)
		}
		if !f.first {
			m, s = f.join(mean[c], m2[c], m, s)
		}
		mean[c], m2[c] = m, s
	}
}

func mergeMoments(mean, m2, meanB, m2B []float32, f mergeFactors) {
	for c := range mean {
		mean[c], m2[c] = f.join(mean[c], m2[c], meanB[c], m2B[c])
	}
}
