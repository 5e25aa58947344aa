//go:build !purego

package kernel

// mostTerms bounds the words of one call, and so the time (below 200 us) for which its
// goroutine cannot be preempted.
const mostTerms = 1 << 13

// A loop in assembly over some rows and columns of a tile has the arguments acc, where they begin; x, the first of its rows in the
// first array of rows; w, its first column; taps > 0, n >= 0 and rows > 0.

func productF32AVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, tileF32AVX2)
}

func productBF16AVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, tileBF16AVX2)
}

// tile is one call over a whole tile.
type tile func(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int)

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

// inCalls checks what the assembly does not, and cuts long sums into several calls.
func inCalls(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int, f tile) {
	if n == 0 || rows == 0 || cols == 0 {
		return
	}
	rows, cols = min(rows, MR), min(cols, NR)
	w = w[:len(x)*n*NR]
	for t := range x {
		for r := range x[t] {
			_ = x[t][r][n-1]
		}
	}
	if n <= mostTerms {
		for each := max(1, mostTerms/n); len(x) > 0; {
			taps := min(each, len(x))
			f(acc, x[:taps], w, n, rows, cols)
			x, w = x[taps:], w[taps*n*NR:]
		}
		return
	}
	for t := range x {
		for c := 0; c < n; c += mostTerms {
			part := [1][MR][]float32{x[t]}
			for r := range part[0] {
				part[0][r] = part[0][r][c:]
			}
			f(acc, part[:], w[(t*n+c)*NR:], min(mostTerms, n-c), rows, cols)
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
