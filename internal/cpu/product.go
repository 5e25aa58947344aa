package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// product computes linear layers and convolutions. A task is a group of panels (of NR outputs each; with gates, those
// of NR values and then of their gates) over a stretch of rows: it packs the panels' weights,
// unless they are kept, and runs them over its rows.
type product struct {
	x     *exec
	in    *program.Instr
	op    *program.Product
	segs  []segment
	out   image
	round bool
	dot   kernel.Product

	rows, panels int // of the whole product
	panel        int // floats of a packed panel
	border       int // floats that stand for a pixel on the border
	transposing  int // floats of working memory of packing
	macs         int // of a panel's row

	chunk, chunks int // rows of a task; tasks along the rows
	group, groups int // panels of a task; tasks along the outputs

	keep    bool // packed panels stay from step to step
	mapped  bool // all panels were packed by an earlier run
	packed  []float32
	packing packJob

	sums   int // channels of the sums: twice the result's with gates
	biases [][]float32
	batch  []float32 // the batch bias, or nil

	epilogue
}

// segment is one segment of a product.
type segment struct {
	*program.Segment
	x      image
	w      kernel.Weight
	panel  int  // offset of its weights in a panel
	tap    int  // its first tap among those of all segments
	words  int  // of a tap
	linear bool // output row i is made of input pixel i
	round  roundJob
	kept   *panels.Panels // packed weights of an earlier run, or nil; a block a panel
}

func (x *exec) newProduct(in *program.Instr, op *program.Product) (*product, needs) {
	p := &product{x: x, in: in, op: op, round: op.Prec == program.BF16, dot: x.tier.F32Between, segs: make([]segment, len(op.Segments)),
		out: imageOf(x.p.Shape(in.Out[0]), nil), biases: make([][]float32, len(op.Biases))}
	if p.round {
		p.dot = x.tier.BF16Between
	}
	p.packing = packJob{p}
	var n needs
	for i := range p.segs {
		s := &p.segs[i]
		s.Segment = &op.Segments[i]
		s.x, s.w = imageOf(x.p.Shape(in.In[s.X]), nil), x.weights[in.In[s.W]]
		taps := s.KH * s.KW
		s.panel, s.tap, s.words = p.panel, n.taps, kernel.Words(s.x.c, p.round)
		s.linear = taps == 1 && s.Stride == 1 && s.PadTop == 0 && s.PadLeft == 0 &&
			(s.x.h == p.out.h && s.x.w == p.out.w || len(x.p.Shape(in.In[s.X])) != 4)
		if p.round {
			n.shared += s.x.pixels() * s.words
		}
		p.panel += kernel.PanelLen(s.x.c, taps, p.round)
		p.border = max(p.border, s.words)
		p.transposing = max(p.transposing, kernel.PackScratch(taps))
		n.taps += taps
	}
	p.rows, p.panels = p.out.pixels(), (p.out.c+kernel.NR-1)/kernel.NR
	p.sums, p.half = p.out.c, p.panel
	if op.Epilogue.Gated {
		p.sums, p.panel = 2*p.out.c, 2*p.panel
	}
	p.macs = p.panel
	p.newEpilogue()
	p.cut()
	n.worker = p.border + p.transposing + p.group*p.panel
	return p, n
}

// cut chooses the size of tasks: groups of panels that fit a second-level cache, all rows where the groups
// alone keep the workers busy, and not fewer rows than packing is worth.
func (p *product) cut() {
	const cached = 1 << 15 // floats
	least := 192
	if p.keep || p.mapped {
		least = 4 * kernel.MR
	}
	p.group = min(p.panels, max(1, cached/p.panel))
	wanted := 1
	if p.x.pool.threads > 1 {
		wanted = 4 * p.x.pool.threads
	}
	for p.count(); p.chunks*p.groups < wanted && p.group > 1; p.count() {
		p.group = (p.group + 1) / 2
	}
	p.chunk = p.rows
	for p.count(); p.chunks*p.groups < wanted && p.chunk > least; p.count() {
		next := up(p.chunk/2, p.step)
		if next >= p.chunk {
			break
		}
		p.chunk = next
	}
}

func (p *product) count() {
	if p.chunk == 0 {
		p.chunk = p.rows
	}
	p.chunks, p.groups = (p.rows+p.chunk-1)/p.chunk, (p.panels+p.group-1)/p.group
}

func (p *product) run() error {
	p.out.data = p.x.f32(p.in.Out[0])
	if err := p.operands(); err != nil {
		return err
	}
	for k, b := range p.op.Biases {
		p.biases[k] = p.x.f32(p.in.In[b])
	}
	if p.op.BatchBias >= 0 {
		p.batch = p.x.f32(p.in.In[p.op.BatchBias])
	}
	p.epilogue.operands(p)
	if p.keep && p.packed == nil {
		if err := p.packAll(); err != nil {
			return err
		}
	}
	const macsPerNanosecond = 50
	err := p.x.pool.do(p, p.chunks*p.groups, p.rows*p.panels*p.macs/macsPerNanosecond)
	if err != nil || p.taken == nil || !p.late() {
		return err
	}
	return p.taking.run()
}

// operands places the inputs: for bf16 each is rounded once, to words of two channels. Where the product before has rounded the
// same one (queries, keys and values of one input), its words are still there.
func (p *product) operands() error {
	take := carver(p.x.shared)
	there := p.x.words
	if p.round {
		p.x.words = program.None
	}
	for i := range p.segs {
		s := &p.segs[i]
		s.x = p.x.image(p.in.In[s.X])
		if !p.round {
			continue
		}
		s.round = roundJob{x: p.x, src: s.x, dst: take.floats(s.x.pixels() * s.words), stride: s.words}
		if i > 0 || there != p.in.In[s.X] {
			if err := s.round.run(); err != nil {
				return err
			}
		}
		if i == 0 {
			p.x.words = p.in.In[s.X]
		}
		s.x.data, s.x.stride = s.round.dst, s.words
	}
	return nil
}

func (p *product) task(w *worker, i int) {
	take := carver(w.scratch)
	zeros, scratch := take.floats(p.border), take.floats(p.transposing)
	clear(zeros)
	first := i / p.chunks * p.group
	n := min(p.group, p.panels-first)
	panels := p.packed
	if panels != nil {
		panels = panels[first*p.panel:]
	} else {
		panels = take.floats(n * p.panel)
		for k := range n {
			p.pack(panels[k*p.panel:], scratch, first+k)
		}
	}
	from := i % p.chunks * p.chunk
	to := min(from+p.chunk, p.rows)
	for r, k := from, 1; r < to; r, k = r+kernel.MR, k+1 {
		if k%16 == 0 && w.stopped() {
			return
		}
		rows := min(kernel.MR, to-r)
		p.tiles(w, zeros, panels, first, n, r, rows)
		p.finish(first, n, r, rows)
	}
}

// tiles computes rows [r0,r0+rows) of n panels from the first on.
func (p *product) tiles(w *worker, zeros, panels []float32, first, n, r0, rows int) {
	for i := range p.segs {
		p.point(&p.segs[i], w.taps, zeros, r0, rows)
	}
	e := &w.ends
	for k := range n {
		n0, panel := (first+k)*kernel.NR, panels[k*p.panel:]
		if p.op.Epilogue.Gated {
			e.Out, e.Add, e.Step = w.gates[:], nil, kernel.NR
			p.sum(w, panel[p.half:], p.out.c+n0, p.sums, r0, rows)
		}
		at := r0*p.out.c + n0
		e.Out, e.Add, e.Step = p.out.data[at:], nil, p.out.c
		if p.act != nil || p.op.Epilogue.Gated {
			e.Out, e.Step = w.acc[:], kernel.NR
		} else if p.residual != nil {
			e.Add = p.residual[at:]
		}
		p.sum(w, panel, n0, p.out.c, r0, rows)
		p.activate(w, n0, r0, rows)
	}
}

// sum computes one panel, of outputs from n0 on but below end, into the worker's ends.
func (p *product) sum(w *worker, panel kernel.Panel, n0, end, r0, rows int) {
	e, cols := &w.ends, min(kernel.NR, end-n0)
	p.begin(w, n0, cols, r0, rows)
	out, add, step := e.Out, e.Add, e.Step
	for i := range p.segs {
		s := &p.segs[i]
		if i == len(p.segs)-1 {
			e.Out, e.Add, e.Step = out, add, step
		} else {
			e.Out, e.Add, e.Step = w.sums[:], nil, kernel.NR
		}
		weights := panel[s.panel:]
		if s.kept != nil {
			if b := s.kept.Block(n0 / kernel.NR); b != nil {
				weights = b
			}
		}
		p.dot(e, w.taps[s.tap:s.tap+s.KH*s.KW], weights, s.words, rows, cols)
		e.In, e.InStep = w.sums[:], kernel.NR
	}
}

// begin finds where the accumulators of n outputs from n0 on begin: at the biases.
func (p *product) begin(w *worker, n0, n, r0, rows int) {
	e := &w.ends
	e.InStep = 0
	if len(p.biases) == 1 && p.batch == nil {
		e.In = p.biases[0][n0 : n0+n]
		return
	}
	e.In = w.init[:]
	clear(e.In)
	for k, b := range p.biases {
		b = b[n0 : n0+n]
		if k == 0 {
			copy(e.In, b)
			continue
		}
		for j, v := range b {
			e.In[j] += v
		}
	}
	if p.batch == nil {
		return
	}
	perBatch := p.out.h * p.out.w
	entry, last := r0/perBatch, (r0+rows-1)/perBatch
	if entry == last {
		p.addBatch(e.In[:n], e.In, entry*p.sums+n0)
		return
	}
	for r := range rows {
		p.addBatch(w.sums[r*kernel.NR:][:n], e.In, (r0+r)/perBatch*p.sums+n0)
	}
	e.In, e.InStep = w.sums[:], kernel.NR
}

// addBatch writes the sum of biases and of a batch entry's from one on.
func (p *product) addBatch(dst, biases []float32, from int) {
	for j, v := range p.batch[from:][:len(dst)] {
		if len(p.biases) > 0 {
			v = biases[j] + v
		}
		dst[j] = v
	}
}

// point finds the input pixels under each tap of a segment for rows [r0,r0+rows) of the output; zeros on the border.
// Rows beyond repeat the last.
func (p *product) point(s *segment, taps [][kernel.MR][]float32, zeros []float32, r0, rows int) {
	taps = taps[s.tap : s.tap+s.KH*s.KW]
	if s.linear {
		for r := range kernel.MR {
			taps[0][r] = s.x.data[(r0+min(r, rows-1))*s.x.stride:]
		}
		return
	}
	x := r0 % p.out.w
	y := r0 / p.out.w % p.out.h
	b := r0 / (p.out.w * p.out.h)
	for r := range kernel.MR {
		if r >= rows {
			for k := range taps {
				taps[k][r] = taps[k][rows-1]
			}
			continue
		}
		y0, x0 := y*s.Stride-s.PadTop, x*s.Stride-s.PadLeft
		for k, ky := 0, 0; ky < s.KH; ky++ {
			row := (b*s.x.h + y0 + ky) * s.x.w
			inside := uint(y0+ky) < uint(s.x.h)
			for kx := range s.KW {
				if inside && uint(x0+kx) < uint(s.x.w) {
					taps[k][r] = s.x.data[(row+x0+kx)*s.x.stride:]
				} else {
					taps[k][r] = zeros
				}
				k++
			}
		}
		if x++; x == p.out.w {
			x = 0
			if y++; y == p.out.h {
				y = 0
				b++
			}
		}
	}
}
