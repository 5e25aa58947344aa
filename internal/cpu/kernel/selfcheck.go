//go:build (amd64 || arm64) && !purego

package kernel

import "math"

// dotsAsDefined says whether a processor's dot products of bf16 pairs are those of docs/numerics.md, on sums whose value
// another order of additions, another rounding or another treatment of small numbers changes. The instruction's definition leaves
// room that the processors known so far do not use; one that did would lose this tier, not the bits.
func dotsAsDefined(dot Dot) bool {
	const rows = 1
	directed := [][5]float32{ // acc, x0, w0, x1, w1
		{0x1p24, 1, 1, 1, 1},
		{1, 0x1p-24, 1, 0x1p-24, 1},
		{1, 0x1.8p-24, 1, -0x1p-24, 1},
		{-0x1p127, 0x1.8p64, 0x1p63, 0, 0},
		{0x1.fffffep127, 0x1p103, 0x1p24, -0x1p103, 0x1p24},
		{0x1p-126, -0x1.8p-63, 0x1p-63, 0, 0},
		{0x1p-140, 0x1p-60, 0x1p-60, 0x1p-63, 0x1p-63},
		{-1, 1, 1, 0, -1},
		{0x1.000002p0, 0x1p-12, 0x1p-12, 0x1.01p-12, 0x1.01p-12},
		{3, 0x1.55p5, -0x1.ffp-3, 0x1.23p4, 0x1.77p-1},
	}
	word := func(even, odd float32) float32 {
		return math.Float32frombits(math.Float32bits(even)>>16 | math.Float32bits(odd)&0xffff0000)
	}
	for _, d := range directed {
		var want, got Tile
		for j := range NR {
			want[j], got[j] = d[0], d[0]
		}
		var x [1][MR][]float32
		for r := range x[0] {
			x[0][r] = []float32{word(d[1], d[3])}
		}
		panel := make(Panel, NR)
		for j := range panel {
			panel[j] = word(d[2], d[4])
		}
		productBF16(&want, x[:], panel, 1, rows, NR)
		dot(&got, x[:], panel, 1, rows, NR)
		for j := range NR {
			if math.Float32bits(got[j]) != math.Float32bits(want[j]) {
				return false
			}
		}
	}
	return true
}
