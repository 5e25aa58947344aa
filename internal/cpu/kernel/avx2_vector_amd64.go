//go:build !purego

package kernel

import "math"

// ofOne makes a function of slices from one that is limited and unchecked.
func ofOne(f func(dst, x *float32, n int)) func(dst, x []float32) {
	return func(dst, x []float32) {
		dst = dst[:len(x)]
		for len(x) > 0 {
			n := min(len(x), mostElements)
			f(&dst[0], &x[0], n)
			dst, x = dst[n:], x[n:]
		}
	}
}

// ofTwo is ofOne for two operands.
func ofTwo(f func(dst, x, y *float32, n int)) func(dst, x, y []float32) {
	return func(dst, x, y []float32) {
		dst, y = dst[:len(x)], y[:len(x)]
		for len(x) > 0 {
			n := min(len(x), mostElements)
			f(&dst[0], &x[0], &y[0], n)
			dst, x, y = dst[n:], x[n:], y[n:]
		}
	}
}

// withNumber makes ScaleMax, Exp2Sum or Squares of a limited and unchecked function; plain is for what is beyond its limits.
func withNumber(f func(s *float32, n int, v float32) float32, plain func(s []float32, v float32) float32) func(s []float32, v float32) float32 {
	return func(s []float32, v float32) float32 {
		if len(s) == 0 || len(s) > mostElements {
			return plain(s, v)
		}
		return f(&s[0], len(s), v)
	}
}

// exp2WordsOf is Exp2Words: whole sixteens, of which the last ones have the weight zero.
func exp2WordsOf(s []float32, n int, top float32) float32 {
	if n == 0 {
		clear(s[:len(s)/2])
		return 0
	}
	whole := up(n, 16)
	for i := range s[n:whole] {
		s[n+i] = float32(math.Inf(-1))
	}
	sum := exp2WordsAVX2(&s[0], &s[:whole][0], whole, top)
	clear(s[whole/2 : len(s)/2])
	if sum != sum {
		for i := range s[:(n+1)/2] { // the assembly rounds numbers alone
			s[i] = pair(sum, sum)
		}
	}
	return sum
}

// divideBy makes Divide.
func divideBy(f func(o *float32, n int, l float32)) func(o []float32, l float32) {
	return func(o []float32, l float32) {
		for len(o) > 0 {
			n := min(len(o), mostElements)
			f(&o[0], n, l)
			o = o[n:]
		}
	}
}

// sumBy makes Sum.
func sumBy(f func(x *float32, n int) float32) func(x []float32) float32 {
	return func(x []float32) float32 {
		if len(x) == 0 || len(x) > mostElements {
			return sum(x)
		}
		return f(&x[0], len(x))
	}
}

// normalizeBy makes Normalize.
func normalizeBy(f func(dst, x, gamma, beta *float32, n int, mean, rstd float32)) func(dst, x, gamma, beta []float32, mean, rstd float32) {
	return func(dst, x, gamma, beta []float32, mean, rstd float32) {
		dst, gamma, beta = dst[:len(x)], gamma[:len(x)], beta[:len(x)]
		for len(x) > 0 {
			n := min(len(x), mostElements)
			f(&dst[0], &x[0], &gamma[0], &beta[0], n, mean, rstd)
			dst, x, gamma, beta = dst[n:], x[n:], gamma[n:], beta[n:]
		}
	}
}

// scaleBy makes Scale.
func scaleBy(f func(dst, x *float32, dstStride, xStride int, a, b *float32, n, pixels int)) func(dst []float32, dstStride int, x []float32, xStride int, a, b []float32, pixels int) {
	return func(dst []float32, dstStride int, x []float32, xStride int, a, b []float32, pixels int) {
		n := len(a)
		if n == 0 || pixels == 0 {
			return
		}
		_, _, _ = dst[(pixels-1)*dstStride+n-1], x[(pixels-1)*xStride+n-1], b[n-1]
		for p := 0; p < pixels; {
			k := min(pixels-p, max(1, mostElements/n))
			f(&dst[p*dstStride], &x[p*xStride], dstStride, xStride, &a[0], &b[0], n, k)
			p += k
		}
	}
}

func blockMomentsInCalls(mean, m2, x []float32, stride, n int, f mergeFactors) {
	c := len(mean)
	if c == 0 {
		return
	}
	_, _ = m2[c-1], x[(n-1)*stride+c-1]
	blockMomentsAVX2(&mean[0], &m2[0], &x[0], c, stride, n, float32(1/float64(n)), f.share, f.weight, f.first)
}

func mergeMomentsInCalls(mean, m2, meanB, m2B []float32, f mergeFactors) {
	c := len(mean)
	if c == 0 {
		return
	}
	_, _, _ = m2[c-1], meanB[c-1], m2B[c-1]
	mergeMomentsAVX2(&mean[0], &m2[0], &meanB[0], &m2B[0], c, f.share, f.weight)
}
