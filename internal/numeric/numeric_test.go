package numeric

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// fmaBig is x*y+z by exact arithmetic, rounded once.
func fmaBig(x, y, z float32) float32 {
	p := new(big.Float).SetPrec(2000).Mul(new(big.Float).SetPrec(2000).SetFloat64(float64(x)), new(big.Float).SetFloat64(float64(y)))
	p.Add(p, new(big.Float).SetFloat64(float64(z)))
	f, _ := p.Float32()
	return f
}

func TestFMARandomAndDirected(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	number := func(lo, hi int) float32 {
		m := math.Float32frombits(127<<23 | r.Uint32()&0x7fffff)
		return float32(math.Ldexp(float64(m), lo+r.IntN(hi-lo+1))) * float32(1-2*r.IntN(2))
	}
	check := func(x, y, z float32) {
		t.Helper()
		if got, want := FMA(x, y, z), fmaBig(x, y, z); got != want {
			t.Fatalf("FMA(%b, %b, %b) = %b, want %b", x, y, z, got, want)
		}
	}
	wrong := 0
	for range 20000 {
		check(number(-3, 3), number(-3, 3), number(-6, 6))
		check(number(-65, -60), number(-66, -60), number(-149, -120)) // results about 2^-126
		// z at 1, a product near half an ulp of z, with a tiny excess
		x, y := float32(1+math.Ldexp(float64(r.IntN(8)), -23)), float32(math.Ldexp(1+math.Ldexp(float64(r.IntN(8)-4), -23), -24))
		z := math.Float32frombits(127<<23 | r.Uint32()&0x7fffff)
		check(x, y, z)
		if float32(float64(x)*float64(y)+float64(z)) != fmaBig(x, y, z) {
			wrong++
		}
	}
	if wrong == 0 {
		t.Error("no directed case separates one rounding from two")
	}
}

func TestRoundBF16(t *testing.T) {
	for _, c := range []struct{ in, want uint32 }{
		{0x3f800000, 0x3f800000}, {0x3f808000, 0x3f800000}, {0x3f818000, 0x3f820000}, {0x3f808001, 0x3f810000},
		{0x7f7fffff, 0x7f800000}, {0xff800000, 0xff800000}, {0x80000001, 0x80000000},
		{0x1fffffff, 0}, {0x20000000, 0x20000000}, {0x9fffffff, 0x80000000},
	} {
		if got := math.Float32bits(RoundBF16(math.Float32frombits(c.in))); got != c.want {
			t.Errorf("RoundBF16(%08x) = %08x, want %08x", c.in, got, c.want)
		}
	}
	if n := RoundBF16(math.Float32frombits(0x7f800001)); n == n {
		t.Error("a NaN became a number")
	}
}

func TestFromF16(t *testing.T) {
	for _, c := range []struct {
		in   uint16
		want float64
	}{{0x3c00, 1}, {0xc000, -2}, {0x7bff, 65504}, {1, 0x1p-24}, {0x0400, 0x1p-14}, {0x83ff, -0x3ffp-24}} {
		if got := FromF16(c.in); float64(got) != c.want {
			t.Errorf("FromF16(%04x) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestFunctionsAreAccurate(t *testing.T) {
	erf := func(x float64) float64 { return math.Erf(x) }
	for _, c := range []struct {
		name   string
		f      func(float32) float32
		want   func(float64) float64
		lo, hi float64
		ulp    float64 // of the result
		abs    float64
	}{
		{"Exp2", Exp2, math.Exp2, -125.9, 127.9, 2, 0},
		{"Exp", Exp, math.Exp, -87, 88, 2, 0},
		{"Sigmoid", Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, -80, 80, 3, 0},
		{"SiLU", SiLU, func(x float64) float64 { return x / (1 + math.Exp(-x)) }, -80, 80, 3, 0},
		{"QuickGELU", QuickGELU, func(x float64) float64 { return x / (1 + math.Exp(-1.702*x)) }, -10, 40, 40, 0},
		{"Erf", Erf, erf, -6, 6, 2, 0},
		{"GELU", GELU, func(x float64) float64 { return 0.5 * x * (1 + erf(x/math.Sqrt2)) }, -6, 10, 3, 2e-7},
		{"Tanh", Tanh, math.Tanh, -10, 10, 4, 0},
		{"GELUTanh", GELUTanh, func(x float64) float64 {
			return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		}, -6, 10, 4, 5e-7},
	} {
		for i := range 100001 {
			x := float32(c.lo + (c.hi-c.lo)*float64(i)/100000)
			got, want := float64(c.f(x)), c.want(float64(x))
			_, e := math.Frexp(want)
			if d := math.Abs(got - want); d > c.ulp*math.Ldexp(1, e-24) && d > c.abs {
				t.Errorf("%s(%v) = %v, want %v", c.name, x, got, want)
				break
			}
		}
	}
}

func TestEdges(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, c := range []struct {
		name      string
		got, want float32
	}{
		{"Exp2(-inf)", Exp2(-inf), 0}, {"Exp2(-127)", Exp2(-127), 0}, {"Exp2(128)", Exp2(128), inf}, {"Exp2(0)", Exp2(0), 1},
		{"Exp(-inf)", Exp(-inf), 0}, {"Exp(inf)", Exp(inf), inf}, {"Exp(0)", Exp(0), 1},
		{"Sigmoid(-inf)", Sigmoid(-inf), 0}, {"Erf(inf)", Erf(inf), 1}, {"Erf(-inf)", Erf(-inf), -1}, {"Tanh(inf)", Tanh(inf), 1},
		{"GELU(-40)", GELU(-40), 0}, {"SiLU(-200)", SiLU(-200), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestDouble(t *testing.T) {
	for i := range 100000 {
		x := float64(i)*0.1 - 5000
		s, c := SinCos64(x)
		if math.Abs(s-math.Sin(x)) > 1e-15 || math.Abs(c-math.Cos(x)) > 1e-15 {
			t.Fatalf("SinCos64(%v) = %v, %v; want %v, %v", x, s, c, math.Sin(x), math.Cos(x))
		}
		y := x / 50
		if d := math.Abs(Exp64(y)/math.Exp(y) - 1); d > 1e-15 {
			t.Fatalf("Exp64(%v) is off by %v", y, d)
		}
	}
}
