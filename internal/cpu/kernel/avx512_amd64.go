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
