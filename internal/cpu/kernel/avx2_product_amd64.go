//go:build !purego

package kernel

// A loop in assembly over some rows and columns of a tile has the arguments acc, where they begin; x, the first of its rows in the
// first array of rows; w, its first column; taps > 0, n >= 0 and rows > 0.

func productF32AVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, tileF32AVX2)
}

func productBF16AVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, tileBF16AVX2)
}

func tileF32AVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	for j := 0; j < cols; j += 16 {
		for r := 0; r < rows; r += 4 {
			f32AVX2(&acc[r*NR+j], &x[0][r], &w[j], len(x), n, min(4, rows-r))
		}
	}
}

func tileBF16AVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	for j := 0; j < cols; j += 16 {
		for r := 0; r < rows; r += 4 {
			bf16AVX2(&acc[r*NR+j], &x[0][r], &w[j], len(x), n, min(4, rows-r))
		}
	}
}

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
