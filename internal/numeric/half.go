package numeric

import "math"

// RoundBF16 rounds an operand of a bf16 product: to nearest, ties to even; magnitudes
// below 2^-63 become zero with their sign; a NaN stays a NaN.
func RoundBF16(x float32) float32 {
	b := math.Float32bits(x)
	e := b & 0x7f800000
	if e >= 0x7f800000 {
		if b&0x007fffff != 0 {
			return math.Float32frombits(b&0xffff0000 | 0x00400000)
		}
		return x
	}
	if e < (127-63)<<23 {
		return math.Float32frombits(b & 0x80000000)
	}
	return math.Float32frombits((b + 0x7fff + b>>16&1) & 0xffff0000)
}

// FlushSubnormal makes a result of a bf16 product's addition: below 2^-126 in
// magnitude it is zero with its sign.
func FlushSubnormal(x float32) float32 {
	b := math.Float32bits(x)
	if b&0x7f800000 == 0 {
		return math.Float32frombits(b & 0x80000000)
	}
	return x
}

// FromBF16 widens a bf16 number exactly.
func FromBF16(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }

// fromF16 holds the float32 of every fp16 pattern.
var fromF16 = func() *[1 << 16]float32 {
	var t [1 << 16]float32
	for i := range t {
		t[i] = widenF16(uint16(i))
	}
	return &t
}()

// FromF16 widens an IEEE binary16 number exactly.
func FromF16(h uint16) float32 { return fromF16[h] }

func widenF16(h uint16) float32 {
	sign, e, m := uint32(h&0x8000)<<16, uint32(h>>10&0x1f), uint32(h&0x3ff)
	switch {
	case e == 31:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	case e != 0:
		return math.Float32frombits(sign | (e+112)<<23 | m<<13)
	}
	v := float32(m) / (1 << 24) // exact
	return math.Float32frombits(sign | math.Float32bits(v))
}

// ToF16 rounds to IEEE binary16, to nearest, ties to even; beyond 65504 it is infinite.
func ToF16(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, m := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case m > 0x7f800000:
		return sign | 0x7e00
	case m >= 0x477ff000: // 65520 and more
		return sign | 0x7c00
	case m < 0x38800000: // below 2^-14: adding 0.5 leaves a subnormal's bits, rounded by the processor
		sum := math.Float32frombits(m) + 0.5
		return sign | uint16(math.Float32bits(sum)-0x3f000000)
	}
	m += 0xfff + (m >> 13 & 1)
	return sign | uint16((m-0x38000000)>>13)
}
