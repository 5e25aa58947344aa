//go:build (amd64 || arm64) && !purego

package kernel

// winogradInBy makes WinogradIn of a loop over a multiple of so many channels, and checks what it does not.
func winogradInBy(unit int, f func(v *float32, plane int, x *float32, row, pixel, n int, tmp *float32)) func(v []float32, plane int, x []float32, row, pixel, n int, tmp []float32) {
	return func(v []float32, plane int, x []float32, row, pixel, n int, tmp []float32) {
		whole := n / unit * unit
		if whole > 0 {
			_, _, _ = v[(Planes-1)*plane+n-1], x[5*row+5*pixel+n-1], tmp[WinogradScratch-1]
			f(&v[0], plane, &x[0], row, pixel, whole, &tmp[0])
		}
		if whole < n {
			winogradIn(v[whole:], plane, x[whole:], row, pixel, n-whole, tmp)
		}
	}
}

// winogradOutBy makes WinogradOut of loops over a multiple of so many channels, and checks what they do not.
func winogradOutBy(unit int, f func(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp *float32),
	withAdd func(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp, add *float32)) func(out, add []float32, row, pixel int, m []float32, plane int, init, tmp []float32) {
	return func(out, add []float32, row, pixel int, m []float32, plane int, init, tmp []float32) {
		n := len(init)
		whole := n / unit * unit
		if whole > 0 {
			_, _, _ = m[(Planes-1)*plane+n-1], out[3*row+3*pixel+n-1], tmp[WinogradScratch-1]
			if add == nil {
				f(&out[0], row, pixel, &m[0], plane, &init[0], whole, &tmp[0])
			} else {
				_ = add[3*row+3*pixel+n-1]
				withAdd(&out[0], row, pixel, &m[0], plane, &init[0], whole, &tmp[0], &add[0])
			}
		}
		if whole == n {
			return
		}
		if add != nil {
			add = add[whole:]
		}
		winogradOut(out[whole:], add, row, pixel, m[whole:], plane, init[whole:], tmp)
	}
}

// weightConstants are what the transform of weights reads.
var weightConstants = func() (c [4 + Planes]float64) {
	copy(c[:], []float64{wa2, wa, wb2, wb})
	copy(c[4:], winogradFactors[:])
	return c
}()

// winogradWeightsBy makes WinogradWeights of a loop over a multiple of 8 weights, and checks what it does not.
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
