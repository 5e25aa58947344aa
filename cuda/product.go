package cuda

import (
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// productSegment and productJob are Segment and Job of product.cu.
type productSegment struct {
	X, W                           uint64
	C, CW, WC, Type                int32
	KH, KW, Stride, Top, Left      int32
	H, Wd, Linear, Vector, Padding int32
	PlaneX, PlaneW                 uint64
}

type productJob struct {
	Y, Residual, Batch, Biases, Plane uint64
	Rows, N, Sums, OH, OW             int32
	CountBiases, CountSegments        int32
	Gated, Act, Padding               int32
}

// The tile of a block of product.cu.
const (
	tileRows = 64
	tileSums = 64
	block    = 128 // threads
)

// product makes a linear layer or convolution, and the moments of its result where they are asked for.
func (x *exec) product(in *program.Instr, op *program.Product) []action {
	out := x.image(in.Out[0])
	job := productJob{Y: uint64(x.at(in.Out[0])), Biases: x.biases(in, op.Biases), Rows: int32(out.pixels()), N: int32(out.c), Sums: int32(out.c),
		OH: int32(out.h), OW: int32(out.w), CountBiases: int32(len(op.Biases)), CountSegments: int32(len(op.Segments)),
		Gated: flag(op.Epilogue.Gated), Act: int32(op.Epilogue.Act)}
	if op.Epilogue.Gated {
		job.Sums *= 2
	}
	if op.BatchBias >= 0 {
		job.Batch = uint64(x.at(in.In[op.BatchBias]))
	}
	if r := op.Epilogue.Residual; r != 0 {
		job.Residual = uint64(x.at(in.In[r]))
	}
	segments := make([]productSegment, len(op.Segments))
	for i := range segments {
		segments[i] = x.segment(in, &op.Segments[i], out)
	}
	kernel := "product_f32"
	if op.Prec == program.BF16 {
		kernel = "product_bf16"
	}
	actions := []action{x.multiply(kernel, job, 1, segments...)}
	if len(in.Out) == 2 {
		actions = append(actions, x.moments(uint64(x.at(in.Out[1])), in.Out[0]))
	}
	return actions
}

// biases is a table of the addresses of biases.
func (x *exec) biases(in *program.Instr, list []int) uint64 {
	addresses := make([]uint64, len(list))
	for k, b := range list {
		addresses[k] = uint64(x.at(in.In[b]))
	}
	return x.table(addresses)
}

// segment describes one stretch of the inner dimension.
func (x *exec) segment(in *program.Instr, s *program.Segment, out image) productSegment {
	src, shape := x.image(in.In[s.X]), x.p.Shape(in.In[s.X])
	w, kind := x.weight(in.In[s.W])
	channels := x.p.Shape(in.In[s.W])[1]
	linear := s.KH*s.KW == 1 && s.Stride == 1 && s.PadTop == 0 && s.PadLeft == 0 && (len(shape) != 4 || src.h == out.h && src.w == out.w)
	vector := flag(src.c%8 == 0)
	if src.c%8 == 0 && channels%8 == 0 && s.WOffset%8 == 0 {
		vector |= 2
	}
	return productSegment{X: uint64(x.at(in.In[s.X])), W: uint64(w), C: int32(src.c), CW: int32(channels), WC: int32(s.WOffset), Type: int32(kind),
		KH: int32(s.KH), KW: int32(s.KW), Stride: int32(s.Stride), Top: int32(s.PadTop), Left: int32(s.PadLeft), H: int32(src.h), Wd: int32(src.w),
		Linear: flag(linear), Vector: vector}
}

// multiply launches a product of so many planes.
func (x *exec) multiply(kernel string, job productJob, planes int, segments ...productSegment) action {
	wide := tileSums
	if job.Gated != 0 {
		wide /= 2
	}
	grid := driver.Dim{X: div(int(job.Rows), tileRows), Y: div(int(job.N), wide), Z: planes}
	return x.launch(kernel, grid, driver.D1(block), x.table(job, segments))
}
