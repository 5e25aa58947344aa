package cuda

import (
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// tensorSegment and tensorJob are Segment and Job of tensor.cu.
type tensorSegment struct {
	X, W                     uint64
	C, Taps, KW              int32
	Stride, Top, Left, H, Wd int32
	Linear, Padding          int32
}

type tensorJob struct {
	Y, Residual, Batch, Biases, Moments uint64
	Rows, N, Sums, OH, OW               int32
	CountBiases, Chunks                 int32
	Gated, Act, Half                    int32
}

// The tiles of tensor.cu, which are square, and the channels of a chunk.
const (
	largeTile     = 128
	smallTile     = 64
	chunkChannels = 32
)

// panelKey is what a segment reads of a weight: channels from first on.
type panelKey struct {
	id              program.ID
	first, channels int
	scale           float32
}

// panel is such a part of a weight, as fp16 [N,taps,wide]: channels, and zeros up to a multiple of 8.
type panel struct{ n, taps, first, channels, wide, all int }

// product16 is an instruction's product of class fp16; nil for none.
func product16(in *program.Instr) *program.Product {
	if op, ok := in.Op.(*program.Product); ok && op.Prec == program.F16 {
		return op
	}
	return nil
}

// keyOf is the panel that segment s reads.
func (x *exec) keyOf(in *program.Instr, s *program.Segment) panelKey {
	shape := x.p.Shape(in.In[s.X])
	scale, ok := x.scales[s]
	if !ok {
		scale = 1
	}
	return panelKey{in.In[s.W], s.WOffset, shape[len(shape)-1], scale}
}

// listPanels lists what a product of class fp16 reads of its weights.
func (x *exec) listPanels(in *program.Instr, weights []program.WeightData) {
	op := product16(in)
	for i := range op.Segments {
		s := &op.Segments[i]
		key := x.keyOf(in, s)
		w := weights[key.id]
		if x.panels[key] != 0 || w.Shape == nil {
			continue
		}
		p := &panel{n: w.Shape[0], taps: s.KH * s.KW, first: key.first, channels: key.channels, wide: int(up(int64(key.channels), 8)), all: w.Shape[1]}
		st := stored{data: w, kind: w.Type, taps: 1, panel: p, bytes: 2 * int64(p.n) * int64(p.taps) * int64(p.wide)}
		if st.scale = key.scale; w.Type == program.WF64 || key.scale != 1 {
			st.kind = program.WF32
		}
		x.stored = append(x.stored, st)
		x.panels[key] = len(x.stored)
	}
}

// pack makes a panel from where its weight was staged.
func (x *exec) pack(s *stored, to, from driver.Ptr) call {
	p, n := s.panel, int(s.bytes/2)
	return x.callEach("pack_weights", n, 1, to, from, n, p.channels, p.wide, p.all, p.first, p.taps, int(s.kind))
}

// tensorProduct makes a linear layer or convolution of class fp16.
func (x *exec) tensorProduct(in *program.Instr, op *program.Product) (actions []action) {
	out := x.image(in.Out[0])
	job := tensorJob{Y: uint64(x.at(in.Out[0])), Biases: x.biases(in, op.Biases), Moments: uint64(x.at16(in)), Rows: int32(out.pixels()), N: int32(out.c),
		Sums: int32(out.c), OH: int32(out.h), OW: int32(out.w), CountBiases: int32(len(op.Biases)), Gated: flag(op.Epilogue.Gated), Act: int32(op.Epilogue.Act)}
	if op.Epilogue.Gated {
		job.Sums *= 2
	}
	var residual, batch program.ID
	if op.BatchBias >= 0 {
		batch = in.In[op.BatchBias]
		job.Batch = uint64(x.at(batch))
	}
	if r := op.Epilogue.Residual; r != 0 {
		residual = in.In[r]
		job.Residual = uint64(x.at(residual))
	}
	job.Half = int32(x.halfBits(in.Out[0], residual, batch))
	pixels := make(map[program.ID]uint64)
	segments := make([]tensorSegment, len(op.Segments))
	for i := range segments {
		s := &op.Segments[i]
		id := in.In[s.X]
		if pixels[id] == 0 {
			at, how := x.packed(id, x.image(id).c)
			pixels[id] = at
			actions = append(actions, how...)
		}
		segments[i] = x.tensorSegment(in, s, out)
		segments[i].X = pixels[id]
		job.Chunks += segments[i].Taps * int32(div(int(segments[i].C), chunkChannels))
	}
	tile, kernel := largeTile, "product_f16_128"
	if large := div(int(job.Rows), largeTile) * div(int(job.Sums), largeTile); job.Moments == 0 && large < x.e.d.Info().Processors {
		tile, kernel = smallTile, "product_f16_64" // so that more processors have work
	}
	grid := driver.D2(div(int(job.Rows), tile), div(int(job.Sums), tile))
	if op.Epilogue.Gated {
		grid.Y = div(int(job.N), tile/2)
	}
	return append(actions, x.launch(kernel, grid, driver.D1(block), x.table(job, segments)))
}

// tensorSegment describes one stretch of the inner dimension.
func (x *exec) tensorSegment(in *program.Instr, s *program.Segment, out image) tensorSegment {
	src, w := x.image(in.In[s.X]), x.panels[x.keyOf(in, s)]-1
	linear := s.KH*s.KW == 1 && s.Stride == 1 && s.PadTop == 0 && s.PadLeft == 0 && (len(x.p.Shape(in.In[s.X])) != 4 || src.h == out.h && src.w == out.w)
	return tensorSegment{W: uint64(x.place(w)), C: int32(x.stored[w].panel.wide), Taps: int32(s.KH * s.KW), KW: int32(s.KW), Stride: int32(s.Stride),
		Top: int32(s.PadTop), Left: int32(s.PadLeft), H: int32(src.h), Wd: int32(src.w), Linear: flag(linear)}
}
