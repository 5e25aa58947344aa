//go:build !purego

package kernel

// The transforms treat n >= 1 channels of one tile; steps are in floats, tmp has room for 36 vectors. See winogradIn and winogradOut.

//go:noescape
func winogradInAVX2(v *float32, plane int, x *float32, row, pixel, n int, tmp *float32)

//go:noescape
func winogradOutAVX2(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp *float32)

//go:noescape
func winogradOutAddAVX2(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp, add *float32)

//go:noescape
func winogradInAVX512(v *float32, plane int, x *float32, row, pixel, n int, tmp *float32)

//go:noescape
func winogradOutAVX512(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp *float32)

//go:noescape
func winogradOutAddAVX512(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp, add *float32)

// winogradWeightsAVX2 treats n weights, a multiple of 8; constants are a², a, b², b and the factors of the planes.
//
//go:noescape
func winogradWeightsAVX2(dst, taps *float32, plane, n int, constants *float64, tmp *float32)

//go:noescape
func winogradWeightsAVX512(dst, taps *float32, plane, n int, constants *float64, tmp *float32)

// rowsF32AVX512 multiplies blocks >= 1 of 8 rows of x, step floats apart, by a panel of n >= 1 words.
//
//go:noescape
func rowsF32AVX512(out, x *float32, step int, w *float32, n, blocks int)

// rowsF32 is Rows in calls of some 50 us at most.
func rowsF32(out, x []float32, step int, w Panel, n, rows int) {
	if n == 0 || n > mostTerms {
		rowsBy(between(productF32AVX512, nil))(out, x, step, w, n, rows)
		return
	}
	if rows == 0 {
		return
	}
	_, _, _ = out[rows*NR-1], x[(rows-1)*step+n-1], w[n*NR-1]
	for most := max(1, 2*mostTerms/n) * MR; rows > 0; rows -= most {
		rowsF32AVX512(&out[0], &x[0], step, &w[0], n, min(rows, most)/MR)
		if rows > most {
			out, x = out[most*NR:], x[most*step:]
		}
	}
}
