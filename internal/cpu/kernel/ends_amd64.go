//go:build !purego

package kernel

// The functions below are loops over a whole tile: acc0 is where its first row begins, out where its sums go, add the residual
// or nil; the rows of acc0 are step0 floats apart, those of out and add step. See productF32AVX2 for the others.

//go:noescape
func f32AVX512whole(acc0 *float32, step0 int, out, add *float32, step int, x *[]float32, w *float32, taps, n int)

//go:noescape
func bf16AVX512whole(acc0 *float32, step0 int, out, add *float32, step int, x *[]float32, w *float32, taps, n int)

//go:noescape
func bf16DotAVX512whole(acc0 *float32, step0 int, out, add *float32, step int, x *[]float32, w *float32, taps, n int)

// wholeTile is one call over a whole tile.
type wholeTile = func(acc0 *float32, step0 int, out, add *float32, step int, x *[]float32, w *float32, taps, n int)

// wholes makes a Product of a loop over whole tiles and a Dot, which does the others and the beginnings of long sums.
func wholes(f wholeTile, dot Dot) Product {
	other := between(dot)
	return func(e *Ends, x [][MR][]float32, w Panel, n, rows, cols int) {
		if rows != MR || cols != NR || len(x) == 0 || n == 0 || n > mostTerms {
			other(e, x, w, n, rows, cols)
			return
		}
		w = w[:len(x)*n*NR]
		from, step := e.In, e.InStep
		if short := mostTerms / n; len(x) > short {
			first := len(x) - short
			e.begin(rows, cols)
			dot(&e.acc, x[:first], w, n, rows, cols)
			x, w = x[first:], w[first*n*NR:]
			from, step = e.acc[:], NR
		}
		for t := range x {
			for r := range x[t] {
				_ = x[t][r][n-1]
			}
		}
		const last = MR - 1
		_, _ = from[last*step+NR-1], e.Out[last*e.Step+NR-1]
		var add *float32
		if e.Add != nil {
			_ = e.Add[last*e.Step+NR-1]
			add = &e.Add[0]
		}
		f(&from[0], step, &e.Out[0], add, e.Step, &x[0][0], &w[0], len(x), n)
	}
}
