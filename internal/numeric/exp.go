package numeric

import "math"

// pow2 is 2^n for n in [-126,127].
func pow2(n int32) float32 { return math.Float32frombits(uint32(n+127) << 23) }

// rint rounds |x| < 2^22 to the nearest whole number, ties to even.
func rint(x float32) float32 {
	const magic = 3 << 22
	y := x + magic
	return y - magic
}

// Exp2 is 2^x: +0 below -126, +Inf above 128. n is x rounded to the nearest whole
// number, ties to even, and f = x - n; a polynomial of degree 6 in f by Horner's rule
// with fma, times 2^(n/2 rounded down), times the rest; results below 2^-126 are +0.
func Exp2(x float32) float32 {
	switch {
	case x != x:
		return x
	case x < -126:
		return 0
	case x > 128:
		return float32(math.Inf(1))
	}
	n := rint(x)
	f := x - n
	p := float32(0.00015353361959569156)
	p = FMA(p, f, 0.0013398875016719103)
	p = FMA(p, f, 0.00961843691766262)
	p = FMA(p, f, 0.055503323674201965)
	p = FMA(p, f, 0.24022647738456726)
	p = FMA(p, f, 0.6931471824645996)
	p = FMA(p, f, 1)
	return scale(p, int32(n))
}

// Exp is e^x, by reduction with ln 2 in two parts: n = x*log2(e) rounded,
// f = fma(n, -lo, fma(n, -hi, x)), then as [Exp2]. +0 below -87.33654, +Inf above 88.72283.
func Exp(x float32) float32 {
	switch {
	case x != x:
		return x
	case x < -87.33654:
		return 0
	case x > 88.72283:
		return float32(math.Inf(1))
	}
	n := rint(x * 1.44269504)
	f := FMA(n, -0.693359375, x)
	f = FMA(n, 2.12194440e-4, f)
	p := float32(0.0013843653723597527)
	p = FMA(p, f, 0.00837415549904108)
	p = FMA(p, f, 0.04166800156235695)
	p = FMA(p, f, 0.16666431725025177)
	p = FMA(p, f, 0.4999999403953552)
	p = FMA(p, f, 1)
	p = FMA(p, f, 1)
	return scale(p, int32(n))
}

// scale is p * 2^n in two exact steps; a result below 2^-126 is +0. p > 0.
func scale(p float32, n int32) float32 {
	h := n >> 1
	r := float32(p*pow2(h)) * pow2(n-h)
	if r < 0x1p-126 {
		return 0
	}
	return r
}
