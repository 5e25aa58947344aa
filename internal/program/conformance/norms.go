package conformance

import "github.com/seed-8af8f8e1/flow/internal/program"

// groupNorm is a case over inputs of the given channels; shape is that of an input beside batch and channels.
func groupNorm(name string, groups int, channels []int, shape ...int) Case {
	return Case{Name: "group norm/" + name, Bound: 2e-6, build: func(b *program.Builder, n int) {
		total := 0
		var xs []program.ID
		for i, c := range channels {
			xs = append(xs, input(b, "x"+string(rune('0'+i)), append(append([]int{n}, shape...), c)...))
			total += c
		}
		y := b.GroupNorm(groups, 1e-5, b.Weight("gamma", total), b.Weight("beta", total), xs...)
		b.Output("y", y)
		b.Output("activated", b.Activate(program.SiLU, y))
	}}
}

// layerNorm is a case of rows of c channels.
func layerNorm(name string, c int, gamma, beta bool) Case {
	return Case{Name: "layer norm/" + name, Bound: 2e-6, build: func(b *program.Builder, n int) {
		gains := [2]program.ID{}
		for i, has := range []bool{gamma, beta} {
			if has {
				gains[i] = b.Weight([]string{"gamma", "beta"}[i], c)
			}
		}
		b.Output("y", b.LayerNorm(1e-5, input(b, "x", n, 5, c), gains[0], gains[1]))
	}}
}

// filled is a case with other numbers in its first input and another bound.
func (c Case) filled(name string, bound float64, f number) Case {
	c.Name, c.Bound = c.Name+", "+name, bound
	c.fill = map[string]number{"x": f, "x0": f}
	return c
}

func norms() []Case {
	image, rows := groupNorm("image", 4, []int{12}, 5, 9), layerNorm("100", 100, true, true)
	// The output's map is x*a + b: where the mean is 100 standard deviations, both terms are 100 times the result.
	const distant = 2e-5
	// Where nothing varies, eps makes the gain 316: so are the map's terms larger than the result.
	const constant = 1e-4
	far := number(normal).around(100)
	return []Case{
		image,
		groupNorm("one group", 1, []int{7}, 3, 17),
		groupNorm("a group a channel", 5, []int{5}, 4, 8),
		groupNorm("one pixel", 2, []int{8}, 1, 1),
		groupNorm("one column", 2, []int{8}, 9, 1),
		groupNorm("tokens", 3, []int{12}, 19),
		groupNorm("several inputs", 3, []int{4, 9, 5}, 3, 8),
		groupNorm("groups over the border of inputs", 2, []int{3, 33}, 6, 10),
		groupNorm("wide image", 2, []int{4}, 3, 200),
		groupNorm("many channels", 32, []int{640}, 3, 3),
		image.filled("mean of 100 deviations", distant, far),
		image.filled("mean of -1000, deviation of 10", distant, number(normal).times(8).around(-1000)),
		image.filled("huge", 2e-6, number(normal).times(0x1p50)),
		image.filled("variance below eps", 2e-6, number(normal).times(0x1p-9)),
		image.filled("subnormal", 2e-6, number(normal).times(0x1p-130)),
		image.filled("constant", constant, choose(3)),
		rows,
		layerNorm("no gain", 33, false, false),
		layerNorm("gain only", 16, true, false),
		layerNorm("shift only", 17, false, true),
		layerNorm("one channel", 1, true, true),
		layerNorm("15", 15, true, true),
		layerNorm("1280", 1280, true, true),
		rows.filled("mean of 100 deviations", distant, far),
		rows.filled("huge", 2e-6, number(normal).times(0x1p50)),
		rows.filled("variance below eps", 2e-6, number(normal).times(0x1p-9)),
		rows.filled("subnormal", 2e-6, number(normal).times(0x1p-130)),
		rows.filled("constant", 2e-6, choose(3)),
	}
}
