package kernel

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// The shape of a tile: MR rows of x against a panel of NR outputs.
const (
	MR = 8
	NR = 32
)

// Tile holds the accumulators of MR rows and NR outputs.
type Tile [MR * NR]float32

// Operands of products lie in words of 32 bits, in slices of float32: for fp32 a word is one channel; for bf16 it is the bits of
// two, the even channel in the lower half, and the last of an odd number has a zero above it. See [Words].

// Panel is a stretch of weights for NR outputs: element c*NR+j is word c of output j.
type Panel = []float32

// Words is the number of words of c channels; round says that they are rounded to bf16.
func Words(c int, round bool) int {
	if round {
		return (c + 1) / 2
	}
	return c
}

// Dot adds the terms of len(x) taps of n words each, taps and words ascending, to the first rows rows and cols columns of acc:
// acc[r*NR+j] += x[t][r][c] * w[(t*n+c)*NR+j]. All MR rows of a tap have at least n words, used or not; other columns
// of acc may change.
type Dot = func(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int)

func productF32(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	if n == 0 {
		return
	}
	for t := range x {
		panel := w[t*n*NR : (t+1)*n*NR]
		for r := range rows {
			row := x[t][r][:n]
			for j := 0; j < cols; j += 4 {
				dotsF32((*[4]float32)(acc[r*NR+j:]), row, panel[j:])
			}
		}
	}
}

// dotsF32 adds row . w for four neighbouring outputs; it is numeric.FMA four times a channel.
func dotsF32(acc *[4]float32, row []float32, w Panel) {
	a0, a1, a2, a3 := acc[0], acc[1], acc[2], acc[3]
	for c, x := range row {
		v := (*[4]float32)(w[c*NR:])
		d := float64(x)
		s0 := d*float64(v[0]) + float64(a0)
		s1 := d*float64(v[1]) + float64(a1)
		s2 := d*float64(v[2]) + float64(a2)
		s3 := d*float64(v[3]) + float64(a3)
		if careful(s0) || careful(s1) || careful(s2) || careful(s3) {
			a0, a1 = numeric.FMAExact(x, v[0], a0), numeric.FMAExact(x, v[1], a1)
			a2, a3 = numeric.FMAExact(x, v[2], a2), numeric.FMAExact(x, v[3], a3)
			continue
		}
		a0, a1, a2, a3 = float32(s0), float32(s1), float32(s2), float32(s3)
	}
	acc[0], acc[1], acc[2], acc[3] = a0, a1, a2, a3
}

// careful says whether rounding the sum s to float32 might round twice.
func careful(s float64) bool {
	b := math.Float64bits(s)
	return b&numeric.LowBits == numeric.Halfway || b<<1-1 < numeric.TinyBits
}

func productBF16(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
	if n == 0 {
		return
	}
	for r := range rows {
		for j := range acc[r*NR:][:NR] {
			acc[r*NR+j] = numeric.FlushSubnormal(acc[r*NR+j])
		}
	}
	for t := range x {
		panel := w[t*n*NR : (t+1)*n*NR]
		for r := range rows {
			row := x[t][r][:n]
			for j := 0; j < cols; j += 4 {
				dotsBF16((*[4]float32)(acc[r*NR+j:]), row, panel[j:])
			}
		}
	}
}

// dotsBF16 adds row . w for four neighbouring outputs, of each word the odd channel first. A product of operands is exact
// unless it overflows, so an unfused addition rounds as a fused one does.
func dotsBF16(acc *[4]float32, row []float32, w Panel) {
	a0, a1, a2, a3 := acc[0], acc[1], acc[2], acc[3]
	for c, pair := range row {
		v := (*[4]float32)(w[c*NR:])
		x := odd(pair)
		w0, w1, w2, w3 := odd(v[0]), odd(v[1]), odd(v[2]), odd(v[3])
		s0, s1, s2, s3 := x*w0+a0, x*w1+a1, x*w2+a2, x*w3+a3
		if !ordinary(s0) || !ordinary(s1) || !ordinary(s2) || !ordinary(s3) {
			s0, s1, s2, s3 = fmaFlush(x, w0, a0), fmaFlush(x, w1, a1), fmaFlush(x, w2, a2), fmaFlush(x, w3, a3)
		}
		x = even(pair)
		w0, w1, w2, w3 = even(v[0]), even(v[1]), even(v[2]), even(v[3])
		a0, a1, a2, a3 = x*w0+s0, x*w1+s1, x*w2+s2, x*w3+s3
		if !ordinary(a0) || !ordinary(a1) || !ordinary(a2) || !ordinary(a3) {
			a0, a1, a2, a3 = fmaFlush(x, w0, s0), fmaFlush(x, w1, s1), fmaFlush(x, w2, s2), fmaFlush(x, w3, s3)
		}
	}
	acc[0], acc[1], acc[2], acc[3] = a0, a1, a2, a3
}

// ordinary says whether x is neither zero, subnormal, infinite nor NaN.
func ordinary(x float32) bool {
	return math.Float32bits(x)&0x7f800000-0x00800000 < 0x7f000000
}

// fmaFlush is one addition of a bf16 product by its definition.
func fmaFlush(x, w, acc float32) float32 { return numeric.FlushSubnormal(numeric.FMAExact(x, w, acc)) }

// even and odd are the channels of a word.
func even(word float32) float32 { return math.Float32frombits(math.Float32bits(word) << 16) }
func odd(word float32) float32  { return math.Float32frombits(math.Float32bits(word) & 0xffff0000) }

// pair makes a word of two channels.
func pair(even, odd float32) float32 {
	return math.Float32frombits(math.Float32bits(numeric.RoundBF16(even))>>16 | math.Float32bits(numeric.RoundBF16(odd)))
}

// Channels takes words apart: dst are the channels.
func Channels(dst, words []float32) {
	for i := range dst {
		if i%2 == 0 {
			dst[i] = even(words[i/2])
		} else {
			dst[i] = odd(words[i/2])
		}
	}
}

// pairs makes words of neighbouring channels.
func pairs(dst, x []float32) {
	for i := range dst[:len(x)/2] {
		dst[i] = pair(x[2*i], x[2*i+1])
	}
	if len(x)%2 == 1 {
		dst[len(x)/2] = pair(x[len(x)-1], 0)
	}
}

// noChannel is the upper half of words that end an odd number of channels.
var noChannel [NR]float32

// pairLines makes words of pairs of lines.
func pairLines(dst, x []float32, step, k int) {
	for e := 0; e < k; e += 2 {
		odd := noChannel[:]
		if e+1 < k {
			odd = x[(e+1)*step:][:NR]
		}
		pairRows(dst[e/2*NR:][:NR], x[e*step:][:NR], odd)
	}
}

// lineWords makes words of pairs of lines that are words of neighbours.
func lineWords(dst, x []float32, step, k int) {
	for e := 0; e < k; e += 2 {
		low, high := x[e*step:][:NR/2], noChannel[:]
		if e+1 < k {
			high = x[(e+1)*step:][:NR/2]
		}
		for i, v := range low {
			a, b := math.Float32bits(v), math.Float32bits(high[i])
			dst[e/2*NR+2*i] = math.Float32frombits(a&0xffff | b<<16)
			dst[e/2*NR+2*i+1] = math.Float32frombits(a>>16 | b&0xffff0000)
		}
	}
}

// pairRows makes words of two rows of channels.
func pairRows(dst, a, b []float32) {
	for i, v := range a {
		dst[i] = pair(v, b[i])
	}
}
