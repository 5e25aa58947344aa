package numeric

import "math"

// Sigmoid is 1 / (1 + Exp(-x)): an addition, a division.
func Sigmoid(x float32) float32 { return 1 / (1 + Exp(-x)) }

// SiLU is x / (1 + Exp(-x)): an addition, a division.
func SiLU(x float32) float32 { return x / (1 + Exp(-x)) }

// QuickGELU is x / (1 + Exp(-(1.702*x))): a multiplication, an addition, a division.
func QuickGELU(x float32) float32 { return x / (1 + Exp(-float32(1.702*x))) }

// Erf is the error function by two polynomials, of x below 0.921875 in magnitude and of |x|
// above, where it is 1 - Exp(q(|x|)). The greatest error is about 1 ulp.
func Erf(x float32) float32 {
	t := math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
	s := x * x
	if t > 0.921875 {
		if t > 4 { // erf is 1 to the last bit
			t, s = 4, 16
		}
		r := FMA(-1.72853470e-5, t, 3.83197126e-4)
		u := FMA(-3.88396438e-3, t, 2.42546219e-2)
		r = FMA(r, s, u)
		r = FMA(r, t, -1.06777877e-1)
		r = FMA(r, t, -6.34846687e-1)
		r = FMA(r, t, -1.28717512e-1)
		r = FMA(r, t, -t)
		r = 1 - Exp(r)
		return math.Float32frombits(math.Float32bits(r) | math.Float32bits(x)&(1<<31))
	}
	r := float32(-5.96761703e-4)
	r = FMA(r, s, 4.99119423e-3)
	r = FMA(r, s, -2.67681349e-2)
	r = FMA(r, s, 1.12819925e-1)
	r = FMA(r, s, -3.76125336e-1)
	r = FMA(r, s, 1.28379166e-1)
	return FMA(r, x, x)
}

// GELU is (0.5*x) * (1 + Erf(x * 0.70710678)) (Hendrycks and Gimpel, 2016).
func GELU(x float32) float32 {
	return float32(0.5*x) * (1 + Erf(float32(x*0.70710678)))
}

// Tanh is 1 - 2/(Exp(2|x|) + 1) with the sign of x; below 0.25 in magnitude a
// polynomial in x*x.
func Tanh(x float32) float32 {
	t := math.Float32frombits(math.Float32bits(x) &^ (1 << 31))
	if t < 0.25 {
		s := x * x
		r := float32(0.02186949)
		r = FMA(r, s, -0.05396825)
		r = FMA(r, s, 0.13333334)
		r = FMA(r, s, -0.33333334)
		r = r * s
		return FMA(r, x, x)
	}
	r := 1 - 2/(Exp(2*t)+1)
	return math.Float32frombits(math.Float32bits(r) | math.Float32bits(x)&(1<<31))
}

// GELUTanh is GELU's tanh form: (0.5*x) * (1 + Tanh(0.7978846 * (x + 0.044715*x^3))).
func GELUTanh(x float32) float32 {
	c := float32(x*x) * x
	u := x + float32(0.044715*c)
	return float32(0.5*x) * (1 + Tanh(float32(0.7978846*u)))
}

// Sqrt is the rounded square root: exact in IEEE 754.
func Sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }
