package picture

import "math"

// precision is the number of fraction bits of a coefficient: 32 bits less 8 of the sample and 2 of head room (Pillow's PRECISION_BITS).
const precision = 32 - 8 - 2

// Resize is Pillow's Image.resize((width, height)) with its default filter: bicubic (a = -0.5), stretched by the scale when shrinking, in
// fixed point, each pass rounded and clipped to 8 bits. Sizes must be at least 1. A dimension that keeps its size is not filtered.
// Source: libImaging/Resample.c of Pillow 13, which since that release runs the vertical pass first when the height shrinks by more
// than twice as many pixels as the width does; the order shows in the last bit.
func Resize(m *Image8, width, height int) *Image8 {
	if m.Width < 1 || m.Height < 1 || width < 1 || height < 1 {
		panic("picture: resize from or to an empty picture")
	}
	shrink := m.Height - height
	verticalFirst := shrink > 0 && shrink > 2*(m.Width-width)
	out := m
	if verticalFirst {
		out = resizeColumns(out, height)
	}
	out = resizeRows(out, width)
	if !verticalFirst {
		out = resizeColumns(out, height)
	}
	if out == m {
		out = &Image8{m.Width, m.Height, append([]byte(nil), m.Pix...)}
	}
	return out
}

// taps are the coefficients of one output position: sum over i of in[first+i] * weights[i].
type taps struct {
	first   int
	weights []int32
}

// bicubic is the filter of support 2, in float64; conversions keep each product rounded where a compiler could fuse it.
func bicubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64(float64((float64((a+2)*x)-(a+3))*x)*x) + 1
	case x < 2:
		return (float64((float64((x-5)*x)+8)*x) - 4) * a
	}
	return 0
}

// coefficients are those that take in samples to out samples, in Pillow's order of operations.
func coefficients(in, out int) []taps {
	scale := float64(in) / float64(out)
	stretch := max(scale, 1)
	support, inverse := 2*stretch, 1/stretch
	all := make([]taps, out)
	row := make([]float64, 0, 2*int(support)+3)
	for i := range all {
		center := float64((float64(i) + 0.5) * scale)
		first := max(0, int(center-support+0.5))
		end := min(in, int(center+support+0.5))
		row = row[:0]
		total := 0.0
		for x := first; x < end; x++ {
			w := bicubic(float64((float64(x) - center + 0.5) * inverse))
			row = append(row, w)
			total += w
		}
		weights := make([]int32, len(row))
		for k, w := range row {
			if total != 0 {
				w /= total
			}
			fixed := float64(w * (1 << precision))
			if w < 0 {
				weights[k] = int32(-0.5 + fixed)
			} else {
				weights[k] = int32(0.5 + fixed)
			}
		}
		all[i] = taps{first, weights}
	}
	return all
}

// clip8 takes a fixed-point sum, with one half already added, to 8 bits.
func clip8(sum int32) byte { return byte(min(255, max(0, sum>>precision))) }

func resizeRows(m *Image8, width int) *Image8 {
	if width == m.Width {
		return m
	}
	out := New(width, m.Height)
	columns := coefficients(m.Width, width)
	for y := range m.Height {
		src, dst := m.row(y), out.row(y)
		for x, t := range columns {
			r, g, b := int32(1<<(precision-1)), int32(1<<(precision-1)), int32(1<<(precision-1))
			in := src[3*t.first : 3*(t.first+len(t.weights))]
			for i, w := range t.weights {
				p := in[3*i : 3*i+3]
				r += int32(p[0]) * w
				g += int32(p[1]) * w
				b += int32(p[2]) * w
			}
			dst[3*x], dst[3*x+1], dst[3*x+2] = clip8(r), clip8(g), clip8(b)
		}
	}
	return out
}

func resizeColumns(m *Image8, height int) *Image8 {
	if height == m.Height {
		return m
	}
	out := New(m.Width, height)
	sums := make([]int32, 3*m.Width)
	for y, t := range coefficients(m.Height, height) {
		for i := range sums {
			sums[i] = 1 << (precision - 1)
		}
		for i, w := range t.weights {
			for x, v := range m.row(t.first + i) {
				sums[x] += int32(v) * w
			}
		}
		dst := out.row(y)
		for x, sum := range sums {
			dst[x] = clip8(sum)
		}
	}
	return out
}
