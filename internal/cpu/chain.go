package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// window is where a chain has some rows of a value that is not stored.
type window struct {
	top  int // the first row
	data []float32
}

// chain runs instructions band by band; see program.Chain.
type chain struct {
	x     *exec
	in    *program.Instr
	op    *program.Chain
	steps []step
	at    map[program.ID]int // the step that makes a value
	h     int                // rows of the result
}

// step is one instruction of a chain.
type step struct {
	in     *program.Instr
	do     banded
	needs  needs // shared is for the whole chain
	h, row int   // rows of its result; floats of one
	inner  bool  // the result is not stored
	most   int   // rows of a band of it
	lo, hi int   // rows of the current band
}

// banded is an operation that can make some rows of its result at a time.
type banded interface {
	// begin prepares a pass over all bands, in memory of its own.
	begin(memory []float32) error
	// place finds the operands, whose windows have moved.
	place()
	rows(from, to int) error
	// reads gives the rows of operand k that rows [from,to) of the result are made of.
	reads(k, from, to int) (lo, hi int)
}

func (x *exec) newChain(in *program.Instr, op *program.Chain) (operation, needs) {
	c := &chain{x: x, in: in, op: op, at: make(map[program.ID]int)}
	for i := range op.Body {
		b := &op.Body[i]
		s := step{in: b, inner: i < len(op.Body)-1 || in.Out[0] != b.Out[0]}
		out := x.p.Shape(b.Out[0])
		s.h, s.row = out[1], out[2]*out[3]
		switch o := b.Op.(type) {
		case *program.GroupNorm:
			n := &bandNorm{groupNorm: nil}
			n.groupNorm, s.needs = x.newGroupNorm(b, o)
			s.do = n
		case *program.Product:
			if o.Algorithm == program.Winograd {
				s.do, s.needs = x.newWinograd(b, o)
			} else {
				s.do, s.needs = x.newShortcut(b, o)
			}
		default:
			return nil, needs{}
		}
		c.at[b.Out[0]] = i
		c.steps = append(c.steps, s)
		c.h = s.h
	}
	n := needs{}
	for from := 0; from < c.h; from += op.Rows {
		c.ranges(from)
	}
	for i := range c.steps {
		s := &c.steps[i]
		n.shared += s.needs.shared
		if s.inner {
			n.shared += s.most * s.row
		}
		n.worker, n.ends, n.taps = max(n.worker, s.needs.worker), max(n.ends, s.needs.ends), max(n.taps, s.needs.taps)
	}
	return c, n
}

// ranges finds the rows of each step that the band from a row on is made of.
func (c *chain) ranges(from int) {
	for i := range c.steps {
		c.steps[i].lo, c.steps[i].hi = c.h, 0
	}
	last := len(c.steps) - 1
	c.steps[last].lo, c.steps[last].hi = from, min(from+c.op.Rows, c.h)
	for i := last; i >= 0; i-- {
		s := &c.steps[i]
		if _, ok := s.do.(*winograd); ok {
			s.lo, s.hi = s.lo&^(kernel.WinogradTile-1), min(up(s.hi, kernel.WinogradTile), s.h)
		}
		s.most = max(s.most, s.hi-s.lo)
		for k, id := range s.in.In {
			j, ok := c.at[id]
			if !ok || j >= i {
				continue
			}
			of := &c.steps[j]
			lo, hi := s.do.reads(k, s.lo, s.hi)
			if of.hi == 0 {
				of.lo = of.h
			}
			of.lo, of.hi = min(of.lo, max(lo, 0)), max(of.hi, min(hi, of.h))
		}
	}
}

func (c *chain) run() error {
	take := carver(c.x.shared)
	defer clear(c.x.windows)
	buffers := make([][]float32, len(c.steps))
	for i := range c.steps {
		s := &c.steps[i]
		if s.inner {
			buffers[i] = take.floats(s.most * s.row)
			c.x.windows[s.in.Out[0]] = window{data: buffers[i]}
		}
		if err := s.do.begin(take.floats(s.needs.shared)); err != nil {
			return err
		}
	}
	bands := (c.h + c.op.Rows - 1) / c.op.Rows
	for k := range bands {
		if c.upwards() {
			k = bands - 1 - k
		}
		c.ranges(k * c.op.Rows)
		for i := range c.steps {
			s := &c.steps[i]
			if s.inner {
				c.x.windows[s.in.Out[0]] = window{s.lo, buffers[i]}
			}
			s.do.place()
			if err := s.do.rows(s.lo, s.hi); err != nil {
				return err
			}
		}
	}
	return nil
}

// upwards says that the last band comes first: where the result moves towards the end of its operand's memory.
func (c *chain) upwards() bool {
	if c.op.Over < 0 {
		return false
	}
	y, old := c.in.Out[0], c.in.In[c.op.Over]
	return c.x.plan.Offset[y] > c.x.plan.Offset[old]
}

// bandNorm is a group norm whose moments are given.
type bandNorm struct {
	*groupNorm
	src      image
	from, to int
}

func (n *bandNorm) begin(memory []float32) error { return n.maps(memory) }

func (n *bandNorm) place() { n.src, n.out = n.x.image(n.in.In[2]), n.x.image(n.in.Out[0]) }

func (n *bandNorm) reads(_, from, to int) (int, int) { return from, to }

func (n *bandNorm) rows(from, to int) error {
	n.from, n.to = from, to
	cost := (to - from) * n.out.w * n.out.c
	return n.x.pool.do(n, (to-from+n.groupNorm.rows-1)/n.groupNorm.rows, cost)
}

// task maps some rows.
func (n *bandNorm) task(_ *worker, i int) {
	row := n.out.w * n.out.c
	lo := n.from + i*n.groupNorm.rows
	hi := min(lo+n.groupNorm.rows, n.to)
	band := n.out.data[(lo-n.out.top)*row : (hi-n.out.top)*row]
	n.x.tier.Scale(band, n.out.c, n.src.data[(lo-n.src.top)*row:], n.out.c, n.factor[:n.out.c], n.shift[:n.out.c], (hi-lo)*n.out.w)
	if n.act != nil {
		n.act(band, band)
	}
}

// shortcut is a product of one 1x1 convolution.
type shortcut struct {
	x        *exec
	in       *program.Instr
	seg      program.Segment
	biased   []program.ID
	src, out image
	biases   []float32
	panels   []float32
	from, to int
	packing  shortcutPacking
	runs     [1]kernel.Run
}

// shortcutPixels are the pixels of a task.
const shortcutPixels = 32 * kernel.MR

func (x *exec) newShortcut(in *program.Instr, op *program.Product) (*shortcut, needs) {
	s := &shortcut{x: x, in: in, seg: op.Segments[0]}
	for _, b := range op.Biases {
		s.biased = append(s.biased, in.In[b])
	}
	s.packing = shortcutPacking{s}
	s.src, s.out = imageOf(x.p.Shape(in.In[s.seg.X]), nil), imageOf(x.p.Shape(in.Out[0]), nil)
	s.biases, s.runs[0] = make([]float32, s.out.c), kernel.Run{Taps: 1, Words: s.src.c}
	return s, needs{shared: up(s.out.c, kernel.NR) * s.src.c, worker: kernel.PackScratch(1), ends: x.ends(kernel.MR, kernel.NR), taps: 1}
}

func (s *shortcut) begin(memory []float32) error {
	clear(s.biases)
	for k, b := range s.biased {
		if k == 0 {
			copy(s.biases, s.x.f32(b))
			continue
		}
		s.x.tier.Add(s.biases, s.biases, s.x.f32(b))
	}
	s.panels = memory
	return s.x.pool.do(&s.packing, up(s.out.c, kernel.NR)/kernel.NR, len(memory))
}

// shortcutPacking packs the weights; a task is a panel.
type shortcutPacking struct{ *shortcut }

func (j *shortcutPacking) task(w *worker, i int) {
	s, size := j.shortcut, j.src.c*kernel.NR
	weight := s.x.weights[s.in.In[s.seg.W]]
	s.x.tier.Pack(s.panels[i*size:(i+1)*size], w.scratch[:kernel.PackScratch(1)], &weight, s.seg.WOffset, s.src.c, i*kernel.NR, s.out.c, false)
}

func (s *shortcut) place() { s.src, s.out = s.x.image(s.in.In[s.seg.X]), s.x.image(s.in.Out[0]) }

func (s *shortcut) reads(_, from, to int) (int, int) { return from, to }

func (s *shortcut) rows(from, to int) error {
	s.from, s.to = from*s.out.w, to*s.out.w
	const macsPerNanosecond = 50
	return s.x.pool.do(s, up(s.to-s.from, shortcutPixels)/shortcutPixels, (s.to-s.from)*s.out.c/macsPerNanosecond*s.src.c)
}

// terms readies the worker's terms for one panel.
func (s *shortcut) terms(w *worker) {
	w.panels = append(w.panels[:0], nil)
	w.terms = kernel.Terms{X: w.taps[:1], Runs: s.runs[:], W: w.panels}
}

// task computes some pixels.
func (s *shortcut) task(w *worker, i int) {
	lo := s.from + i*shortcutPixels
	hi := min(lo+shortcutPixels, s.to)
	e, taps := &w.ends, w.taps[:1]
	e.InStep, e.Add, e.Step, e.Words = 0, nil, s.out.c, false
	s.terms(w)
	src, out := s.src.data[(lo-s.src.top*s.src.w)*s.src.c:], s.out.data[(lo-s.out.top*s.out.w)*s.out.c:]
	for n0 := 0; n0 < s.out.c; n0 += kernel.NR {
		cols := min(kernel.NR, s.out.c-n0)
		e.In = s.biases[n0 : n0+cols]
		for r := 0; r < hi-lo; r += kernel.MR {
			rows := min(kernel.MR, hi-lo-r)
			for k := range kernel.MR {
				taps[0][k] = src[(r+min(k, rows-1))*s.src.c:]
			}
			e.Out = out[r*s.out.c+n0:]
			w.panels[0] = s.panels[n0*s.src.c:]
			s.x.tier.F32Between(e, &w.terms, rows, cols)
		}
	}
}
