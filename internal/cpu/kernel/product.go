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

// Products are the inner loops of one tier. Each adds n terms, channels
// ascending, to the first rows rows of acc: acc[r*NR+j] += x[r][c] * w[c*NR+j].
type Products struct {
	Name string
	// F32 adds fp32 terms, one IEEE fused multiply-add each.
	F32 func(acc *Tile, x *[MR][]float32, w Panel, n, rows int)
	// BF16 adds terms of rounded operands in pairs, odd channel first, with flush to
	// zero; n is even.
	BF16 func(acc *Tile, x *[MR][]float32, w Panel, n, rows int)
}

// Plain is the oracle: plain Go.
var Plain = Products{Name: "go", F32: productF32, BF16: productBF16}

func productF32(acc *Tile, x *[MR][]float32, w Panel, n, rows int) {
	for r := range rows {
		row := x[r][:n]
		for j := 0; j < NR; j += 4 {
			dotsF32((*[4]float32)(acc[r*NR+j:]), row, w[j:])
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

func productBF16(acc *Tile, x *[MR][]float32, w Panel, n, rows int) {
	for r := range rows {
		row := x[r][:n]
		for j := 0; j < NR; j += 4 {
			dotsBF16((*[4]float32)(acc[r*NR+j:]), row, w[j:])
		}
	}
}

// dotsBF16 adds row . w for four neighbouring outputs. The products are exact, so a fused or
// an unfused addition rounds alike.
func dotsBF16(acc *[4]float32, row []float32, w Panel) {
	a0, a1, a2, a3 := acc[0], acc[1], acc[2], acc[3]
	for c := 0; c+1 < len(row); c += 2 {
		x0, x1 := row[c], row[c+1]
		v0, v1 := (*[4]float32)(w[c*NR:]), (*[4]float32)(w[c*NR+NR:])
		a0 = flush(x0*v0[0] + flush(x1*v1[0]+a0))
		a1 = flush(x0*v0[1] + flush(x1*v1[1]+a1))
		a2 = flush(x0*v0[2] + flush(x1*v1[2]+a2))
		a3 = flush(x0*v0[3] + flush(x1*v1[3]+a3))
	}
	acc[0], acc[1], acc[2], acc[3] = a0, a1, a2, a3
}

func flush(x float32) float32 {
	if math.Float32bits(x)&0x7f800000 != 0 {
		return x
	}
	return numeric.FlushSubnormal(x)
}
