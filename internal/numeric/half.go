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
