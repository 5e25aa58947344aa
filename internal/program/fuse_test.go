package program

import (
	"slices"
	"testing"
)

// fusible is a residual block over an image, then a gated layer over its pixels.
func fusible() *Program {
	b := NewBuilder("fusible", F32)
	x := b.Input("x", Float32, 2, 3, 5, 8)
	conv := func(x ID, name string) ID {
		return b.Product([]Tap{{X: x, W: b.Weight(name, 8, 8, 3, 3), KH: 3, KW: 3, PadTop: 1, PadLeft: 1}}, nil, None)
	}
	norm := func(name string, xs ...ID) ID {
		n := 8 * len(xs)
		return b.Activate(SiLU, b.GroupNorm(2, 1e-5, b.Weight(name+".g", n), b.Weight(name+".b", n), xs...))
	}
	h := conv(norm("n1", x), "c1")
	h = b.Add(x, conv(norm("n2", h), "c2"))
	b.Output("both", norm("n3", h, x))
	t := b.Reshape(h, 2, 15, 8)
	t = b.GEGLU(b.Product([]Tap{{X: t, W: b.Weight("up", 64, 8)}}, nil, None))
	t = b.Reshape(b.Product([]Tap{{X: t, W: b.Weight("down", 8, 32)}}, nil, None), 2, 3, 5, 8)
	b.Output("y", b.Add(t, h))
	return b.Program()
}

func opNames(p *Program) (names []string) {
	for i := range p.Instrs {
		names = append(names, p.Instrs[i].Op.Name())
	}
	return names
}

func TestFuse(t *testing.T) {
	p := fusible()
	before := opNames(p)
	f := Fuse(p)
	if !slices.Equal(opNames(p), before) {
		t.Error("the program given has changed")
	}
	want := []string{"group-norm", "product", "group-norm", "product", "group-norm", "reshape", "product", "product"}
	if got := opNames(f); !slices.Equal(got, want) {
		t.Fatalf("fused to %v, want %v", got, want)
	}
	if !slices.Equal(opNames(Fuse(f)), want) {
		t.Error("fusing twice changes something")
	}
	first, both := f.Instrs[1], f.Instrs[4]
	if len(first.Out) != 2 || !sameShape(f.Shape(first.Out[1]), []int{2, 3, 2, 8}) {
		t.Errorf("the first convolution makes %v", first.Out)
	}
	op := both.Op.(*GroupNorm)
	if !slices.Equal(op.Moments, []int{4, 0}) || len(op.Inputs(&both)) != 2 || op.Act != SiLU {
		t.Errorf("a norm over a product and an input is %+v", op)
	}
	if e := f.Instrs[3].Op.(*Product).Epilogue; e.Residual == 0 || e.Gated {
		t.Errorf("the second convolution has %+v", e)
	}
	if e := f.Instrs[6].Op.(*Product).Epilogue; !e.Gated {
		t.Errorf("the gated layer has %+v", e)
	}
	last := f.Instrs[7]
	if !sameShape(f.Shape(last.Out[0]), []int{2, 3, 5, 8}) || last.Op.(*Product).Epilogue.Residual == 0 {
		t.Errorf("the last product gives %v", f.Shape(last.Out[0]))
	}
	if MACs(p) != MACs(f) {
		t.Errorf("%d multiply-adds after fusing, %d before", MACs(f), MACs(p))
	}
}

// TestFuseLeavesWhatIsReadTwice checks that a value that something else reads, or that crosses a stage, is not fused away.
func TestFuseLeavesWhatIsReadTwice(t *testing.T) {
	for name, build := range map[string]func(b *Builder, y ID){
		"output":  func(b *Builder, y ID) { b.Output("y", y); b.Output("z", b.Activate(SiLU, y)) },
		"readers": func(b *Builder, y ID) { b.Output("z", b.Add(b.Activate(SiLU, y), y)) },
		"itself":  func(b *Builder, y ID) { b.Output("z", b.Add(y, y)) },
		"stages": func(b *Builder, y ID) {
			b.Loop(2)
			c := b.Carry("c", b.Input("c", Float32, 1, 8))
			b.Next(c, b.Add(c, b.Activate(SiLU, y)))
			b.EndLoop()
			b.Output("z", c)
		},
		"carry": func(b *Builder, y ID) {
			b.Loop(2)
			c := b.Carry("c", y)
			b.Next(c, b.Add(c, c))
			b.EndLoop()
			b.Output("z", c)
		},
	} {
		b := NewBuilder(name, F32)
		build(b, b.Product([]Tap{{X: b.Input("x", Float32, 1, 8), W: b.Weight("w", 8, 8)}}, nil, None))
		p := b.Program()
		if got, want := opNames(Fuse(p)), opNames(p); !slices.Equal(got, want) {
			t.Errorf("%s: fused to %v, want %v", name, got, want)
		}
	}
}

// TestFuseAttention: further keys and columns become parts of one attention, and nothing does where the queries, heads, order or readers differ.
func TestFuseAttention(t *testing.T) {
	for _, c := range []struct {
		name            string
		seconds, column int
		left            int // instructions after it
		build           func(b *Builder, q, k, v ID) ID
	}{
		{"two image prompts", 2, 0, 1, func(b *Builder, q, k, v ID) ID {
			y := b.Add(b.Attention(q, k, v, 2, 1, false), b.Affine(b.Attention(q, v, k, 2, 1, false), 0.5, 0))
			return b.Add(y, b.Attention(q, k, k, 2, 1, false))
		}},
		{"columns of the first entry", 0, 1, 5, func(b *Builder, q, k, v ID) ID {
			y := b.Attention(q, k, v, 2, 1, false)
			return b.Concat(1, b.Slice(y, 1, 0, 1), b.Repeat(b.Reshape(b.AttentionColumns(b.Slice(q, 0, 0, 1), b.Slice(k, 0, 0, 1), 2, 1), 1, 1, 4), 2))
		}},
		{"another scale", 0, 0, 3, func(b *Builder, q, k, v ID) ID {
			return b.Add(b.Attention(q, k, v, 2, 1, false), b.Attention(q, k, v, 2, 2, false))
		}},
		{"other queries", 0, 0, 3, func(b *Builder, q, k, v ID) ID {
			return b.Add(b.Attention(q, k, v, 2, 1, false), b.Attention(v, k, v, 2, 1, false))
		}},
		{"a shift", 0, 0, 4, func(b *Builder, q, k, v ID) ID {
			return b.Add(b.Attention(q, k, v, 2, 1, false), b.Affine(b.Attention(q, k, v, 2, 1, false), 0.5, 1))
		}},
		{"another reader", 0, 0, 4, func(b *Builder, q, k, v ID) ID {
			o := b.Attention(q, k, v, 2, 1, false)
			return b.Add(b.Add(b.Attention(q, k, v, 2, 1, false), o), o)
		}},
		{"causal", 0, 0, 3, func(b *Builder, q, k, v ID) ID {
			return b.Add(b.Attention(q, k, v, 2, 1, true), b.Attention(q, k, v, 2, 1, true))
		}},
		{"columns of the second entry", 0, 0, 4, func(b *Builder, q, k, v ID) ID {
			b.Output("columns", b.AttentionColumns(b.Slice(q, 0, 1, 2), b.Slice(k, 0, 1, 2), 2, 1))
			return b.Attention(q, k, v, 2, 1, false)
		}},
	} {
		b := NewBuilder(c.name, F32)
		q, k, v := b.Input("q", Float32, 2, 4, 4), b.Input("k", Float32, 2, 4, 4), b.Input("v", Float32, 2, 4, 4)
		b.Output("y", c.build(b, q, k, v))
		p := Fuse(b.Program())
		seconds, columns := 0, 0
		for i := range p.Instrs {
			if op, ok := p.Instrs[i].Op.(*Attention); ok {
				seconds += len(op.Second)
				columns += op.Columns
			}
			if _, ok := p.Instrs[i].Op.(*AttentionColumns); ok && c.column > 0 {
				t.Errorf("%s: columns are apart", c.name)
			}
		}
		if seconds != c.seconds || columns != c.column || c.left > 0 && len(p.Instrs) != c.left {
			t.Errorf("%s: %d further keys, columns of %d entries, %d instructions", c.name, seconds, columns, len(p.Instrs))
		}
	}
}
