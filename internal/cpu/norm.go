package cpu

import (
	"context"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// groupNorm normalises; a task is one group of one batch entry. Several inputs are
// read as if concatenated along the channels.
func (x *exec) groupNorm(ctx context.Context, in *program.Instr, op *program.GroupNorm) error {
	gamma, beta := x.f32(in.In[0]), x.f32(in.In[1])
	out := imageOf(x.p.Shape(in.Out[0]), x.f32(in.Out[0]))
	var parts []image
	for _, id := range in.In[2:] {
		parts = append(parts, imageOf(x.p.Shape(id), x.f32(id)))
	}
	size := out.c / op.Groups
	return x.pool.do(ctx, out.b*op.Groups, func(worker, i int) {
		b, g := i/op.Groups, i%op.Groups
		var m kernel.Moments
		each(parts, g*size, size, func(im *image, c, n, _ int) {
			for k := range n {
				m = m.Merge(channelMoments(im, b, c+k))
			}
		})
		scale, shift := x.scratch[worker][:size], x.scratch[worker][size:2*size]
		rstd := m.RStd(op.Eps)
		for k := range size {
			scale[k], shift[k] = affine(m.Mean, rstd, gamma[g*size+k], beta[g*size+k])
		}
		pixels := out.h * out.w
		each(parts, g*size, size, func(im *image, c, n, at int) {
			dst := out.data[b*pixels*out.c+at:]
			kernel.Scale(dst, out.c, im.data[b*pixels*im.c+c:], im.c, scale[at-g*size:][:n], shift[at-g*size:][:n], pixels)
			if f := function(op.Act); f != nil {
				for p := range pixels {
					row := dst[p*out.c:][:n]
					kernel.Map(row, row, f)
				}
			}
		})
	})
}

// affine is the map of one channel: x*a + b.
func affine(mean, rstd, gamma, beta float32) (a, b float32) {
	a = rstd * gamma
	return a, kernel.Shift(mean, a, beta)
}

// each visits the channels [at,at+n) of the concatenated parts: n channels from c on in one
// part, at in the whole.
func each(parts []image, at, n int, visit func(im *image, c, n, at int)) {
	first := 0
	for i := range parts {
		im := &parts[i]
		lo, hi := max(at, first), min(at+n, first+im.c)
		if lo < hi {
			visit(im, lo-first, hi-lo, lo)
		}
		first += im.c
	}
}

// channelMoments merges the moments of one channel's rows.
func channelMoments(im *image, b, c int) kernel.Moments {
	var m kernel.Moments
	for y := range im.h {
		m = m.Merge(kernel.RowMoments(im.data[(b*im.h+y)*im.w*im.c+c:], im.c, im.w))
	}
	return m
}

func (x *exec) layerNorm(ctx context.Context, in *program.Instr, op *program.LayerNorm) error {
	src, dst := x.f32(in.In[0]), x.f32(in.Out[0])
	gamma, beta := x.optional(in.In[1]), x.optional(in.In[2])
	c := x.p.Shape(in.Out[0])[len(x.p.Shape(in.Out[0]))-1]
	return x.rows(ctx, len(dst)/c, c, func(r int) {
		kernel.LayerNorm(dst[r*c:(r+1)*c], src[r*c:(r+1)*c], gamma, beta, op.Eps)
	})
}

func (x *exec) optional(id program.ID) []float32 {
	if id == program.None {
		return nil
	}
	return x.f32(id)
}

// rows runs f for each of n rows of width floats, many rows a task.
func (x *exec) rows(ctx context.Context, n, width int, f func(r int)) error {
	const floats = 1 << 14
	each := max(1, floats/max(width, 1))
	return x.pool.do(ctx, (n+each-1)/each, func(_, i int) {
		for r := i * each; r < min(n, (i+1)*each); r++ {
			f(r)
		}
	})
}
