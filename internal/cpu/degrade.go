package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// degrade is [program.Degrade]; a task is one row of one picture.
type degrade struct {
	x  *exec
	in *program.Instr
	op *program.Degrade

	dst, src     image
	output       []float32
	columns      []float32
	alpha, sigma float32
}

func (x *exec) newDegrade(in *program.Instr, op *program.Degrade) (*degrade, needs) {
	im := imageOf(x.p.Shape(in.In[0]), nil)
	return &degrade{x: x, in: in, op: op}, needs{worker: im.w * im.c}
}

func (d *degrade) run() error {
	d.dst, d.src = d.x.image(d.in.Out[0]), d.x.image(d.in.In[0])
	d.output, d.columns = d.x.f32(d.in.In[1]), d.x.f32(d.in.In[2])
	c := d.x.f32(d.in.In[3])
	d.alpha, d.sigma = c[0], c[1]
	return d.x.pool.do(d, d.src.b*d.src.h, len(d.src.data)*2*len(d.op.Taps))
}

// seen is what the model's output says of the picture at element i.
func (d *degrade) seen(i int) float32 {
	x0, _ := estimate(d.op.Prediction, d.src.data[i], d.output[i], d.alpha, d.sigma)
	return x0
}

// reflect mirrors an index at the first and the last of n.
func reflect(i, n int) int {
	for i < 0 || i >= n {
		if n == 1 {
			return 0
		}
		if i < 0 {
			i = -i
		} else {
			i = 2*(n-1) - i
		}
	}
	return i
}

func (d *degrade) task(w *worker, i int) {
	im, half := &d.src, len(d.op.Taps)/2
	b, y := i/im.h, i%im.h
	row := im.w * im.c
	column := w.scratch[:row] // blurred along the columns
	clear(column)
	for t, tap := range d.op.Taps {
		from := (b*im.h + reflect(y+t-half, im.h)) * row
		for e := range column {
			column[e] = numeric.FMA(tap, d.seen(from+e), column[e])
		}
	}
	my := nearest(y, d.op.MapH, im.h)
	for x := range im.w {
		cell := d.columns[(b*d.op.MapH+my)*d.op.MapW+nearest(x, d.op.MapW, im.w)]
		for c := range im.c {
			at := i*row + x*im.c + c
			x0, e := estimate(d.op.Prediction, im.data[at], d.output[at], d.alpha, d.sigma)
			if cell > 1 {
				x0 = 0
				for t, tap := range d.op.Taps {
					x0 = numeric.FMA(tap, column[reflect(x+t-half, im.w)*im.c+c], x0)
				}
			}
			d.dst.data[at] = float32(d.alpha*x0) + float32(d.sigma*e)
		}
	}
}
