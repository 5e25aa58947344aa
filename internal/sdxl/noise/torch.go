package noise

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// DType is the element type that the reference draws in.
type DType uint8

// Element types.
const (
	FP32 DType = iota
	FP16
	BF16
)

// TorchCPU gives what torch.manual_seed(seed); torch.randn(n, dtype=dtype) gives on a CPU with AVX2 or
// AVX-512, to the bit, widened to fp32 (ATen/native/cpu/DistributionTemplates.h, normal_fill_AVX2;
// below 16 elements the serial normal_distribution<double>).
func TorchCPU(seed uint64, n int, dtype DType) []float32 {
	out := make([]float32, n)
	g := newMT19937(seed)
	if n < block {
		serial(g, out)
		return Round(out, dtype)
	}
	first := n // fp32 draws for all elements; the half types for whole blocks only
	if dtype != FP32 {
		first -= n % block
	}
	for i := range first {
		out[i] = g.float32()
	}
	for i := 0; i+block <= n; i += block {
		boxMuller((*[block]float32)(out[i:]))
	}
	if n%block != 0 { // the last 16 are drawn anew
		tail := out[n-block:]
		for i := range tail {
			tail[i] = g.float32()
		}
		boxMuller((*[block]float32)(tail))
	}
	return Round(out, dtype)
}

// block is the number of elements of one Box-Muller step: 8 radii, 8 angles.
const block = 16

// serial draws pairs in float64 and keeps the second of a pair for the next element.
func serial(g *mt19937, out []float32) {
	for i := 0; i < len(out); i += 2 {
		u1, u2 := g.float64(), g.float64()
		r := math.Sqrt(-2 * numeric.Log64(1-u2)) // 1-u2 is exact: log1p(-u2)
		sin, cos := numeric.SinCos64(2 * math.Pi * u1)
		out[i] = float32(r * cos)
		if i+1 < len(out) {
			out[i+1] = float32(r * sin)
		}
	}
}

// Round rounds numbers in place to an element type, and widens them again.
func Round(x []float32, dtype DType) []float32 {
	for i, v := range x {
		switch dtype {
		case FP16:
			x[i] = roundF16(v)
		case BF16:
			x[i] = numeric.RoundBF16(v)
		}
	}
	return x
}

// roundF16 rounds to fp16, ties to even. |v| < 65504 for normal numbers.
func roundF16(v float32) float32 {
	b := math.Float32bits(v)
	e := int(b>>23&0xff) - 127
	shift := 13
	if e < -14 { // subnormal in fp16: fewer bits
		shift = 13 + (-14 - e)
	}
	if shift > 24 {
		return math.Float32frombits(b & 0x80000000)
	}
	scale := math.Float32frombits(uint32(127+max(e, -14)+13) << 23) // rounds at the last bit by adding and taking away
	sign := math.Float32frombits(b&0x80000000 | 0x3f800000)
	magnitude := math.Float32frombits(b &^ 0x80000000)
	sum := magnitude + scale
	return (sum - scale) * sign
}

// boxMuller turns 16 uniform numbers into 16 normal ones (normal_fill_16_AVX2).
func boxMuller(x *[block]float32) {
	for j := range block / 2 {
		u1, u2 := 1-x[j], x[j+block/2]
		radius := numeric.Sqrt(-2 * logAVX(u1))
		sin, cos := sincosAVX(float32(2*math.Pi) * u2)
		x[j], x[j+block/2] = float32(radius*cos), float32(radius*sin)
	}
}
