package conformance

import "github.com/seed-8af8f8e1/flow/internal/program"

// winograds are convolutions by Winograd's algorithm.
func winograds() []Case {
	const bound = 4e-6
	build := func(b *program.Builder, x program.ID, k, pad, outH, outW int, biases ...program.ID) program.ID {
		w := b.Weight("w", k, b.Dim(x, -1), 3, 3)
		return b.Winograd(program.Tap{X: x, W: w, KH: 3, KW: 3, PadTop: pad, PadLeft: pad, OutH: outH, OutW: outW}, biases)
	}
	one := func(name string, h, w, c, k, pad, outH, outW int) Case {
		return Case{Name: "winograd/" + name, Bound: bound, build: func(b *program.Builder, n int) {
			b.Output("y", build(b, input(b, "x", n, h, w, c), k, pad, outH, outW, b.Weight("bias", k)))
		}}
	}
	cases := []Case{
		one("one pixel", 1, 1, 5, 3, 1, 0, 0),
		one("one tile", 4, 4, 3, 32, 1, 0, 0),
		one("one row", 1, 9, 4, 17, 1, 0, 0),
		one("one column", 9, 1, 4, 17, 1, 0, 0),
		one("odd", 7, 10, 9, 33, 1, 0, 0),
		one("without border", 8, 9, 3, 8, 0, 6, 7),
		one("wide border", 5, 6, 3, 8, 2, 7, 8),
		one("many channels", 6, 5, 70, 150, 1, 0, 0),
		one("many tiles", 37, 70, 5, 6, 1, 0, 0),
		{Name: "winograd/enlarged", Bound: bound, build: func(b *program.Builder, n int) {
			x := b.Upsample(input(b, "x", n, 5, 7, 6), 10, 14)
			b.Output("y", build(b, x, 9, 1, 0, 0))
		}},
		{Name: "winograd/enlarged otherwise", Bound: bound, build: func(b *program.Builder, n int) {
			x := b.Upsample(input(b, "x", n, 5, 7, 6), 10, 13)
			b.Output("y", build(b, x, 9, 1, 0, 0))
			b.Output("twice", build(b, b.Upsample(x, 20, 26), 9, 1, 0, 0))
		}},
		{Name: "winograd/residual and norm", Bound: 1e-4, build: func(b *program.Builder, n int) {
			x := input(b, "x", n, 10, 11, 6)
			y := build(b, x, 36, 1, 0, 0, b.Weight("b1", 36), b.Weight("b2", 36))
			y = b.Add(y, input(b, "residual", n, 10, 11, 36))
			b.Output("y", y)
			b.Output("normed", b.Activate(program.SiLU, b.GroupNorm(4, 1e-5, b.Weight("g", 36), b.Weight("b", 36), y)))
		}},
		{Name: "winograd/gated", Bound: 1e-5, build: func(b *program.Builder, n int) {
			b.Output("y", b.GEGLU(build(b, input(b, "x", n, 5, 6, 4), 12, 1, 0, 0)))
		}},
	}
	special := one("infinite and not a number", 9, 9, 4, 21, 1, 0, 0)
	special.fill = map[string]number{"bias": choose(1, 2, -1, infinity, nan)}
	return append(cases, special)
}
