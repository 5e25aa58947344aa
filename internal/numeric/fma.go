package numeric

import "math"

// Bounds of the fast path of [FMA] and of kernels that inline it.
const (
	// LowBits are the bits of a float64 mantissa below those of a float32.
	LowBits = 1<<29 - 1
	// Halfway is the pattern of LowBits that lies half way between two float32 numbers.
	Halfway = 1 << 28
	// TinyBits is (bits of 2^-126 as float64)<<1 - 1: smaller non-zero sums are subnormal in float32.
	TinyBits = 0x3810000000000000<<1 - 1
)

// FMA is x*y + z with one rounding, as IEEE 754 fusedMultiplyAdd of binary32, subnormals included.
//
// The product is exact in float64. Rounding the float64 sum to float32 rounds twice, which
// matters only where the sum lies half way between two float32 numbers or is subnormal.
func FMA(x, y, z float32) float32 {
	s := float64(x)*float64(y) + float64(z)
	b := math.Float64bits(s)
	if b&LowBits != Halfway && b<<1-1 >= TinyBits {
		return float32(s)
	}
	return FMAExact(x, y, z)
}

// FMAExact is [FMA] without the fast path: the float64 sum is rounded to odd
// (Boldo and Melquiond, 2008), so that the second rounding sees on which side the exact sum lies.
func FMAExact(x, y, z float32) float32 {
	p, a := float64(x)*float64(y), float64(z)
	s := p + a
	t := s - p
	err := (p - (s - t)) + (a - t) // Knuth's two-sum: s + err is exact
	b := math.Float64bits(s)
	if err != 0 && !math.IsInf(s, 0) && b&1 == 0 {
		if (err > 0) == (s > 0) {
			b++
		} else {
			b--
		}
	}
	return float32(math.Float64frombits(b))
}
