package noise

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// The functions of ATen/native/cpu/avx_mathfun.h (after cephes, by way of Julien Pommier's sse_mathfun), in
// the roundings that torch's builds give them: the compiler fuses a product with the addition that follows it, and of
// two products that are added the one that is computed first.

func madd(x, y, z float32) float32 { return numeric.FMA(x, y, z) }

// logAVX is log256_ps for one positive, normal number.
func logAVX(x float32) float32 {
	b := math.Float32bits(x)
	e := float32(int(b>>23)-127) + 1
	x = math.Float32frombits(b&0x807fffff | 0x3f000000)
	var tmp float32
	if x < 0.707106781186547524 {
		tmp = x
		e--
	}
	x = (x - 1) + tmp
	z := float32(x * x)
	y := float32(7.0376836292e-2)
	for _, p := range [...]float32{-1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
		-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1} {
		y = madd(y, x, p)
	}
	y = float32(y * x)
	y = madd(y, z, float32(e*-2.12194440e-4))
	y = madd(z, -0.5, y)
	x += y
	return madd(e, 0.693359375, x)
}

// sincosAVX is sincos256_ps for one number of [0, 2 pi].
func sincosAVX(x float32) (sin, cos float32) {
	q := int32(float32(x * 1.27323954473516))
	q = (q + 1) &^ 1
	y := float32(q)
	x = madd(y, -0.78515625, x)
	x = madd(y, -2.4187564849853515625e-4, x)
	x = madd(y, -3.77489497744594108e-8, x)
	z := float32(x * x)
	c := float32(2.443315711809948e-5)
	c = madd(c, z, -1.388731625493765e-3)
	c = madd(c, z, 4.166664568298827e-2)
	c = madd(float32(c*z), z, -float32(z*0.5)) + 1
	s := float32(-1.9515295891e-4)
	s = madd(s, z, 8.3321608736e-3)
	s = madd(s, z, -1.6666654611e-1)
	s = float32(s * z)
	s = madd(s, x, x)
	sin, cos = s, c
	if q&2 != 0 {
		sin, cos = c, s
	}
	if q&4 != 0 {
		sin = -sin
	}
	if (q-2)&4 == 0 {
		cos = -cos
	}
	return sin, cos
}
