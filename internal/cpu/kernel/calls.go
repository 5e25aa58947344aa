//go:build (amd64 || arm64) && !purego

package kernel

// mostTerms bounds the words of one call, and so the time (below 200 us) for which its
// goroutine cannot be preempted.
const mostTerms = 1 << 13

// mostElements bounds the elements of one call of a function (about 50 us at most); callers cut
// longer work, and reductions, whose length is a layer's width, are short by nature.
const mostElements = 1 << 14

// tile is one call over a whole tile.
type tile func(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int)

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

// reads calls f for stretches that take well below 200 us: assembly cannot be preempted.
func reads(f func(p *byte, n int)) func(b []byte) {
	return func(b []byte) {
		const most = 1 << 20
		for len(b) >= ReadUnit {
			n := min(len(b), most) &^ (ReadUnit - 1)
			f(&b[0], n)
			b = b[n:]
		}
	}
}
