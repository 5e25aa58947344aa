//go:build (amd64 || arm64) && !purego

package kernel

import "unsafe"

// transposes are loops over a multiple of 8 elements of 16 rows, step bytes apart, into columns of NR; one for each of F32, F16 and BF16.
type transposes [BF16 + 1]func(dst *float32, src *byte, step, n int)

// weights makes Transpose.
func (t transposes) weights(dst []float32, w *Weight, at, step, n int) {
	size := [...]int{F32: 4, F16: 2, BF16: 2, F64: 0}[w.Format]
	whole := n &^ 7
	if whole == 0 || size == 0 {
		transpose(dst, w, at, step, n)
		return
	}
	_, _ = dst[n*NR-1], w.Data[(at+(NR-1)*step+n)*size-1]
	for e := 0; e < whole; {
		k := min(whole-e, mostElements/NR)
		for j := 0; j < NR; j += 16 {
			t[w.Format](&dst[e*NR+j], &w.Data[(at+j*step+e)*size], step*size, k)
		}
		e += k
	}
	if whole < n {
		transpose(dst[whole*NR:], w, at+whole, step, n-whole)
	}
}

// columns makes Columns.
func (t transposes) columns(dst, x []float32, step, n, rows int) {
	whole := n &^ 7
	if rows < NR || whole == 0 || n > mostElements/NR {
		columns(dst, x, step, n, rows)
		return
	}
	_, _ = dst[n*NR-1], x[(NR-1)*step+n-1]
	for j := 0; j < NR; j += 16 {
		t[F32](&dst[j], (*byte)(unsafe.Pointer(&x[j*step])), 4*step, whole)
	}
	if whole < n {
		columns(dst[whole*NR:], x[whole:], step, n-whole, rows)
	}
}
