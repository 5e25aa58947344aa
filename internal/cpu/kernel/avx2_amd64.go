//go:build !purego

package kernel

//go:generate go run ./_gen

// pairsAVX2 makes n words, a multiple of 8.
//
//go:noescape
func pairsAVX2(dst, x *float32, n int)

// pairLinesAVX2 makes words of pairs of lines of NR channels, step bytes apart.
//
//go:noescape
func pairLinesAVX2(dst, x *float32, step, pairs int)

// lineWordsAVX2 does so with lines that are words of neighbouring channels.
//
//go:noescape
func lineWordsAVX2(dst, x *float32, step, pairs int)

//go:noescape
func pairRowsAVX2(dst, x, y *float32, n int)

// The functions below treat n >= 1 elements; see [Tier] and internal/numeric.

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
func divideAVX2(o *float32, n int, l float32)

//go:noescape
func scaleMaxAVX2(s *float32, n int, scale float32) float32

//go:noescape
func exp2WordsAVX2(dst, s *float32, n int, top float32) float32

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

// The transposes treat a multiple of 8 elements of 16 rows, step bytes apart, into columns of NR.

//go:noescape
func transposeF32AVX2(dst *float32, src *byte, step, n int)

//go:noescape
func transposeF16AVX2(dst *float32, src *byte, step, n int)

//go:noescape
func transposeBF16AVX2(dst *float32, src *byte, step, n int)

var transposesAVX2 = transposes{F32: transposeF32AVX2, F16: transposeF16AVX2, BF16: transposeBF16AVX2}
