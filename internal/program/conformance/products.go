package conformance

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// linear is a case of a linear layer from c to k channels; shape is that of x beside batch and channels.
func linear(name string, bound float64, c, k int, bias bool, shape ...int) Case {
	return Case{Name: "linear/" + name, Bound: bound, build: func(b *program.Builder, n int) {
		x := input(b, "x", append(append([]int{n}, shape...), c)...)
		var biases []program.ID
		if bias {
			biases = append(biases, b.Weight("bias", k))
		}
		b.Output("y", b.Product([]program.Tap{{X: x, W: b.Weight("w", k, c)}}, biases, program.None))
	}}
}

func products() []Case {
	const bound = 1e-6
	cases := []Case{
		linear("1x1x1", bound, 1, 1, false),
		linear("one row", bound, 40, 17, true),
		linear("tokens", bound, 16, 33, true, 7),
		linear("odd channels", bound, 37, 19, true, 5),
		linear("image", bound, 9, 48, false, 3, 5),
		linear("long", 3e-6, 1500, 20, true, 2),
		linear("wide", bound, 24, 1000, true, 3),
		linear("many rows", bound, 5, 5, true, 31, 41),
	}
	for m := 1; m <= 13; m += 3 { // tails of rows, outputs and channels
		for k := 15; k <= 17; k++ {
			cases = append(cases, linear(fmt.Sprintf("%dx%dx%d", m, k, 2*k-m), bound, 2*k-m, k, true, m))
		}
	}
	huge := linear("huge", bound, 30, 21, true, 4)
	huge.fill = map[string]number{"x": number(normal).times(0x1p100), "bias": number(normal).times(0x1p96)}
	tiny := linear("subnormal", bound, 30, 21, false, 4)
	tiny.fill = map[string]number{"x": number(normal).times(0x1p-128)}
	edge := linear("near the smallest operands", bound, 30, 21, false, 4)
	edge.fill = map[string]number{"x": number(normal).times(0x1p-63)}
	special := linear("infinite and not a number", bound, 4, 21, true, 9)
	special.fill = map[string]number{"x": choose(1, 2, -1, infinity, nan), "w": choose(1, 2, 3)}
	cancel := linear("cancelling", 1e-4, 64, 21, true, 4)
	cancel.fill = map[string]number{"x": number(normal).around(1000)}
	huge.Beyond, tiny.Beyond, edge.Beyond = true, true, true
	return append(cases, huge, tiny, edge, special, cancel, severalBiases(), segmentsOfOneWeight())
}

// severalBiases has two biases and one for each batch entry, and a program without any bias but that.
func severalBiases() Case {
	return Case{Name: "linear/several biases", Bound: 1e-6, build: func(b *program.Builder, n int) {
		x, y := input(b, "x", n, 3, 5, 6), input(b, "batch", n, 18)
		w := b.Weight("w", 18, 6, 1, 1)
		taps := []program.Tap{{X: x, W: w}}
		b.Output("all", b.Product(taps, []program.ID{b.Weight("b1", 18), program.None, b.Weight("b2", 18)}, y))
		b.Output("batch", b.Product(taps, nil, y))
		b.Output("computed", b.Product(taps, nil, b.Activate(program.SiLU, y)))
	}}
}

// segmentsOfOneWeight reads two inputs as if concatenated.
func segmentsOfOneWeight() Case {
	return Case{Name: "linear/segments", Bound: 1e-6, build: func(b *program.Builder, n int) {
		x, y := input(b, "x", n, 9, 7), input(b, "y", n, 9, 10)
		w := b.Weight("w", 40, 17)
		b.Output("y", b.Product([]program.Tap{{X: x, W: w}, {X: y, W: w, WOffset: 7}, {X: x, W: b.Weight("v", 40, 7)}}, nil, program.None))
	}}
}

// conv is a case of a convolution over an image of h x w pixels.
func conv(name string, h, w, c, k int, t program.Tap) Case {
	return Case{Name: "conv/" + name, Bound: 1e-6, build: func(b *program.Builder, n int) {
		tap := t
		tap.X, tap.W = input(b, "x", n, h, w, c), b.Weight("w", k, c, t.KH, t.KW)
		b.Output("y", b.Product([]program.Tap{tap}, []program.ID{b.Weight("bias", k)}, program.None))
	}}
}

func convolutions() []Case {
	three := program.Tap{KH: 3, KW: 3, PadTop: 1, PadLeft: 1}
	with := func(t program.Tap, stride, pad, h, w int) program.Tap {
		t.Stride, t.PadTop, t.PadLeft, t.OutH, t.OutW = stride, pad, pad, h, w
		return t
	}
	return []Case{
		conv("3x3", 5, 7, 6, 20, three),
		conv("3x3 on one pixel", 1, 1, 5, 3, three),
		conv("3x3 on one row", 1, 9, 4, 17, three),
		conv("3x3 on one column", 9, 1, 4, 17, three),
		conv("3x3 without border", 6, 5, 3, 8, with(three, 1, 0, 4, 3)),
		conv("3x3 wide border", 2, 3, 3, 8, with(three, 1, 2, 4, 5)),
		conv("stride 2", 7, 6, 5, 18, with(three, 2, 1, 4, 3)),
		conv("stride 2, border after", 6, 8, 5, 18, with(three, 2, 0, 3, 4)),
		conv("stride 2 of 1x1", 5, 5, 7, 9, program.Tap{KH: 1, KW: 1, Stride: 2, OutH: 3, OutW: 3}),
		conv("2x3", 4, 6, 3, 5, program.Tap{KH: 2, KW: 3, PadLeft: 1, OutH: 3, OutW: 6}),
		conv("5x5", 6, 6, 3, 5, program.Tap{KH: 5, KW: 5, PadTop: 2, PadLeft: 2}),
		conv("patches", 17, 18, 3, 17, program.Tap{KH: 8, KW: 8, Stride: 8, OutH: 2, OutW: 2}), // a remainder is left out
		conv("1x1", 5, 3, 33, 31, program.Tap{KH: 1, KW: 1}),
		conv("many channels", 4, 5, 70, 65, three),
		conv("many rows", 37, 41, 4, 6, three),
		{Name: "conv/with shortcut", Bound: 1e-6, build: func(b *program.Builder, n int) {
			h, x, y := input(b, "h", n, 5, 6, 9), input(b, "x", n, 5, 6, 4), input(b, "y", n, 5, 6, 7)
			first, w := three, b.Weight("shortcut", 21, 11, 1, 1)
			first.X, first.W = h, b.Weight("w", 21, 9, 3, 3)
			b.Output("y", b.Product([]program.Tap{first, {X: x, W: w}, {X: y, W: w, WOffset: 4}},
				[]program.ID{b.Weight("b1", 21), b.Weight("b2", 21)}, program.None))
		}},
	}
}
