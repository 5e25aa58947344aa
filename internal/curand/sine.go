package curand

import (
	"math"
	"math/bits"
)

// The sine unit of NVIDIA's GPUs (Oberman and Siu, 2005) as cuRAND reaches it by __sincosf: what it adds up and cuts off is known of the
// G80 (envytools, nvhw/sfu.c), and every number with all its digits that torch is known to have drawn agrees with it to the bit.

// quarters is an angle of [0, 2 pi] as the unit reads it: in quarter turns with 23 bits behind the point. The compiler multiplies by 1/(2 pi),
// rounded towards zero, and the unit cuts off.
func quarters(v float32) uint32 {
	const turn = 0xa2f983 // 1/(2 pi) is turn * 2^-26
	b := math.Float32bits(v)
	p := uint64(b&0x7fffff|1<<23) * turn // v/(2 pi) is p * 2^(e-176), e the exponent's bits
	drop := 23 + p>>47
	return uint32(p >> drop << drop >> (151 - b>>23))
}

// sine is that of an angle in quarter turns with 23 bits behind the point, of which whole turns count for nothing.
func sine(q uint32) float32 {
	at := q & (1<<23 - 1)
	if q>>23&1 == 1 {
		at = ^at & (1<<23 - 1)
	}
	y := quadratic(&sineTable[at>>17], at&(1<<17-1))
	if q>>24&1 == 1 {
		return -y
	}
	return y
}

// quadratic evaluates a stretch of the table, and cuts off to 24 bits.
func quadratic(c *[3]int32, x uint32) float32 {
	y := uint64(int64(c[0])<<11 + int64(c[1])*int64(x) - int64(c[2])*int64(square(x)))
	if drop := bits.Len64(y) - 24; drop > 0 {
		y = y >> drop << drop
	}
	return float32(y) * 0x1p-37
}

// SineTable is the unit's table, for executors: 64 stretches of three numbers.
func SineTable() []int32 {
	flat := make([]int32, 0, 3*len(sineTable))
	for i := range sineTable {
		flat = append(flat, sineTable[i][:]...)
	}
	return flat
}

// square is the unit's x^2 / 2^18 for 17 bits: what each bit of x adds is cut off.
func square(x uint32) uint32 {
	sum := uint32(0)
	for i := range 17 {
		if x>>i&1 == 1 {
			sum += x >> (18 - i)
		}
	}
	return sum >> 1
}
