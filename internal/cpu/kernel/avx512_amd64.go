//go:build !purego

package kernel

// The functions below are loops over up to 8 rows and 16 or 32 columns; see productF32AVX2. The bf16 ones set the mode for
// subnormal numbers for their own time; VDPBF16PS has that mode by itself.

//go:noescape
func f32AVX512x32(acc *float32, x *[]float32, w *float32, taps, n, rows int)

//go:noescape
func f32AVX512x16(acc *float32, x *[]float32, w *float32, taps, n, rows int)

//go:noescape
func bf16AVX512x32(acc *float32, x *[]float32, w *float32, taps, n, rows int)

//go:noescape
func bf16AVX512x16(acc *float32, x *[]float32, w *float32, taps, n, rows int)

//go:noescape
func bf16DotAVX512x32(acc *float32, x *[]float32, w *float32, taps, n, rows int)

//go:noescape
func bf16DotAVX512x16(acc *float32, x *[]float32, w *float32, taps, n, rows int)

// pairsBF16 makes n words, a multiple of 16.
//
//go:noescape
func pairsBF16(dst, x *float32, n int)

//go:noescape
func pairLinesBF16(dst, x *float32, step, pairs int)

// wordsF16 makes a multiple of 16 words of each of 16 rows, step bytes apart, columns of NR.
//
//go:noescape
func wordsF16(dst *float32, src *byte, step, n int)

// transposeWords is for fp16; words beyond a multiple of 16 go the other way.
func transposeWords(dst []float32, w *Weight, at, step, n int) bool {
	if w.Format != F16 || n%16 != 0 || n == 0 {
		return false
	}
	_, _ = dst[n*NR-1], w.Data[2*(at+(NR-1)*step+2*n)-1]
	for e := 0; e < n; {
		k := min(n-e, mostElements/NR/2)
		for j := 0; j < NR; j += 16 {
			wordsF16(&dst[e*NR+j], &w.Data[2*(at+j*step+2*e)], 2*step, k)
		}
		e += k
	}
	return true
}

func productF32AVX512(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, func(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
		if cols > 16 {
			f32AVX512x32(&acc[0], &x[0][0], &w[0], len(x), n, rows)
		} else {
			f32AVX512x16(&acc[0], &x[0][0], &w[0], len(x), n, rows)
		}
	})
}

func productBF16AVX512(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, func(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
		if cols > 16 {
			bf16AVX512x32(&acc[0], &x[0][0], &w[0], len(x), n, rows)
		} else {
			bf16AVX512x16(&acc[0], &x[0][0], &w[0], len(x), n, rows)
		}
	})
}

func productBF16Dot(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, func(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
		if cols > 16 {
			bf16DotAVX512x32(&acc[0], &x[0][0], &w[0], len(x), n, rows)
		} else {
			bf16DotAVX512x16(&acc[0], &x[0][0], &w[0], len(x), n, rows)
		}
	})
}
