package ref

import (
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// image is a value seen as batch x rows x columns x channels.
type image struct {
	b, h, w, c int
	data       []float32
}

func (x *exec) image(id program.ID) image {
	s := x.p.Shape(id)
	im := image{b: s[0], h: 1, w: 1, c: s[len(s)-1], data: x.f(id)}
	switch len(s) {
	case 3:
		im.w = s[1]
	case 4:
		im.h, im.w = s[1], s[2]
	}
	return im
}

// at is a pixel's channels; nil outside of the image.
func (im *image) at(b, y, x int) []float32 {
	if y < 0 || y >= im.h || x < 0 || x >= im.w {
		return nil
	}
	return im.data[((b*im.h+y)*im.w+x)*im.c:][:im.c]
}

// operands are elements as a product of a precision reads them.
func operands(x []float32, prec program.Precision) []float32 {
	if prec != program.BF16 {
		return x
	}
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = numeric.RoundBF16(v)
	}
	return out
}

// source is one segment with its operands.
type source struct {
	program.Segment
	x       image
	w       []float32
	wInputs int // input channels of the weight
}

// product computes linear layers and convolutions, then what its epilogue says.
func (x *exec) product(in *program.Instr, op *program.Product) {
	sums := x.image(in.Out[0])
	if op.Epilogue.Gated {
		sums.c *= 2
	}
	sums.data = make([]float32, sums.b*sums.h*sums.w*sums.c)
	x.sum(in, op, &sums)
	out := x.f(in.Out[0])
	for i := range out {
		var v float32
		if op.Epilogue.Gated {
			v = geglu(sums.data, i, sums.c/2)
		} else {
			v = sums.data[i]
		}
		v = activate(op.Epilogue.Act, v)
		if r := op.Epilogue.Residual; r != 0 {
			v = float32(float64(v) + float64(x.f(in.In[r])[i]))
		}
		out[i] = v
	}
	if len(in.Out) == 2 {
		x.moments(in.Out[0], in.Out[1])
	}
}

// sum adds up biases and terms.
func (x *exec) sum(in *program.Instr, op *program.Product, out *image) {
	var sources []source
	for _, s := range op.Segments {
		im := x.image(in.In[s.X])
		if len(x.p.Shape(in.In[s.X])) != 4 { // its pixels are those of the result, however that is shaped
			im.h, im.w = out.h, out.w
		}
		im.data = operands(im.data, op.Prec)
		sources = append(sources, source{s, im, operands(x.f(in.In[s.W]), op.Prec), x.p.Shape(in.In[s.W])[1]})
	}
	i := 0
	for b := range out.b {
		for py := range out.h {
			for px := range out.w {
				for n := range out.c {
					sum := 0.0
					for _, k := range op.Biases {
						sum += float64(x.f(in.In[k])[n])
					}
					if op.BatchBias >= 0 {
						sum += float64(x.f(in.In[op.BatchBias])[b*out.c+n])
					}
					for k := range sources {
						sum += sources[k].terms(b, py, px, n)
					}
					out.data[i] = float32(sum)
					i++
				}
			}
		}
	}
}

// terms is what a segment adds to output channel n of a pixel.
func (s *source) terms(b, py, px, n int) float64 {
	sum := 0.0
	for ky := range s.KH {
		for kx := range s.KW {
			y, x := py*s.Stride-s.PadTop+ky, px*s.Stride-s.PadLeft+kx
			if s.Doubled {
				y, x = y>>1, x>>1
			}
			pixel := s.x.at(b, y, x)
			for c, v := range pixel {
				w := s.w[((n*s.wInputs+s.WOffset+c)*s.KH+ky)*s.KW+kx] // [N,C,KH,KW]
				sum += float64(v) * float64(w)
			}
		}
	}
	return sum
}
