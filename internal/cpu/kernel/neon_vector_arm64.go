//go:build !purego

package kernel

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// The functions below treat what fills vectors in assembly, in calls of at most mostElements, and the rest in plain Go.

// fours is how many elements the next call treats; 0 for none.
func fours(n int) int { return min(n&^3, mostElements) }

// foursOfOne makes a function of slices.
func foursOfOne(f func(dst, x *float32, n int), plain func(dst, x []float32)) func(dst, x []float32) {
	return func(dst, x []float32) {
		dst = dst[:len(x)]
		for n := fours(len(x)); n > 0; n = fours(len(x)) {
			f(&dst[0], &x[0], n)
			dst, x = dst[n:], x[n:]
		}
		plain(dst, x)
	}
}

// foursOfTwo is foursOfOne for two operands.
func foursOfTwo(f func(dst, x, y *float32, n int), plain func(dst, x, y []float32)) func(dst, x, y []float32) {
	return func(dst, x, y []float32) {
		dst, y = dst[:len(x)], y[:len(x)]
		for n := fours(len(x)); n > 0; n = fours(len(x)) {
			f(&dst[0], &x[0], &y[0], n)
			dst, x, y = dst[n:], x[n:], y[n:]
		}
		plain(dst, x, y)
	}
}

func divideInVectors(o []float32, l float32) {
	for n := fours(len(o)); n > 0; n = fours(len(o)) {
		divideNEON(&o[0], n, l)
		o = o[n:]
	}
	divide(o, l)
}

func scaleMaxInVectors(s []float32, scale float32) float32 {
	top := float32(math.Inf(-1))
	for n := fours(len(s)); n > 0; n = fours(len(s)) {
		var maxima [4]float32
		scaleMaxNEON(&s[0], n, scale, &maxima)
		for _, v := range maxima {
			if v > top || v != v {
				top = v
			}
		}
		s = s[n:]
	}
	if rest := scaleMax(s, scale); rest > top || rest != rest {
		top = rest
	}
	return top
}

// sixteens is the number of elements that a reduction treats in one call; longer ones, which a layer's width never is, are left to plain Go.
func sixteens(n int) int {
	if n > mostElements {
		return 0
	}
	return n &^ (lanes - 1)
}

func exp2SumInVectors(s []float32, top float32) float32 {
	var sums [lanes]float32
	n := sixteens(len(s))
	if n > 0 {
		exp2SumNEON(&s[0], n, top, &sums)
	}
	for i, v := range s[n:] {
		s[n+i] = numeric.Exp2(v - top)
		sums[i%lanes] += s[n+i]
	}
	return joinLanes(&sums)
}

func sumInVectors(x []float32) float32 {
	var sums [lanes]float32
	n := sixteens(len(x))
	if n > 0 {
		sumNEON(&x[0], n, &sums)
	}
	for i, v := range x[n:] {
		sums[i%lanes] += v
	}
	return joinLanes(&sums)
}

func squaresInVectors(x []float32, mean float32) float32 {
	var sums [lanes]float32
	n := sixteens(len(x))
	if n > 0 {
		squaresNEON(&x[0], n, mean, &sums)
	}
	for i, v := range x[n:] {
		d := v - mean
		sums[i%lanes] = numeric.FMA(d, d, sums[i%lanes])
	}
	return joinLanes(&sums)
}

func normalizeInVectors(dst, x, gamma, beta []float32, mean, rstd float32) {
	dst, gamma, beta = dst[:len(x)], gamma[:len(x)], beta[:len(x)]
	for n := fours(len(x)); n > 0; n = fours(len(x)) {
		normalizeNEON(&dst[0], &x[0], &gamma[0], &beta[0], n, mean, rstd)
		dst, x, gamma, beta = dst[n:], x[n:], gamma[n:], beta[n:]
	}
	normalize(dst, x, gamma, beta, mean, rstd)
}

func scaleInVectors(dst []float32, dstStride int, x []float32, xStride int, a, b []float32, pixels int) {
	n := len(a) &^ 3
	if n > 0 && pixels > 0 {
		_, _, _ = dst[(pixels-1)*dstStride+len(a)-1], x[(pixels-1)*xStride+len(a)-1], b[len(a)-1]
		for p := 0; p < pixels; {
			k := min(pixels-p, max(1, mostElements/n))
			scaleNEON(&dst[p*dstStride], &x[p*xStride], dstStride, xStride, &a[0], &b[0], n, k)
			p += k
		}
	}
	if n < len(a) {
		scale(dst[n:], dstStride, x[n:], xStride, a[n:], b[n:], pixels)
	}
}

func blockMomentsInVectors(mean, m2, x []float32, stride, n int, f mergeFactors) {
	c := 0
	if n == blockPixels {
		c = len(mean) &^ 3
	}
	if c > 0 {
		_, _ = m2[c-1], x[(n-1)*stride+c-1]
		blockMomentsNEON(&mean[0], &m2[0], &x[0], c, stride, f.share, f.weight, f.first)
	}
	if c < len(mean) {
		blockMoments(mean[c:], m2[c:], x[c:], stride, n, f)
	}
}

func mergeMomentsInVectors(mean, m2, meanB, m2B []float32, f mergeFactors) {
	c := len(mean) &^ 3
	if c > 0 {
		_, _, _ = m2[c-1], meanB[c-1], m2B[c-1]
		mergeMomentsNEON(&mean[0], &m2[0], &meanB[0], &m2B[0], c, f.share, f.weight)
	}
	mergeMoments(mean[c:], m2[c:], meanB[c:], m2B[c:], f)
}
