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

// winogradInBy checks what the assembly does not.
func winogradInBy(f func(v *float32, plane int, x *float32, row, pixel, n int, tmp *float32)) func(v []float32, plane int, x []float32, row, pixel, n int, tmp []float32) {
	return func(v []float32, plane int, x []float32, row, pixel, n int, tmp []float32) {
		if n == 0 {
			return
		}
		_, _, _ = v[(Planes-1)*plane+n-1], x[5*row+5*pixel+n-1], tmp[WinogradScratch-1]
		f(&v[0], plane, &x[0], row, pixel, n, &tmp[0])
	}
}

// winogradOutBy checks what the assembly does not.
func winogradOutBy(f func(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp *float32),
	withAdd func(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp, add *float32)) func(out, add []float32, row, pixel int, m []float32, plane int, init, tmp []float32) {
	return func(out, add []float32, row, pixel int, m []float32, plane int, init, tmp []float32) {
		n := len(init)
		if n == 0 {
			return
		}
		_, _, _ = m[(Planes-1)*plane+n-1], out[3*row+3*pixel+n-1], tmp[WinogradScratch-1]
		if add == nil {
			f(&out[0], row, pixel, &m[0], plane, &init[0], n, &tmp[0])
			return
		}
		_ = add[3*row+3*pixel+n-1]
		withAdd(&out[0], row, pixel, &m[0], plane, &init[0], n, &tmp[0], &add[0])
	}
}

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

// weightConstants are what the transform of weights reads.
var weightConstants = func() (c [4 + Planes]float64) {
	copy(c[:], []float64{wa2, wa, wb2, wb})
	copy(c[4:], winogradFactors[:])
	return c
}()

// winogradWeightsBy checks what the assembly does not.
func winogradWeightsBy(f func(dst, taps *float32, plane, n int, constants *float64, tmp *float32)) func(dst, taps []float32, plane, n int, tmp []float32) {
	return func(dst, taps []float32, plane, n int, tmp []float32) {
		whole := n &^ 7
		if whole > 0 {
			_, _, _ = dst[(Planes-1)*plane+n-1], taps[8*plane+n-1], tmp[WinogradScratch-1]
		}
		for k := 0; k < whole; k += mostElements {
			f(&dst[k], &taps[k], plane, min(whole-k, mostElements), &weightConstants[0], &tmp[0])
		}
		if whole < n {
			winogradWeights(dst[whole:], taps[whole:], plane, n-whole, tmp)
		}
	}
}
