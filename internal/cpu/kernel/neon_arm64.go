//go:build !purego

package kernel

//go:generate go run ./_gen

// f32NEON adds fp32 terms to up to 4 rows of 16 columns of a tile; see [inCalls].
//
//go:noescape
func f32NEON(acc *float32, x *[]float32, w *float32, taps, n, rows int)

// bf16NEON does so with words of two channels. Subnormal numbers are zero for its own time.
//
//go:noescape
func bf16NEON(acc *float32, x *[]float32, w *float32, taps, n, rows int)

// The functions below treat n >= 4 elements or words, a multiple of 4; see [Tier] and internal/numeric.

//go:noescape
func pairsNEON(dst, x *float32, n int)

//go:noescape
func pairRowsNEON(dst, x, y *float32, n int)

//go:noescape
func siluNEON(dst, x *float32, n int)

//go:noescape
func quickGELUNEON(dst, x *float32, n int)

//go:noescape
func geluNEON(dst, x *float32, n int)

//go:noescape
func addNEON(dst, x, y *float32, n int)

//go:noescape
func mulGELUNEON(dst, x, y *float32, n int)

//go:noescape
func normalizeNEON(dst, x, gamma, beta *float32, n int, mean, rstd float32)

//go:noescape
func divideNEON(o *float32, n int, l float32)

// scaleNEON treats pixels >= 1; strides are in floats.
//
//go:noescape
func scaleNEON(dst, x *float32, dstStride, xStride int, a, b *float32, n, pixels int)

// blockMomentsNEON treats blockPixels pixels of n channels; the stride is in floats.
//
//go:noescape
func blockMomentsNEON(mean, m2, x *float32, n, stride int, share, weight float32, first bool)

//go:noescape
func mergeMomentsNEON(mean, m2, meanB, m2B *float32, n int, share, weight float32)

// scaleMaxNEON leaves the maxima of every fourth element.
//
//go:noescape
func scaleMaxNEON(s *float32, n int, scale float32, maxima *[4]float32)

// pairLinesNEON makes words of pairs of lines of NR channels, step bytes apart.
//
//go:noescape
func pairLinesNEON(dst, x *float32, step, pairs int)

// The sums below are those of 16 lanes, of n elements, a multiple of 16.

//go:noescape
func exp2SumNEON(s *float32, n int, top float32, sums *[16]float32)

//go:noescape
func sumNEON(s *float32, n int, sums *[16]float32)

//go:noescape
func squaresNEON(s *float32, n int, mean float32, sums *[16]float32)

func productF32NEON(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, tileF32NEON)
}

func productBF16NEON(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	inCalls(acc, x, w, n, rows, cols, tileBF16NEON)
}

func tileF32NEON(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	for j := 0; j < cols; j += 16 {
		for r := 0; r < rows; r += 4 {
			f32NEON(&acc[r*NR+j], &x[0][r], &w[j], len(x), n, min(4, rows-r))
		}
	}
}

func tileBF16NEON(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	for j := 0; j < cols; j += 16 {
		for r := 0; r < rows; r += 4 {
			bf16NEON(&acc[r*NR+j], &x[0][r], &w[j], len(x), n, min(4, rows-r))
		}
	}
}
