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
	parts []part
	out   image
	round bool
	words bool // the result is stored as words
	dot   kernel.Product

	rows, panels int // of the whole product
	taps         int // of all segments
	height       int // the most rows of one call of the loops
	panel        int // floats of a packed panel
	border       int // floats that stand for a pixel on the border
	transposing  int // floats of working memory of packing
	macs         int // of a panel's row

	chunk, chunks int // rows of a task; tasks along the rows
	group, groups int // panels of a task, but of the last ones; tasks along the outputs
	widest        int // the most panels that a task may have
	big           int // tasks along the outputs that have as many
	last          int // panels of each of the others, but of the last one

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
	lay    layJob
	kept   *panels.Panels // packed weights of an earlier run, or nil; a block a panel
}

// part is a stretch of the taps of all segments, whose weights stay in a second-level cache while a task's rows pass.
type part struct {
	from, to int          // taps
	runs     []kernel.Run // of the taps of each segment that it has
	segs     []int        // of each run
	at       []int        // where each run's weights begin among its segment's
}

func (x *exec) newProduct(in *program.Instr, op *program.Product) (*product, needs) {
	p := &product{x: x, in: in, op: op, round: op.Prec == program.BF16, words: x.asWords[in.Out[0]], dot: x.tier.F32Between, segs: make([]segment, len(op.Segments)),
		out: x.shapeOf(in.Out[0]), biases: make([][]float32, len(op.Biases))}
	if p.round {
		p.dot = x.tier.BF16Between
	}
	p.packing = packJob{p}
	p.rows, p.panels = p.out.pixels(), (p.out.c+kernel.NR-1)/kernel.NR
	p.height = min(max(kernel.MR, x.tier.Height), up(p.rows, kernel.MR))
	var n needs
	for i := range p.segs {
		s := &p.segs[i]
		s.Segment = &op.Segments[i]
		s.x, s.w = x.shapeOf(in.In[s.X]), x.weights[in.In[s.W]]
		taps := s.KH * s.KW
		s.panel, s.tap, s.words = p.panel, n.taps, kernel.Words(s.x.c, p.round)
		s.linear = taps == 1 && s.Stride == 1 && s.PadTop == 0 && s.PadLeft == 0 &&
			(s.x.h == p.out.h && s.x.w == p.out.w || len(x.p.Shape(in.In[s.X])) != 4)
		if p.round && !s.x.words {
			n.shared += s.x.pixels() * s.words
		}
		if p.canLay(s) {
			s.lay = layJob{product: p, seg: s}
			n.shared += x.tier.LaidLen(p.rows, s.x.c)
		}
		p.panel += kernel.PanelLen(s.x.c, taps, p.round)
		p.border = max(p.border, s.words)
		p.transposing = max(p.transposing, kernel.PackScratch(taps))
		n.taps += taps
	}
	p.taps = n.taps
	n.taps *= p.height / kernel.MR
	p.sums, p.half = p.out.c, p.panel
	if op.Epilogue.Gated {
		p.sums, p.panel = 2*p.out.c, 2*p.panel
	}
	p.macs = p.panel
	p.newEpilogue()
	p.divide()
	p.cut()
	n.worker = p.working()
	n.ends = x.ends(p.height, p.widest*kernel.NR*p.halves())
	return p, n
}

// Sizes in floats of what a second-level cache (1 MiB at least) keeps while rows pass: of a task's panels, and of a part of one that
// is larger.
const (
	mostCached = 1 << 17
	partCached = 1 << 16
)

// Of loops that take many rows at once: the size in floats of a task's panels, and their number, without gates and with them.
const mostTall = 1 << 22

var tallPanels = [2]int{18, 12}

// finest is how many times more tasks of such loops there may be than there must be, by fewer rows: these cost nothing where weights are packed, and
// the more tasks there are, the less one worker waits for the last one of another.
const finest = 8

// divide makes the parts: one, but for large panels whose sums can wait in the result, of loops that do not go by stretches themselves.
func (p *product) divide() {
	var now part
	size := 0
	for i := range p.segs {
		s := &p.segs[i]
		for range s.KH * s.KW {
			n := s.words * kernel.NR
			if p.half > mostCached && !p.tall() && !p.words && !p.tiled() && size+n > partCached && size > 0 {
				p.parts = append(p.parts, now)
				now, size = part{from: now.to, to: now.to}, 0
			}
			if last := len(now.segs) - 1; last >= 0 && now.segs[last] == i {
				now.runs[last].Taps++
			} else {
				now.segs, now.runs = append(now.segs, i), append(now.runs, kernel.Run{Taps: 1, Words: s.words})
				now.at = append(now.at, (now.to-s.tap)*n)
			}
			now.to++
			size += n
		}
	}
	p.parts = append(p.parts, now)
}

// working is the working memory of a task, in floats.
func (p *product) working() int {
	n := p.border + p.transposing + p.widest*(p.panel+p.tile(kernel.MR))
	if p.tiled() {
		n += p.widest * p.tile(p.height)
	}
	return n
}

// halves is 2 with gates, whose sums are made beside the others, and 1 without.
func (p *product) halves() int { return p.sums / p.out.c }

// tile is the size of the sums of a panel of a task, with its gates, for so many rows.
func (p *product) tile(rows int) int { return p.halves() * rows * kernel.NR }

// cut chooses the size of tasks: groups of panels that fit a second-level cache, all rows where the groups
// alone keep the workers busy, and not fewer rows than packing is worth. Loops that take many rows at once read panels from further away, and
// lay rows out anew for each task where that is not done once for all: they have more panels, and fewer rows before they have fewer panels.
func (p *product) cut() {
	least, wanted := 192, 1
	packed := p.keep || p.mapped
	if packed {
		least = 4 * kernel.MR
	}
	if p.x.pool.threads > 1 {
		wanted = 4 * p.x.pool.threads
	}
	p.group, p.chunk = p.together(mostCached/p.panel), p.rows
	if p.tall() {
		p.group = p.together(min(mostTall/p.panel, tallPanels[p.halves()-1]))
	}
	p.widest = p.group
	if p.laid() && !packed {
		wanted *= finest
	}
	if p.tall() && packed {
		least = p.height
		wanted *= 2
		p.fewerRows(finest*wanted, least)
	}
	for p.count(); p.chunks*p.groups < wanted && p.group > p.together(1); p.count() {
		p.group = p.together((p.group + 1) / 2)
	}
	p.fewerRows(wanted, least)
}

// tall says whether the loops take many rows at once.
func (p *product) tall() bool { return p.height > 4*kernel.MR }

// fewerRows makes the rows of a task fewer until there are as many tasks as wanted.
func (p *product) fewerRows(wanted, least int) {
	for p.count(); p.chunks*p.groups < wanted && p.chunk > least; p.count() {
		next := up(p.chunk/2, p.step)
		if next >= p.chunk {
			break
		}
		p.chunk = next
	}
}

// together is a number of panels that the loops treat well at once, no more than n unless it is the least.
func (p *product) together(n int) int {
	unit := max(1, p.x.tier.Panels)
	return min(p.panels, max(unit, n/unit*unit))
}

// count finds the numbers of tasks. The last panels, a few for each worker, are single, so that all end at about the same time, unless
// the loops want several.
func (p *product) count() {
	p.chunks, p.big = (p.rows+p.chunk-1)/p.chunk, p.panels/p.group
	p.last = p.together(1)
	switch {
	case p.tall():
		p.last = p.group
	case p.x.pool.threads > 1 && p.group > p.last:
		p.big = max(0, p.panels-2*p.x.pool.threads*p.last) / p.group
	}
	rest := p.panels - p.big*p.group
	p.groups = p.big + (rest+p.last-1)/p.last
}

// panelsOf gives the first of the panels of a group, and their number.
func (p *product) panelsOf(group int) (first, n int) {
	if group < p.big {
		return group * p.group, p.group
	}
	first = p.big*p.group + (group-p.big)*p.last
	return first, min(p.last, p.panels-first)
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
	rounded := 0
	for i := range p.segs {
		s := &p.segs[i]
		s.x = p.x.image(p.in.In[s.X])
		if !p.round || s.x.words {
			continue
		}
		s.round = roundJob{x: p.x, src: s.x, dst: take.floats(s.x.pixels() * s.words), stride: s.words}
		if rounded > 0 || there != p.in.In[s.X] {
			if rounded == 0 {
				p.x.words = program.None
			}
			if err := s.round.run(); err != nil {
				return err
			}
		}
		if rounded == 0 {
			p.x.words = p.in.In[s.X]
		}
		rounded++
		s.x.data, s.x.stride, s.x.words = s.round.dst, s.words, true
	}
	return p.layOut(&take)
}

func (p *product) task(w *worker, i int) {
	take := carver(w.scratch)
	zeros, scratch := take.floats(p.border), take.floats(p.transposing)
	clear(zeros)
	first, n := p.panelsOf(i / p.chunks)
	w.init = take.floats(p.group * p.tile(kernel.MR))
	if p.tiled() {
		w.tiles = take.floats(p.group * p.tile(p.height))
	}
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
	t := tiler{product: p, w: w, first: first, n: n, cols: min(n*kernel.NR, p.out.c-first*kernel.NR), entry: -1}
	for k := range p.parts {
		t.part, t.last = k, k == len(p.parts)-1
		t.weights(panels)
		if !t.run(zeros, from, min(from+p.chunk, p.rows)) {
			return
		}
	}
}
