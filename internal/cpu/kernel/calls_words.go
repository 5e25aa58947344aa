//go:build (amd64 || arm64) && !purego

package kernel

// pairsBy makes Pairs of a loop over a multiple of so many words.
func pairsBy(words int, f func(dst, x *float32, n int)) func(dst, x []float32) {
	return func(dst, x []float32) {
		dst = dst[:(len(x)+1)/2]
		for len(x) >= 2*words {
			n := min(len(x)/2/words*words, mostElements)
			f(&dst[0], &x[0], n)
			dst, x = dst[n:], x[2*n:]
		}
		pairs(dst, x)
	}
}

// linesBy makes PairLines or LineWords, whose lines are wide floats, of a loop over whole pairs.
func linesBy(f func(dst, x *float32, step, pairs int), plain func(dst, x []float32, step, k int), wide int) func(dst, x []float32, step, k int) {
	return func(dst, x []float32, step, k int) {
		n := k / 2
		if n > 0 {
			_, _ = dst[n*NR-1], x[(2*n-1)*step+wide-1]
			for p := 0; p < n; p += mostElements / NR {
				f(&dst[p*NR], &x[2*p*step], 4*step, min(mostElements/NR, n-p))
			}
		}
		if k%2 == 1 {
			plain(dst[n*NR:], x[2*n*step:], step, 1)
		}
	}
}
