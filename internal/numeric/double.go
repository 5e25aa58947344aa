package numeric

import "math"

// The float64 functions serve tables that are rounded to fp32 once. Every
// product is rounded before an addition, so that processors agree.

// Exp64 is e^x for |x| < 700, within a few ulp of float64.
func Exp64(x float64) float64 {
	n := math.RoundToEven(float64(x * (1 / math.Ln2)))
	f := x - float64(n*0x1.62e42fefa0000p-1)
	f -= float64(n * 0x1.cf79abc9e3b3ap-40)
	p := 1.0
	for k := 17; k >= 1; k-- { // Taylor's series; |f| < 0.35
		p = 1 + float64(float64(p*f)/float64(k))
	}
	return float64(p * math.Float64frombits(uint64(int64(n)+1023)<<52))
}

// SinCos64 is the sine and cosine of |x| < 2^20, within a few ulp of float64.
func SinCos64(x float64) (sin, cos float64) {
	n := math.RoundToEven(float64(x * (2 / math.Pi)))
	f := x - float64(n*0x1.921fb544p+0)
	f -= float64(n * 0x1.0b4611a6p-34)
	f -= float64(n * 0x1.3198a2e037073p-69)
	z := float64(f * f)
	s, c := 1.0, 1.0
	for k := 21; k >= 3; k -= 2 {
		s = 1 - float64(float64(s*z)/float64(k*(k-1)))
	}
	s = float64(s * f)
	for k := 20; k >= 2; k -= 2 {
		c = 1 - float64(float64(c*z)/float64(k*(k-1)))
	}
	switch int64(n) & 3 {
	case 0:
		return s, c
	case 1:
		return c, -s
	case 2:
		return -s, -c
	}
	return -c, s
}

// Log64 is the natural logarithm of a positive, normal x, within a few ulp of float64.
func Log64(x float64) float64 {
	b := math.Float64bits(x)
	e := int(b>>52) - 1023
	m := math.Float64frombits(b&(1<<52-1) | 1023<<52)
	if m > math.Sqrt2 {
		m, e = m/2, e+1
	}
	s := (m - 1) / (m + 1) // ln m = 2 atanh s; |s| < 0.1716
	z := float64(s * s)
	p := 0.0
	for k := 23; k >= 1; k -= 2 {
		p = 1/float64(k) + float64(p*z)
	}
	return float64(2*float64(s*p)) + float64(float64(e)*math.Ln2)
}
