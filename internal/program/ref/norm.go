package ref

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// meanAndVariance of some numbers, in two passes.
func meanAndVariance(x []float32) (mean, variance float64) {
	for _, v := range x {
		mean += float64(v)
	}
	mean /= float64(len(x))
	for _, v := range x {
		d := float64(v) - mean
		variance += d * d
	}
	return mean, variance / float64(len(x))
}

// groupNorm normalises each group of channels of the joined inputs over all pixels.
func (x *exec) groupNorm(in *program.Instr, op *program.GroupNorm) {
	gamma, beta, out := x.f(in.In[0]), x.f(in.In[1]), x.image(in.Out[0])
	joined := x.joined(op.Inputs(in), out)
	size := out.c / op.Groups
	pixels := out.h * out.w
	for b := range out.b {
		for first := 0; first < out.c; first += size {
			var group []float32
			for p := range pixels {
				group = append(group, joined[(b*pixels+p)*out.c+first:][:size]...)
			}
			mean, variance := meanAndVariance(group)
			for p := range pixels {
				for c := first; c < first+size; c++ {
					i := (b*pixels+p)*out.c + c
					y := (float64(joined[i])-mean)/math.Sqrt(variance+float64(op.Eps))*float64(gamma[c]) + float64(beta[c])
					out.data[i] = activate(op.Act, float32(y))
				}
			}
		}
	}
}

// joined is the concatenation of values along the channels.
func (x *exec) joined(ids []program.ID, out image) []float32 {
	all := make([]float32, 0, len(out.data))
	for p := range out.b * out.h * out.w {
		for _, id := range ids {
			im := x.image(id)
			all = append(all, im.data[p*im.c:][:im.c]...)
		}
	}
	return all
}

// moments are the mean and the sum of squared differences of each row and channel of an image: [B,H,2,C].
func (x *exec) moments(in, out program.ID) {
	im, to := x.image(in), x.f(out)
	for row := range im.b * im.h {
		for c := range im.c {
			var line []float32
			for p := range im.w {
				line = append(line, im.data[(row*im.w+p)*im.c+c])
			}
			mean, variance := meanAndVariance(line)
			to[2*row*im.c+c] = float32(mean)
			to[(2*row+1)*im.c+c] = float32(variance * float64(im.w))
		}
	}
}

// layerNorm normalises the last dimension.
func (x *exec) layerNorm(in *program.Instr, op *program.LayerNorm) {
	src, out := x.f(in.In[0]), x.f(in.Out[0])
	s := x.p.Shape(in.Out[0])
	c := s[len(s)-1]
	for lo := 0; lo < len(src); lo += c {
		mean, variance := meanAndVariance(src[lo : lo+c])
		for k, v := range src[lo : lo+c] {
			y := (float64(v) - mean) / math.Sqrt(variance+float64(op.Eps))
			if in.In[1] != program.None {
				y *= float64(x.f(in.In[1])[k])
			}
			if in.In[2] != program.None {
				y += float64(x.f(in.In[2])[k])
			}
			out[lo+k] = float32(y)
		}
	}
}
