package kernel

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// The shape of a tile: MR rows of x against a panel of NR outputs.
const (
	MR = 6
	NR = 16
)

// Tile holds the accumulators of MR rows and NR outputs.
type Tile [MR * NR]float32

// Panel is a stretch of weights for NR outputs: element c*NR+j belongs to channel c, output j.
type Panel = []float32

// Dot adds the terms of len(x) taps of n channels each, taps and channels ascending, to the
// first rows rows of acc: acc[r*NR+j] += x[t][r][c] * w[(t*n+c)*NR+j]. All MR rows of a
// tap have at least n elements, used or not.
type Dot = func(acc *Tile, x [][MR][]float32, w Panel, n, rows int)

func productF32(acc *Tile, x [][MR][]float32, w Panel, n, rows int) {
	if n == 0 {
		return
	}
	for t := range x {
		panel := w[t*n*NR : (t+1)*n*NR]
		for r := range rows {
			row := x[t][r][:n]
			for j := 0; j < NR; j += 4 {
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

func productBF16(acc *Tile, x [][MR][]float32, w Panel, n, rows int) {
	if n == 0 {
		return
	}
	for t := range x {
		panel := w[t*n*NR : (t+1)*n*NR]
		for r := range rows {
			row := x[t][r][:n]
			for j := 0; j < NR; j += 4 {
				dotsBF16((*[4]float32)(acc[r*NR+j:]), row, panel[j:])
			}
		}
	}
}

// dotsBF16 adds row . w for four neighbouring outputs. A product of operands is exact unless it
// overflows, so an unfused addition rounds as a fused one does.
func dotsBF16(acc *[4]float32, row []float32, w Panel) {
	a0, a1, a2, a3 := acc[0], acc[1], acc[2], acc[3]
	for c := 0; c+1 < len(row); c += 2 {
		v0, v1 := (*[4]float32)(w[c*NR:]), (*[4]float32)(w[c*NR+NR:])
		x := row[c+1]
		s0, s1, s2, s3 := x*v1[0]+a0, x*v1[1]+a1, x*v1[2]+a2, x*v1[3]+a3
		if !ordinary(s0) || !ordinary(s1) || !ordinary(s2) || !ordinary(s3) {
			s0, s1, s2, s3 = fmaFlush(x, v1[0], a0), fmaFlush(x, v1[1], a1), fmaFlush(x, v1[2], a2), fmaFlush(x, v1[3], a3)
		}
		x = row[c]
		a0, a1, a2, a3 = x*v0[0]+s0, x*v0[1]+s1, x*v0[2]+s2, x*v0[3]+s3
		if !ordinary(a0) || !ordinary(a1) || !ordinary(a2) || !ordinary(a3) {
			a0, a1, a2, a3 = fmaFlush(x, v0[0], s0), fmaFlush(x, v0[1], s1), fmaFlush(x, v0[2], s2), fmaFlush(x, v0[3], s3)
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
