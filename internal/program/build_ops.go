package program

// Tap describes how one input of a product is read: by which slice of which
// weight, and as a convolution of which size.
type Tap struct {
	X, W            ID
	WOffset         int // first input channel of W that belongs to X
	KH, KW          int // 0 means 1
	Stride          int // 0 means 1
	PadTop, PadLeft int
	// OutH, OutW are the output's rows and columns; 0 means as the input's.
	OutH, OutW int
}

// Product sums taps into one accumulator that starts at the biases (those that
// are not None) and the batch bias (or None). All taps must agree on the output.
func (b *Builder) Product(taps []Tap, biases []ID, batchBias ID) ID {
	b.need(len(taps) > 0, "a product needs an input")
	op := &Product{BatchBias: -1, Prec: b.prec}
	var in []ID
	use := func(id ID) int { in = append(in, id); return len(in) - 1 }
	var out []int
	for _, t := range taps {
		t = t.withDefaults()
		shape := b.tapShape(t)
		if out == nil {
			out = shape
		}
		b.need(sameShape(out, shape), "segments of a product give %v and %v", out, shape)
		op.Segments = append(op.Segments, Segment{X: use(t.X), W: use(t.W), WOffset: t.WOffset,
			KH: t.KH, KW: t.KW, Stride: t.Stride, PadTop: t.PadTop, PadLeft: t.PadLeft})
	}
	n := out[len(out)-1]
	for _, id := range biases {
		if id == None {
			continue
		}
		b.need(sameShape(b.Shape(id), []int{n}), "a bias of %v for %d channels", b.Shape(id), n)
		op.Biases = append(op.Biases, use(id))
	}
	if batchBias != None {
		b.need(sameShape(b.Shape(batchBias), []int{out[0], n}), "a batch bias of %v for %v", b.Shape(batchBias), out)
		op.BatchBias = use(batchBias)
	}
	return b.emit(op, out, in...)
}

// Winograd is [Builder.Product] of a 3x3 convolution with stride 1, summed in fp32 by Winograd's algorithm.
func (b *Builder) Winograd(t Tap, biases []ID) (y ID) {
	b.need(t.KH == 3 && t.KW == 3 && t.Stride <= 1, "Winograd's algorithm for a %dx%d convolution with stride %d", t.KH, t.KW, t.Stride)
	b.WithPrecision(F32, func() { y = b.Product([]Tap{t}, biases, None) })
	b.p.Instrs[len(b.p.Instrs)-1].Op.(*Product).Algorithm = Winograd
	return y
}

func (t Tap) withDefaults() Tap {
	if t.KH == 0 {
		t.KH, t.KW = 1, 1
	}
	if t.Stride == 0 {
		t.Stride = 1
	}
	return t
}

// tapShape is the shape of a product's output as one tap sees it.
func (b *Builder) tapShape(t Tap) []int {
	x, w := b.Shape(t.X), b.Shape(t.W)
	c := x[len(x)-1]
	b.need(len(w) == 2 || len(w) == 4, "a weight of shape %v", w)
	if len(w) == 4 {
		b.need(w[2] == t.KH && w[3] == t.KW, "a weight of %v for a %dx%d kernel", w, t.KH, t.KW)
	} else {
		b.need(t.KH == 1 && t.KW == 1, "a weight of %v for a %dx%d kernel", w, t.KH, t.KW)
	}
	b.need(t.WOffset >= 0 && t.WOffset+c <= w[1], "channels %d..%d of a weight with %d", t.WOffset, t.WOffset+c, w[1])
	out := append([]int(nil), x...)
	out[len(out)-1] = w[0]
	if len(x) != 4 {
		b.need(t.KH == 1 && t.KW == 1 && t.Stride == 1, "a convolution over %v", x)
		return out
	}
	if t.OutH != 0 {
		out[1], out[2] = t.OutH, t.OutW
	}
	return out
}

// Attention computes softmax(scale * q k^T) v by heads.
func (b *Builder) Attention(q, k, v ID, heads int, scale float64, causal bool) ID {
	qs, ks, vs := b.Shape(q), b.Shape(k), b.Shape(v)
	b.need(len(qs) == 3 && len(ks) == 3 && sameShape(ks, vs), "attention over %v, %v, %v", qs, ks, vs)
	b.need(ks[0] == qs[0] || ks[0] == 1, "keys of batch %d for queries of batch %d", ks[0], qs[0])
	b.need(ks[2] == qs[2] && heads > 0 && qs[2]%heads == 0, "%d heads over %d and %d channels", heads, qs[2], ks[2])
	b.need(!causal || ks[1] == qs[1], "causal attention over %d keys and %d queries", ks[1], qs[1])
	return b.emit(&Attention{Heads: heads, Scale: scale, Causal: causal, Prec: b.prec}, qs, q, k, v)
}

// AttentionColumns sums the attention that each key receives; see the operation.
func (b *Builder) AttentionColumns(q, k ID, heads int, scale float64) ID {
	qs, ks := b.Shape(q), b.Shape(k)
	b.need(len(qs) == 3 && len(ks) == 3 && qs[0] == ks[0] && qs[2] == ks[2], "attention over %v and %v", qs, ks)
	b.need(heads > 0 && qs[2]%heads == 0, "%d heads over %d channels", heads, qs[2])
	return b.emit(&AttentionColumns{Heads: heads, Scale: scale, Prec: b.prec}, []int{qs[0], ks[1]}, q, k)
}

// Degrade blurs the latents x where columns of attention exceed 1; see the operation.
func (b *Builder) Degrade(x, output, columns, coefficients ID, op Degrade) ID {
	s := b.Shape(x)
	b.need(len(s) == 4 && sameShape(s, b.Shape(output)), "degrading %v by %v", s, b.Shape(output))
	b.need(op.MapH > 0 && op.MapW > 0 && sameShape(b.Shape(columns), []int{s[0], op.MapH * op.MapW}), "columns of %v for a map of %dx%d", b.Shape(columns), op.MapH, op.MapW)
	b.need(sameShape(b.Shape(coefficients), []int{1, 4}), "coefficients of %v", b.Shape(coefficients))
	b.need(len(op.Taps)%2 == 1, "a blur of %d taps", len(op.Taps))
	return b.emit(&op, s, x, output, columns, coefficients)
}

// SelfGuidance computes guided + scale*(uncond - degraded).
func (b *Builder) SelfGuidance(guided, uncond, degraded ID, scale float32) ID {
	s := b.Shape(guided)
	b.need(sameShape(s, b.Shape(uncond)) && sameShape(s, b.Shape(degraded)), "self-attention guidance over %v, %v, %v", s, b.Shape(uncond), b.Shape(degraded))
	return b.emit(&SelfGuidance{scale}, s, guided, uncond, degraded)
}

// GroupNorm normalises xs, read as if concatenated along the channels.
func (b *Builder) GroupNorm(groups int, eps float32, gamma, beta ID, xs ...ID) ID {
	b.need(len(xs) > 0, "group norm needs an input")
	out := append([]int(nil), b.Shape(xs[0])...)
	c := 0
	for _, x := range xs {
		s := b.Shape(x)
		b.need(len(s) == len(out) && len(s) >= 3 && sameShape(s[:len(s)-1], out[:len(out)-1]), "group norm over %v and %v", out, s)
		c += s[len(s)-1]
	}
	out[len(out)-1] = c
	b.need(groups > 0 && c%groups == 0, "%d groups over %d channels", groups, c)
	b.need(gamma != None && beta != None, "group norm without a gain or a shift")
	b.vectors(c, gamma, beta)
	return b.emit(&GroupNorm{Groups: groups, Eps: eps}, out, append([]ID{gamma, beta}, xs...)...)
}

// LayerNorm normalises the last dimension.
func (b *Builder) LayerNorm(eps float32, x, gamma, beta ID) ID {
	b.vectors(b.Dim(x, -1), gamma, beta)
	return b.emit(&LayerNorm{Eps: eps}, b.Shape(x), x, gamma, beta)
}

func (b *Builder) vectors(n int, ids ...ID) {
	for _, id := range ids {
		b.need(id == None || sameShape(b.Shape(id), []int{n}), "a vector of %v for %d channels", b.Shape(id), n)
	}
}

// Activate applies a pointwise function; ActNone is x itself.
func (b *Builder) Activate(act Activation, x ID) ID {
	if act == ActNone {
		return x
	}
	return b.emit(&Activate{act}, b.Shape(x), x)
}

// GEGLU computes the first half of the channels times gelu of the second.
func (b *Builder) GEGLU(x ID) ID {
	out := append([]int(nil), b.Shape(x)...)
	n := out[len(out)-1]
	b.need(n%2 == 0, "geglu over %d channels", n)
	out[len(out)-1] = n / 2
	return b.emit(&GEGLU{}, out, x)
}

// Add adds two values of one shape.
func (b *Builder) Add(x, y ID) ID {
	b.need(sameShape(b.Shape(x), b.Shape(y)), "adding %v and %v", b.Shape(x), b.Shape(y))
	return b.emit(&Add{}, b.Shape(x), x, y)
}

// Affine computes x*mul + add.
func (b *Builder) Affine(x ID, mul, add float32) ID {
	return b.emit(&Affine{mul, add}, b.Shape(x), x)
}

// Upsample enlarges an image to h x w by nearest neighbour.
func (b *Builder) Upsample(x ID, h, w int) ID {
	s := b.Shape(x)
	b.need(len(s) == 4, "upsampling %v", s)
	return b.emit(&Upsample{h, w}, []int{s[0], h, w, s[3]}, x)
}

// Embed looks token ids up in a table and adds positions (or None).
func (b *Builder) Embed(ids, table, positions ID) ID {
	s, t := b.Shape(ids), b.Shape(table)
	b.need(len(s) == 2 && len(t) == 2, "embedding %v by %v", s, t)
	if positions != None {
		p := b.Shape(positions)
		b.need(len(p) == 2 && p[0] >= s[1] && p[1] == t[1], "positions of %v for %d tokens", p, s[1])
	}
	return b.emit(&Embed{}, []int{s[0], s[1], t[1]}, ids, table, positions)
}

// Sinusoid embeds the scalars x [B,n].
func (b *Builder) Sinusoid(x ID, op Sinusoid) ID {
	s := b.Shape(x)
	b.need(len(s) == 2 && op.Dim > 0 && op.Dim%2 == 0, "sinusoids of %d for %v", op.Dim, s)
	return b.emit(&op, []int{s[0], s[1] * op.Dim}, x)
}

// Normals draws h x w pixels of c channels for each of the seeds [B,2].
func (b *Builder) Normals(seeds ID, threads, h, w, c int) ID {
	s := b.Shape(seeds)
	b.need(len(s) == 2 && s[1] == 2 && b.p.Value(seeds).DType == Int32, "seeds of shape %v", s)
	return b.emit(&Normals{Threads: threads}, []int{s[0], h, w, c}, seeds)
}

// Row picks row index[i] of batch entry i.
func (b *Builder) Row(x, index ID) ID {
	s := b.Shape(x)
	b.need(len(s) == 3 && sameShape(b.Shape(index), s[:1]), "rows %v of %v", b.Shape(index), s)
	return b.emit(&Row{}, []int{s[0], s[2]}, x, index)
}

// StepRow picks the current step's row of a table.
func (b *Builder) StepRow(table ID) ID {
	s := b.Shape(table)
	b.need(b.stage == Each && s[0] == b.p.Steps, "a table of %v for %d steps", s, b.p.Steps)
	return b.emit(&StepRow{}, append([]int{1}, s[1:]...), table)
}

// Concat joins values along an axis; negative axes count from the end.
func (b *Builder) Concat(axis int, xs ...ID) ID {
	if len(xs) == 1 {
		return xs[0]
	}
	out := append([]int(nil), b.Shape(xs[0])...)
	axis = b.axis(axis, out)
	for _, x := range xs[1:] {
		s := b.Shape(x)
		b.need(len(s) == len(out), "joining %v and %v", out, s)
		for i := range s {
			b.need(i == axis || s[i] == out[i], "joining %v and %v along axis %d", out, s, axis)
		}
		out[axis] += s[axis]
	}
	return b.emit(&Concat{axis}, out, xs...)
}

// Slice cuts [start,end) out of an axis.
func (b *Builder) Slice(x ID, axis, start, end int) ID {
	out := append([]int(nil), b.Shape(x)...)
	axis = b.axis(axis, out)
	b.need(0 <= start && start < end && end <= out[axis], "cutting %d..%d out of %d", start, end, out[axis])
	if start == 0 && end == out[axis] {
		return x
	}
	out[axis] = end - start
	return b.emit(&Slice{axis, start, end}, out, x)
}

func (b *Builder) axis(axis int, shape []int) int {
	if axis < 0 {
		axis += len(shape)
	}
	b.need(axis >= 0 && axis < len(shape), "axis %d of %v", axis, shape)
	return axis
}

// Repeat repeats batch entry 0.
func (b *Builder) Repeat(x ID, times int) ID {
	s := b.Shape(x)
	b.need(s[0] == 1 && times > 0, "repeating %v", s)
	if times == 1 {
		return x
	}
	return b.emit(&Repeat{times}, append([]int{times}, s[1:]...), x)
}

// Reshape gives the same elements another shape. It also makes an fp32 value of a weight that an operation is to read as one.
func (b *Builder) Reshape(x ID, shape ...int) ID {
	b.need(Elems(shape) == Elems(b.Shape(x)), "reshaping %v to %v", b.Shape(x), shape)
	return b.emit(&Reshape{}, shape, x)
}

// Guidance combines an unconditional and a conditional prediction.
func (b *Builder) Guidance(uncond, cond ID, scale float32) ID {
	b.need(sameShape(b.Shape(uncond), b.Shape(cond)), "guidance over %v and %v", b.Shape(uncond), b.Shape(cond))
	return b.emit(&Guidance{scale}, b.Shape(uncond), uncond, cond)
}

// SolverStep moves x one step along by a model's output.
func (b *Builder) SolverStep(x, output, coefficients ID, prediction Prediction) ID {
	b.need(sameShape(b.Shape(x), b.Shape(output)), "a solver step over %v and %v", b.Shape(x), b.Shape(output))
	b.need(sameShape(b.Shape(coefficients), []int{1, 4}), "coefficients of %v", b.Shape(coefficients))
	return b.emit(&SolverStep{prediction}, b.Shape(x), x, output, coefficients)
}
