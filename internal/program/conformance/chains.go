package conformance

import "github.com/seed-8af8f8e1/flow/internal/program"

// chains are the neighbourhoods of operations that models are made of, so that passes find something to do.
func chains() []Case {
	three := func(b *program.Builder, x program.ID, name string, k int) program.Tap {
		return program.Tap{X: x, W: b.Weight(name, k, b.Dim(x, -1), 3, 3), KH: 3, KW: 3, PadTop: 1, PadLeft: 1}
	}
	norm := func(b *program.Builder, name string, groups int, xs ...program.ID) program.ID {
		c := 0
		for _, x := range xs {
			c += b.Dim(x, -1)
		}
		return b.Activate(program.SiLU, b.GroupNorm(groups, 1e-5, b.Weight(name+".g", c), b.Weight(name+".b", c), xs...))
	}
	resnet := func(b *program.Builder, h, w int, x, time program.ID, c int) program.ID {
		y := b.Product([]program.Tap{three(b, norm(b, "n1", 2, x), "w1", c)}, []program.ID{b.Weight("b1", c)}, time)
		y = b.Product([]program.Tap{three(b, norm(b, "n2", 4, y), "w2", c)}, nil, program.None)
		return b.Add(x, y)
	}
	// Roundings before a norm or a bf16 product show more in what follows.
	const bound = 2e-2
	return []Case{
		{Name: "chain/residual block", Bound: bound, build: func(b *program.Builder, n int) {
			x := input(b, "x", n, 9, 11, 24)
			y := resnet(b, 9, 11, x, input(b, "time", n, 24), 24)
			b.Output("y", norm(b, "n3", 3, y))
			b.Output("again", norm(b, "n4", 6, y, x))
		}},
		{Name: "chain/many rows", Bound: bound, build: func(b *program.Builder, n int) {
			x := b.Product([]program.Tap{three(b, input(b, "x", n, 30, 13, 3), "w0", 20)}, nil, program.None)
			b.Output("y", norm(b, "n3", 5, resnet(b, 30, 13, x, program.None, 20), x))
		}},
		{Name: "chain/transformer", Bound: bound, build: func(b *program.Builder, n int) {
			x := input(b, "x", n, 5, 7, 20)
			h := b.Reshape(b.GroupNorm(4, 1e-6, b.Weight("g", 20), b.Weight("b", 20), x), n, 35, 20)
			h = b.Product([]program.Tap{{X: h, W: b.Weight("in", 20, 20)}}, []program.ID{b.Weight("in.b", 20)}, program.None)
			q := b.LayerNorm(1e-5, h, program.None, program.None)
			h = b.Add(b.Product([]program.Tap{{X: b.Attention(q, q, q, 4, 0.4, false), W: b.Weight("o", 20, 20)}}, nil, program.None), h)
			f := b.Product([]program.Tap{{X: b.LayerNorm(1e-5, h, program.None, program.None), W: b.Weight("up", 160, 20)}}, []program.ID{b.Weight("up.b", 160)}, program.None)
			h = b.Add(b.Product([]program.Tap{{X: b.GEGLU(f), W: b.Weight("down", 20, 80)}}, nil, program.None), h)
			h = b.Reshape(b.Product([]program.Tap{{X: h, W: b.Weight("out", 20, 20)}}, nil, program.None), n, 5, 7, 20)
			y := b.Add(h, x)
			b.Output("y", y)
			b.Output("normed", norm(b, "n", 5, y))
		}},
		{Name: "chain/odd gates", Bound: bound, build: func(b *program.Builder, n int) {
			x := input(b, "x", n, 9, 10)
			b.Output("y", b.GEGLU(b.Product([]program.Tap{{X: x, W: b.Weight("w", 42, 10)}}, []program.ID{b.Weight("b", 42)}, program.None)))
			b.Output("even", b.GEGLU(b.Product([]program.Tap{{X: x, W: b.Weight("v", 96, 10)}}, nil, input(b, "batch", n, 96))))
		}},
		{Name: "chain/activations", Bound: bound, build: func(b *program.Builder, n int) {
			x := input(b, "x", n, 9, 10)
			for i, act := range []program.Activation{program.SiLU, program.GELU, program.QuickGELU, program.GELUTanh, program.ReLU} {
				y := b.Product([]program.Tap{{X: x, W: b.Weight("w", 21, 10)}}, []program.ID{b.Weight("b", 21)}, program.None)
				y = b.Activate(act, y)
				b.Output(act.String(), y)
				if i == 0 { // read twice
					b.Output("sum", b.Add(y, y))
				}
			}
		}},
	}
}
