//go:build !purego

package kernel

// The functions below are those of the AVX2 tier, 16 elements at a time.

//go:noescape
func siluAVX512(dst, x *float32, n int)

//go:noescape
func quickGELUAVX512(dst, x *float32, n int)

//go:noescape
func geluAVX512(dst, x *float32, n int)

//go:noescape
func addAVX512(dst, x, y *float32, n int)

//go:noescape
func mulGELUAVX512(dst, x, y *float32, n int)

//go:noescape
func divideAVX512(o *float32, n int, l float32)

//go:noescape
func scaleMaxAVX512(s *float32, n int, scale float32) float32

//go:noescape
func exp2SumAVX512(s *float32, n int, top float32) float32

//go:noescape
func sumAVX512(x *float32, n int) float32

//go:noescape
func squaresAVX512(x *float32, n int, mean float32) float32

//go:noescape
func normalizeAVX512(dst, x, gamma, beta *float32, n int, mean, rstd float32)

//go:noescape
func scaleAVX512(dst, x *float32, dstStride, xStride int, a, b *float32, n, pixels int)
