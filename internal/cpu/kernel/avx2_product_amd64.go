//go:build !purego

package kernel

// mostTerms bounds the channels of one call, and so the time (about 30 us) for which its
// goroutine cannot be preempted.
const mostTerms = 1 << 14

func productF32AVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows int) {
	productAVX2(acc, x, w, n, rows, false)
}

func productBF16AVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows int) {
	productAVX2(acc, x, w, n, rows, true)
}

// productAVX2 checks what the assembly does not, and cuts long sums into several calls.
func productAVX2(acc *Tile, x [][MR][]float32, w Panel, n, rows int, round bool) {
	if n == 0 || rows == 0 {
		return
	}
	w = w[:len(x)*n*NR]
	for t := range x {
		for r := range x[t] {
			_ = x[t][r][n-1]
		}
	}
	call := func(x [][MR][]float32, w Panel, n int) {
		if round {
			bf16AVX2(acc, &x[0], &w[0], len(x), n, min(rows, MR))
		} else {
			f32AVX2(acc, &x[0], &w[0], len(x), n, min(rows, MR))
		}
	}
	if n <= mostTerms {
		for each := max(1, mostTerms/n); len(x) > 0; {
			taps := min(each, len(x))
			call(x[:taps], w, n)
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
			call(part[:], w[(t*n+c)*NR:], min(mostTerms, n-c))
		}
	}
}
