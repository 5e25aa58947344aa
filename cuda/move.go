package cuda

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// move makes an operation that only places data, or makes a few numbers. What is placed is words of 32 bits: two channels of fp16.
func (x *exec) move(in *program.Instr) []action {
	n, y, per := x.words(in.Out[0]), x.at(in.Out[0]), x.perWord(in.Out[0])
	switch op := in.Op.(type) {
	case *program.Upsample:
		src, out := x.image(in.In[0]), x.image(in.Out[0])
		return []action{x.each("upsample", n, 1, y, x.at(in.In[0]), n, src.h, src.w, src.c/per, out.h, out.w)}
	case *program.Embed:
		return x.embed(in, n)
	case *program.Row:
		return []action{func() error { return x.rows(in) }}
	case *program.StepRow:
		from := x.at(in.In[0])
		return []action{func() error { return x.e.d.Copy(y, from+driver.Ptr(4*n*x.step), 4*int64(n), x.stream) }}
	case *program.Concat:
		return x.concat(in, op.Axis)
	case *program.Slice:
		shape := x.p.Shape(in.In[0])
		inner := program.Elems(shape[op.Axis+1:])
		span := (op.End - op.Start) * inner / per
		return []action{x.strided(y, x.at(in.In[0])+driver.Ptr(4*op.Start*inner/per), n, span, span, shape[op.Axis]*inner/per)}
	case *program.Repeat:
		each := x.words(in.In[0])
		return []action{x.strided(y, x.at(in.In[0]), n, each, each, 0)}
	case *program.Reshape:
		return []action{func() error { return x.copy(in.Out[0], in.In[0]) }}
	case *program.Sinusoid:
		return []action{func() error { return x.sinusoid(in, op) }}
	}
	return nil
}

// strided copies n elements by stretches of span floats, which begin to and from elements apart.
func (x *exec) strided(dst, src driver.Ptr, n, span, to, from int) action {
	return x.each("strided", n, 1, dst, src, n, span, to, from)
}

// concat joins values along an axis.
func (x *exec) concat(in *program.Instr, axis int) (actions []action) {
	out := x.p.Shape(in.Out[0])
	per := x.perWord(in.Out[0])
	inner, at := program.Elems(out[axis+1:]), 0
	for _, id := range in.In {
		span := x.p.Shape(id)[axis] * inner / per
		actions = append(actions, x.strided(x.at(in.Out[0])+driver.Ptr(4*at), x.at(id), x.words(id), span, out[axis]*inner/per, span))
		at += span
	}
	return actions
}

// embed looks token ids up, which are looked at before.
func (x *exec) embed(in *program.Instr, n int) []action {
	table, kind := x.weight(in.In[1])
	positions, positionsKind := driver.Ptr(0), program.WF32
	if in.In[2] != program.None {
		positions, positionsKind = x.weight(in.In[2])
	}
	vocabulary := x.p.Shape(in.In[1])
	check := func() error {
		for _, id := range x.given[in.In[0]].I {
			if id < 0 || int(id) >= vocabulary[0] {
				return fmt.Errorf("token id %d is outside the vocabulary of %d", id, vocabulary[0])
			}
		}
		return nil
	}
	return []action{check, x.each("embed", n, 1, x.at(in.Out[0]), x.at(in.In[0]), table, positions, n, vocabulary[1], x.p.Shape(in.In[0])[1],
		int(kind), int(positionsKind))}
}

// rows picks one row of each batch entry.
func (x *exec) rows(in *program.Instr) error {
	s := x.p.Shape(in.In[0])
	row := driver.Ptr(4 * s[2] / x.perWord(in.In[0]))
	for b, i := range x.given[in.In[1]].I {
		if i < 0 || int(i) >= s[1] {
			return fmt.Errorf("row %d of %d", i, s[1])
		}
		if err := x.e.d.Copy(x.at(in.Out[0])+driver.Ptr(b)*row, x.at(in.In[0])+driver.Ptr(b*s[1]+int(i))*row, int64(row), x.stream); err != nil {
			return err
		}
	}
	return nil
}

// sinusoid embeds scalars on the host: they are few.
func (x *exec) sinusoid(in *program.Instr, op *program.Sinusoid) error {
	t, err := x.read(in.In[0])
	if err != nil {
		return err
	}
	out := make([]float32, program.Elems(x.p.Shape(in.Out[0])))
	numeric.Sinusoids(out, t.F, op.Dim, op.MaxPeriod, op.Shift, op.CosFirst)
	if err := x.stream.Synchronize(); err != nil { // what the result's memory held before may still be read
		return err
	}
	return x.e.d.CopyIn(x.at(in.Out[0]), raw(out), nil)
}
