package cpu

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// move is an operation that only places data, or makes a few numbers.
type move struct {
	x  *exec
	in *program.Instr
}

func (m *move) run() error {
	x, in := m.x, m.in
	dst := x.f32(in.Out[0])
	switch op := in.Op.(type) {
	case *program.Sinusoid:
		numeric.Sinusoids(dst, x.f32(in.In[0]), op.Dim, op.MaxPeriod, op.Shift, op.CosFirst)
	case *program.Embed:
		return x.embed(in, dst)
	case *program.Row:
		return x.row(in, dst)
	case *program.StepRow:
		n := len(dst)
		copy(dst, x.f32(in.In[0])[x.step*n:(x.step+1)*n])
	case *program.Concat:
		x.concat(in, op.Axis, dst)
	case *program.Slice:
		shape := x.p.Shape(in.In[0])
		inner := program.Elems(shape[op.Axis+1:])
		gather(dst, (op.End-op.Start)*inner, 0, x.f32(in.In[0]), shape[op.Axis]*inner, op.Start*inner, (op.End-op.Start)*inner)
	case *program.Repeat:
		src := x.f32(in.In[0])
		for i := range op.Times {
			copy(dst[i*len(src):], src)
		}
	case *program.Reshape:
		if src := x.f32(in.In[0]); &src[0] != &dst[0] {
			copy(dst, src)
		}
	}
	return nil
}

// upsample enlarges by nearest neighbour; a task is one row.
type upsample struct {
	x        *exec
	in       *program.Instr
	dst, src image
}

func (u *upsample) run() error {
	u.dst, u.src = u.x.image(u.in.Out[0]), u.x.image(u.in.In[0])
	return u.x.pool.do(u, u.dst.b*u.dst.h, len(u.dst.data)/4)
}

func (u *upsample) task(_ *worker, i int) {
	dst, src := &u.dst, &u.src
	b, y := i/dst.h, i%dst.h
	from := nearest(y, src.h, dst.h)
	row := src.data[(b*src.h+from)*src.w*src.c:]
	out := dst.data[i*dst.w*dst.c:]
	for x := range dst.w {
		copy(out[x*dst.c:][:dst.c], row[nearest(x, src.w, dst.w)*src.c:])
	}
}

// nearest is the source of place i where n places become m.
func nearest(i, n, m int) int {
	return min(int(float32(float32(i)*(float32(n)/float32(m)))), n-1)
}

// concat joins values along an axis.
func (x *exec) concat(in *program.Instr, axis int, dst []float32) {
	out := x.p.Shape(in.Out[0])
	inner := program.Elems(out[axis+1:])
	at := 0
	for _, id := range in.In {
		n := x.p.Shape(id)[axis] * inner
		gather(dst, out[axis]*inner, at, x.f32(id), n, 0, n)
		at += n
	}
}

// gather copies stretches of n floats: from src[srcAt + i*srcStep] to dst[dstAt + i*dstStep].
func gather(dst []float32, dstStep, dstAt int, src []float32, srcStep, srcAt, n int) {
	for i := 0; i*dstStep < len(dst) && i*srcStep < len(src); i++ {
		copy(dst[i*dstStep+dstAt:][:n], src[i*srcStep+srcAt:])
	}
}

// embed looks token ids up and adds positions.
func (x *exec) embed(in *program.Instr, dst []float32) error {
	ids := x.inputs[in.In[0]].I
	table := x.weights[in.In[1]]
	vocab, c := x.p.Shape(in.In[1])[0], x.p.Shape(in.In[1])[1]
	t := x.p.Shape(in.In[0])[1]
	position := make([]float32, c)
	for i, id := range ids {
		if id < 0 || int(id) >= vocab {
			return fmt.Errorf("%s: token id %d is outside the vocabulary of %d", in.Scope, id, vocab)
		}
		row := dst[i*c : (i+1)*c]
		table.Widen(row, int(id)*c)
		if in.In[2] == program.None {
			continue
		}
		w := x.weights[in.In[2]]
		w.Widen(position, i%t*c)
		for k := range row {
			row[k] += position[k]
		}
	}
	return nil
}

// row picks one row of each batch entry.
func (x *exec) row(in *program.Instr, dst []float32) error {
	s := x.p.Shape(in.In[0])
	src, index := x.f32(in.In[0]), x.inputs[in.In[1]].I
	for b, i := range index {
		if i < 0 || int(i) >= s[1] {
			return fmt.Errorf("%s: row %d of %d", in.Scope, i, s[1])
		}
		copy(dst[b*s[2]:(b+1)*s[2]], src[(b*s[1]+int(i))*s[2]:])
	}
	return nil
}
