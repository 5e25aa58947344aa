package cpu

import (
	"context"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// image is an operand or result seen as batch x rows x columns x channels.
type image struct {
	b, h, w, c int
	stride     int // floats from pixel to pixel
	data       []float32
}

func imageOf(shape []int, data []float32) image {
	n := len(shape)
	im := image{b: shape[0], h: 1, w: 1, c: shape[n-1], stride: shape[n-1], data: data}
	switch n {
	case 3:
		im.w = shape[1]
	case 4:
		im.h, im.w = shape[1], shape[2]
	}
	return im
}

func (im *image) pixels() int { return im.b * im.h * im.w }

// segment is one segment of a product, ready to run.
type segment struct {
	*program.Segment
	x     image
	w     kernel.Weight
	panel int // offset of its panels in the packed ones
	even  int // channels of a tap in a panel
}

// productScratch is the working memory of a product: floats of rounded operands, floats of panels.
func (x *exec) productScratch(in *program.Instr, op *program.Product) (shared, panel int) {
	round := op.Prec == program.BF16
	for i := range op.Segments {
		s := &op.Segments[i]
		im := imageOf(x.p.Shape(in.In[s.X]), nil)
		panel += kernel.PanelLen(im.c, s.KH*s.KW, round)
		if round {
			shared += im.pixels() * (im.c + im.c&1)
		}
	}
	return shared, panel + widest(op, in, x.p)
}

// widest is the number of zeros that stand for a pixel on the border.
func widest(op *program.Product, in *program.Instr, p *program.Program) int {
	n := 0
	for i := range op.Segments {
		shape := p.Shape(in.In[op.Segments[i].X])
		n = max(n, shape[len(shape)-1]+1)
	}
	return n
}

// product computes linear layers and convolutions. A task is one panel of outputs over a
// stretch of rows: it packs the panel's weights once and runs them over its rows.
func (x *exec) product(ctx context.Context, in *program.Instr, op *program.Product) error {
	segs, err := x.segments(ctx, in, op)
	if err != nil {
		return err
	}
	out := imageOf(x.p.Shape(in.Out[0]), x.f32(in.Out[0]))
	rows, panels := out.pixels(), (out.c+kernel.NR-1)/kernel.NR
	chunk := rowChunk(rows, panels, x.pool.threads)
	chunks := (rows + chunk - 1) / chunk
	round := op.Prec == program.BF16
	return x.pool.do(ctx, chunks*panels, func(worker, i int) {
		t := productTask{x: x, in: in, op: op, segs: segs, out: out, n0: i / chunks * kernel.NR, scratch: x.scratch[worker]}
		t.pack(round)
		from := i % chunks * chunk
		for r := from; r < min(from+chunk, rows); r += kernel.MR {
			t.tile(r, min(kernel.MR, min(from+chunk, rows)-r), round)
		}
	})
}

// rowChunk is the number of rows of a task: all where the panels alone keep the workers busy, and not
// fewer than a packed panel is worth.
func rowChunk(rows, panels, threads int) int {
	const least = 192
	chunk := rows
	for panels*((rows+chunk-1)/chunk) < 4*threads && chunk > least {
		chunk = (chunk/2 + kernel.MR - 1) / kernel.MR * kernel.MR
	}
	return chunk
}

// segments prepares the operands: for bf16 each is rounded once, its channels padded to even.
func (x *exec) segments(ctx context.Context, in *program.Instr, op *program.Product) ([]segment, error) {
	segs := make([]segment, len(op.Segments))
	shared, panel := 0, 0
	for i := range segs {
		s := &segs[i]
		s.Segment = &op.Segments[i]
		id := in.In[s.X]
		s.x, s.w = imageOf(x.p.Shape(id), x.f32(id)), x.weights[in.In[s.W]]
		s.panel, s.even = panel, s.x.c
		if op.Prec == program.BF16 {
			s.even += s.even & 1
			n := s.x.pixels() * s.even
			if err := x.roundImage(ctx, &s.x, x.rounded[shared:shared+n], s.even); err != nil {
				return nil, err
			}
			shared += n
		}
		panel += s.even * s.KH * s.KW * kernel.NR
	}
	return segs, nil
}

// roundImage makes im a rounded copy of itself in dst.
func (x *exec) roundImage(ctx context.Context, im *image, dst []float32, stride int) error {
	const pixels = 256
	n := im.pixels()
	err := x.pool.do(ctx, (n+pixels-1)/pixels, func(_, i int) {
		if stride == im.c {
			lo, hi := i*pixels*stride, min(n, (i+1)*pixels)*stride
			kernel.RoundBF16(dst[lo:hi], im.data[lo:hi])
			return
		}
		for p := i * pixels; p < min(n, (i+1)*pixels); p++ {
			kernel.RoundBF16(dst[p*stride:p*stride+im.c], im.data[p*im.c:(p+1)*im.c])
			dst[(p+1)*stride-1] = 0
		}
	})
	im.data, im.stride = dst, stride
	return err
}

// productTask is one panel of outputs over some rows.
type productTask struct {
	x       *exec
	in      *program.Instr
	op      *program.Product
	segs    []segment
	out     image
	n0      int       // first output of the panel
	scratch []float32 // zeros for the border, then the packed panels
	panels  []float32
	zeros   []float32
	taps    [][kernel.MR][]float32
}

// pack widens the panel's weights.
func (t *productTask) pack(round bool) {
	n := widest(t.op, t.in, t.x.p)
	t.zeros, t.panels = t.scratch[:n], t.scratch[n:]
	clear(t.zeros)
	most := 0
	for i := range t.segs {
		most = max(most, t.segs[i].KH*t.segs[i].KW)
	}
	t.taps = make([][kernel.MR][]float32, most)
	for i := range t.segs {
		s := &t.segs[i]
		kernel.Pack(t.panels[s.panel:], s.w, s.WOffset, s.x.c, t.n0, t.out.c, round)
	}
}

// tile computes rows [r0,r0+rows) of the panel.
func (t *productTask) tile(r0, rows int, round bool) {
	var acc kernel.Tile
	t.start(&acc, r0, rows)
	dot := t.x.products.F32
	if round {
		dot = t.x.products.BF16
	}
	for i := range t.segs {
		s := &t.segs[i]
		taps := t.taps[:s.KH*s.KW]
		for k := range taps {
			for r := range taps[k] {
				taps[k][r] = t.pixel(s, r0+min(r, rows-1), k/s.KW, k%s.KW)
			}
		}
		dot(&acc, taps, t.panels[s.panel:], s.even, rows)
	}
	n := min(kernel.NR, t.out.c-t.n0)
	for r := range rows {
		copy(t.out.data[(r0+r)*t.out.c+t.n0:][:n], acc[r*kernel.NR:])
	}
}

// start sets the accumulators to the biases.
func (t *productTask) start(acc *kernel.Tile, r0, rows int) {
	n := min(kernel.NR, t.out.c-t.n0)
	perBatch := t.out.h * t.out.w
	for r := range rows {
		a := acc[r*kernel.NR:][:n]
		for k, b := range t.op.Biases {
			bias := t.x.f32(t.in.In[b])[t.n0:]
			for j := range a {
				if k == 0 {
					a[j] = bias[j]
				} else {
					a[j] += bias[j]
				}
			}
		}
		if t.op.BatchBias < 0 {
			continue
		}
		bias := t.x.f32(t.in.In[t.op.BatchBias])[(r0+r)/perBatch*t.out.c+t.n0:]
		for j := range a {
			if len(t.op.Biases) == 0 {
				a[j] = bias[j]
			} else {
				a[j] += bias[j]
			}
		}
	}
}

// pixel is the input pixel under tap (ky,kx) for output row r; zeros on the border.
func (t *productTask) pixel(s *segment, r, ky, kx int) []float32 {
	perBatch := t.out.h * t.out.w
	b, rest := r/perBatch, r%perBatch
	y, x := rest/t.out.w*s.Stride-s.PadTop+ky, rest%t.out.w*s.Stride-s.PadLeft+kx
	if y < 0 || y >= s.x.h || x < 0 || x >= s.x.w {
		return t.zeros
	}
	return s.x.data[((b*s.x.h+y)*s.x.w+x)*s.x.stride:]
}
