//go:build !purego

package kernel

//go:generate go run ./_gen

// f32AVX2 adds taps*n fp32 terms to acc: x points at one array of rows for each tap, w at
// taps*n channels of NR weights. 0 < taps, 0 <= n, 0 < rows <= MR.
//
//go:noescape
func f32AVX2(acc *Tile, x *[MR][]float32, w *float32, taps, n, rows int)

// bf16AVX2 is f32AVX2 with the odd channel of each pair first and results
// flushed to zero; n is even. It sets that mode for its own time.
//
//go:noescape
func bf16AVX2(acc *Tile, x *[MR][]float32, w *float32, taps, n, rows int)

// The functions below treat n >= 1 elements; see [Tier] and internal/numeric.

//go:noescape
func roundBF16AVX2(dst, x *float32, n int)

//go:noescape
func siluAVX2(dst, x *float32, n int)

//go:noescape
func quickGELUAVX2(dst, x *float32, n int)

//go:noescape
func geluAVX2(dst, x *float32, n int)

//go:noescape
func addAVX2(dst, x, y *float32, n int)

//go:noescape
func mulGELUAVX2(dst, x, y *float32, n int)

//go:noescape
func scaleMaxAVX2(s *float32, n int, scale float32) float32

//go:noescape
func exp2SumAVX2(s *float32, n int, top float32) float32

//go:noescape
func sumAVX2(x *float32, n int) float32

//go:noescape
func squaresAVX2(x *float32, n int, mean float32) float32

//go:noescape
func normalizeAVX2(dst, x, gamma, beta *float32, n int, mean, rstd float32)

//go:noescape
func scaleAVX2(dst, x *float32, dstStride, xStride int, a, b *float32, n, pixels int)

//go:noescape
func blockMomentsAVX2(mean, m2, x *float32, channels, stride, n int, inv, share, weight float32, first bool)

//go:noescape
func mergeMomentsAVX2(mean, m2, meanB, m2B *float32, n int, share, weight float32)

// The transposes treat a multiple of 8 elements of 16 rows, step bytes apart.

//go:noescape
func transposeF32AVX2(dst *float32, src *byte, step, n int)

//go:noescape
func transposeF16AVX2(dst *float32, src *byte, step, n int)

//go:noescape
func transposeBF16AVX2(dst *float32, src *byte, step, n int)
