//go:build !purego

package kernel

// The transposes treat a multiple of 4 elements of 16 rows, step bytes apart, into columns of NR.

//go:noescape
func transposeF32NEON(dst *float32, src *byte, step, n int)

//go:noescape
func transposeF16NEON(dst *float32, src *byte, step, n int)

//go:noescape
func transposeBF16NEON(dst *float32, src *byte, step, n int)

var transposesNEON = transposes{F32: transposeF32NEON, F16: transposeF16NEON, BF16: transposeBF16NEON}

// lineWordsNEON makes words of pairs of lines that are words of neighbouring channels, step bytes apart.
//
//go:noescape
func lineWordsNEON(dst, x *float32, step, pairs int)

// Winograd's transforms treat n channels, a multiple of 4, of one tile; steps are in floats, tmp has room for 36 vectors. See winogradIn and winogradOut.

//go:noescape
func winogradInNEON(v *float32, plane int, x *float32, row, pixel, n int, tmp *float32)

//go:noescape
func winogradOutNEON(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp *float32)

//go:noescape
func winogradOutAddNEON(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp, add *float32)

// winogradWeightsNEON treats n weights, a multiple of 2; constants are a², a, b², b and the factors of the planes.
//
//go:noescape
func winogradWeightsNEON(dst, taps *float32, plane, n int, constants *float64, tmp *float32)
