package ref

import (
	"fmt"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// move runs an operation that only places data.
func (x *exec) move(in *program.Instr) error {
	out, src := x.f(in.Out[0]), x.f(in.In[0])
	switch op := in.Op.(type) {
	case *program.Upsample:
		x.upsample(in)
	case *program.StepRow:
		copy(out, src[x.step*len(out):])
	case *program.Concat:
		x.concat(in, op.Axis)
	case *program.Slice:
		shape := x.p.Shape(in.In[0])
		inner := program.Elems(shape[op.Axis+1:])
		n := (op.End - op.Start) * inner
		for o := range program.Elems(shape[:op.Axis]) {
			copy(out[o*n:(o+1)*n], src[o*shape[op.Axis]*inner+op.Start*inner:])
		}
	case *program.Repeat:
		for i := range op.Times {
			copy(out[i*len(src):], src)
		}
	case *program.Reshape:
		copy(out, src)
	default:
		return unknown(in)
	}
	return nil
}

// upsample enlarges by nearest neighbour, its places computed in fp32 as torch does.
func (x *exec) upsample(in *program.Instr) {
	src, out := x.image(in.In[0]), x.image(in.Out[0])
	from := func(i, n, m int) int {
		ratio := float32(n) / float32(m)
		return min(int(float32(i)*ratio), n-1)
	}
	for b := range out.b {
		for py := range out.h {
			for px := range out.w {
				copy(out.at(b, py, px), src.at(b, from(py, src.h, out.h), from(px, src.w, out.w)))
			}
		}
	}
}

// concat joins values along an axis.
func (x *exec) concat(in *program.Instr, axis int) {
	out := x.f(in.Out[0])
	at := 0
	for o := range program.Elems(x.p.Shape(in.Out[0])[:axis]) {
		for _, id := range in.In {
			n := program.Elems(x.p.Shape(id)[axis:])
			copy(out[at:at+n], x.f(id)[o*n:])
			at += n
		}
	}
}

// embed looks token ids up and adds positions.
func (x *exec) embed(in *program.Instr) error {
	out, table := x.f(in.Out[0]), x.f(in.In[1])
	vocab, c, t := x.p.Shape(in.In[1])[0], x.p.Shape(in.In[1])[1], x.p.Shape(in.In[0])[1]
	for i, id := range x.values[in.In[0]].I {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("%s: token id %d is outside the vocabulary of %d", in.Scope, id, vocab)
		}
		for k := range c {
			v := float64(table[int(id)*c+k])
			if in.In[2] != program.None {
				v += float64(x.f(in.In[2])[i%t*c+k])
			}
			out[i*c+k] = float32(v)
		}
	}
	return nil
}

// row picks one row of each batch entry.
func (x *exec) row(in *program.Instr) error {
	s := x.p.Shape(in.In[0])
	for b, i := range x.values[in.In[1]].I {
		if i < 0 || int(i) >= s[1] {
			return fmt.Errorf("%s: row %d of %d", in.Scope, i, s[1])
		}
		copy(x.f(in.Out[0])[b*s[2]:(b+1)*s[2]], x.f(in.In[0])[(b*s[1]+int(i))*s[2]:])
	}
	return nil
}

// sinusoid embeds scalars; exponent, frequency and angle are rounded to fp32 as diffusers does.
func (x *exec) sinusoid(in *program.Instr, op *program.Sinusoid) {
	src, out := x.f(in.In[0]), x.f(in.Out[0])
	half := op.Dim / 2
	for i := range half {
		exponent := float32(-math.Log(op.MaxPeriod)) * float32(i)
		freq := float32(math.Exp(float64(exponent / float32(float64(half)-op.Shift))))
		for k, v := range src {
			sin, cos := math.Sincos(float64(v * freq))
			first, second := sin, cos
			if op.CosFirst {
				first, second = cos, sin
			}
			out[k*op.Dim+i], out[k*op.Dim+half+i] = float32(first), float32(second)
		}
	}
}
