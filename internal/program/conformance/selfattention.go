package conformance

import "github.com/seed-8af8f8e1/flow/internal/program"

// columns is a case of the attention that keys receive, h x w of them from as many queries.
func columns(name string, t, s, c, heads int) Case {
	return Case{Name: "attention columns/" + name, Bound: 2e-6, BF16: 2e-6, build: func(b *program.Builder, n int) {
		b.Output("y", b.AttentionColumns(input(b, "q", n, t, c), input(b, "k", n, s, c), heads, 0.3))
	}}
}

// degrade is a case of latents h x w under a map of mapH x mapW.
func degrade(name string, h, w, mapH, mapW int, taps []float32, p program.Prediction) Case {
	return Case{Name: "degrade/" + name, Bound: 1e-6,
		fill: map[string]number{"columns": choose(0.5, 1, 1.0000001, 2), "c": choose(0.5, 0.75)},
		build: func(b *program.Builder, n int) {
			x, e := input(b, "x", n, h, w, 4), input(b, "e", n, h, w, 4)
			b.Output("y", b.Degrade(x, e, input(b, "columns", n, mapH*mapW), input(b, "c", 1, 4), program.Degrade{MapH: mapH, MapW: mapW, Taps: taps, Prediction: p}))
		}}
}

func selfAttention() []Case {
	wide := []float32{0.0625, 0.0625, 0.125, 0.125, 0.25, 0.125, 0.125, 0.0625, 0.0625}
	return []Case{
		columns("one", 1, 1, 1, 1),
		columns("odd heads", 15, 15, 21, 3),
		columns("more keys than queries", 3, 77, 16, 2),
		columns("64 channels a head", 49, 49, 128, 2),
		columns("513 keys", 9, 513, 6, 2),
		columns("575 queries and keys", 575, 575, 5, 1),
		degrade("one pixel", 1, 1, 1, 1, wide, program.PredictEpsilon),
		degrade("narrower than the blur", 3, 2, 2, 1, wide, program.PredictEpsilon),
		degrade("map halves oddly", 13, 19, 4, 5, wide, program.PredictV),
		degrade("one tap", 8, 8, 2, 2, []float32{1}, program.PredictSample),
		degrade("map as large", 7, 9, 7, 9, []float32{0.25, 0.5, 0.25}, program.PredictEpsilon),
		{Name: "self guidance", Bound: 1e-6, build: func(b *program.Builder, n int) {
			g, u, d := input(b, "g", n, 9, 31), input(b, "u", n, 9, 31), input(b, "d", n, 9, 31)
			b.Output("y", b.SelfGuidance(g, u, d, 0.75))
		}},
	}
}
