package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// floats is the number of elements that a task of a norm or a pointwise function treats at least.
const floats = 1 << 13

// groupNorm normalises. Several inputs are read as if concatenated along the channels. It works in
// three jobs: moments of each channel of each row, where no product has taken them; their merges and
// each channel's map; the map.
type groupNorm struct {
	x     *exec
	in    *program.Instr
	op    *program.GroupNorm
	out   image
	parts []normPart
	rows  int // rows of a task

	gamma, beta   []float32
	act           func(dst, x []float32) // nil for none
	mean, m2      []float32              // [batch][channels]
	factor, shift []float32              // [batch][channels]

	moments momentsJob
	merges  mergesJob
}

// normPart is one input.
type normPart struct {
	image
	id, given program.ID // of the input, and of its moments or None
	at        int        // its first channel
	moments   []float32  // [batch*rows][2][channels]: means, then sums of squared differences
}

type momentsJob struct{ *groupNorm }
type mergesJob struct{ *groupNorm }

func (x *exec) newGroupNorm(in *program.Instr, op *program.GroupNorm) (*groupNorm, needs) {
	g := &groupNorm{x: x, in: in, op: op, act: x.activation(op.Act)}
	g.out = x.shapeOf(in.Out[0])
	shared, at := 4*g.out.b*g.out.c, 0
	for i, id := range op.Inputs(in) {
		part := normPart{image: imageOf(x.p.Shape(id), nil), id: id, at: at}
		if op.Moments != nil && op.Moments[i] != 0 {
			part.given = in.In[op.Moments[i]]
		} else {
			shared += 2 * g.out.b * g.out.h * part.c
		}
		at += part.c
		g.parts = append(g.parts, part)
	}
	g.rows = max(1, floats/(g.out.w*g.out.c))
	g.moments, g.merges = momentsJob{g}, mergesJob{g}
	n := needs{shared: shared}
	if g.out.words {
		n.worker = g.rows * g.out.w * g.out.c
	}
	return g, n
}

func (g *groupNorm) run() error {
	g.out.data = g.x.f32(g.in.Out[0])
	for i := range g.parts {
		g.parts[i].data = g.x.f32(g.parts[i].id)
	}
	if err := g.maps(g.x.shared); err != nil {
		return err
	}
	lines, cost := g.out.b*g.out.h, g.out.b*g.out.h*g.out.w*g.out.c
	if g.act != nil {
		cost *= 4
	}
	return g.x.pool.do(g, (lines+g.rows-1)/g.rows, cost/4)
}

// maps makes each channel's map, in the memory given.
func (g *groupNorm) maps(memory []float32) error {
	g.gamma, g.beta = g.x.f32(g.in.In[0]), g.x.f32(g.in.In[1])
	take := carver(memory) // as needs says
	lines, c := g.out.b*g.out.h, g.out.c
	g.mean, g.m2 = take.floats(g.out.b*c), take.floats(g.out.b*c)
	g.factor, g.shift = take.floats(g.out.b*c), take.floats(g.out.b*c)
	own := 0 // channels without given moments
	for i := range g.parts {
		part := &g.parts[i]
		if part.given != program.None {
			part.moments = g.x.f32(part.given)
			continue
		}
		part.moments = take.floats(2 * lines * part.c)
		own += part.c
	}
	if own > 0 {
		if err := g.x.pool.do(&g.moments, (lines+g.rows-1)/g.rows, lines*g.out.w*own/4); err != nil {
			return err
		}
	}
	return g.x.pool.do(&g.merges, g.out.b, lines*c/4)
}

// task takes the moments of some rows.
func (g *momentsJob) task(_ *worker, i int) {
	for l := i * g.rows; l < min((i+1)*g.rows, g.out.b*g.out.h); l++ {
		for k := range g.parts {
			part := &g.parts[k]
			if part.given == program.None {
				to := part.moments[2*l*part.c:][:2*part.c]
				g.x.tier.RowMoments(to[:part.c], to[part.c:], part.data[l*part.w*part.c:], part.c, part.w)
			}
		}
	}
}

// task merges the rows of one batch entry, then the channels of each group, and makes the map of each channel.
func (g *mergesJob) task(_ *worker, b int) {
	c, h := g.out.c, g.out.h
	mean, m2 := g.mean[b*c:][:c], g.m2[b*c:][:c]
	for i := range g.parts {
		part := &g.parts[i]
		rows, to := part.moments[2*b*h*part.c:], part.at+part.c
		g.x.tier.MergeRows(mean[part.at:to], m2[part.at:to], rows, rows[part.c:], 2*part.c, h, g.out.w)
	}
	size := c / g.op.Groups
	for first := 0; first < c; first += size {
		var m kernel.Moments
		for k := first; k < first+size; k++ {
			m = m.Merge(kernel.Moments{N: h * g.out.w, Mean: mean[k], M2: m2[k]})
		}
		rstd := m.RStd(g.op.Eps)
		for k := first; k < first+size; k++ {
			g.factor[b*c+k], g.shift[b*c+k] = kernel.AffineOf(m.Mean, rstd, g.gamma[k], g.beta[k])
		}
	}
}

// task maps some rows.
func (g *groupNorm) task(w *worker, i int) {
	c := g.out.c
	lo, hi := i*g.rows, min((i+1)*g.rows, g.out.b*g.out.h)
	line := g.out.w * c
	var band []float32
	if g.out.words {
		band = w.scratch[:(hi-lo)*line]
	} else {
		band = g.out.data[lo*line : hi*line]
	}
	for l := lo; l < hi; l++ {
		b := l / g.out.h
		for k := range g.parts {
			im := &g.parts[k]
			channels := b*c + im.at
			g.x.tier.Scale(band[(l-lo)*line+im.at:], c, im.data[l*im.w*im.c:], im.c,
				g.factor[channels:][:im.c], g.shift[channels:][:im.c], im.w)
		}
	}
	if g.act != nil {
		g.act(band, band)
	}
	if g.out.words {
		g.x.pairs(&g.out, band, lo*g.out.w)
	}
}

// layerNorm normalises the last dimension; a task is some rows.
type layerNorm struct {
	x           *exec
	in          *program.Instr
	eps         float32
	c, rows     int
	ones, zeros []float32 // in place of absent gains
	out         image
	src         []float32
	gamma, beta []float32
}

func (x *exec) newLayerNorm(in *program.Instr, op *program.LayerNorm) (*layerNorm, needs) {
	n := &layerNorm{x: x, in: in, eps: op.Eps, out: x.shapeOf(in.Out[0])}
	n.c = n.out.c
	n.rows = max(1, floats/n.c)
	if in.In[1] == program.None {
		n.ones = make([]float32, n.c)
		for i := range n.ones {
			n.ones[i] = 1
		}
	}
	if in.In[2] == program.None {
		n.zeros = make([]float32, n.c)
	}
	if n.out.words {
		return n, needs{worker: n.c}
	}
	return n, needs{}
}

func (n *layerNorm) run() error {
	n.src, n.out, n.gamma, n.beta = n.x.f32(n.in.In[0]), n.x.image(n.in.Out[0]), n.ones, n.zeros
	if n.gamma == nil {
		n.gamma = n.x.f32(n.in.In[1])
	}
	if n.beta == nil {
		n.beta = n.x.f32(n.in.In[2])
	}
	rows := len(n.src) / n.c
	return n.x.pool.do(n, (rows+n.rows-1)/n.rows, len(n.src)/2)
}

func (n *layerNorm) task(w *worker, i int) {
	for r := i * n.rows; r < min((i+1)*n.rows, len(n.src)/n.c); r++ {
		src := n.src[r*n.c : (r+1)*n.c]
		if !n.out.words {
			n.x.tier.LayerNorm(n.out.data[r*n.c:(r+1)*n.c], src, n.gamma, n.beta, n.eps)
			continue
		}
		row := w.scratch[:n.c]
		n.x.tier.LayerNorm(row, src, n.gamma, n.beta, n.eps)
		n.x.pairs(&n.out, row, r)
	}
}
