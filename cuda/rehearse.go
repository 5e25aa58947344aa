package cuda

import (
	"errors"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Rehearsal is a program on a device that is told all that a run does, but for its weights' data: for drivers that only note what they are told.
type Rehearsal struct {
	x *exec
}

// Rehearse plans a program from its shapes alone, its weights taken as fp16, allocates its memory and uploads its tables.
func (e *Executor) Rehearse(p *program.Program) (*Rehearsal, error) {
	x, err := e.plan(p, shapesOf(p, nil), 0)
	if err != nil {
		return nil, err
	}
	x.given = make(map[program.ID]program.Tensor)
	for _, port := range p.Inputs {
		if v := p.Value(port.Value); v.DType != program.Float32 {
			x.given[port.Value] = program.Tensor{Shape: v.Shape, I: make([]int32, v.Elems())}
		}
	}
	if x.base, err = e.d.Alloc(x.size); err != nil {
		return nil, err
	}
	if x.stream, err = e.d.NewStream(); err == nil {
		if err = x.build(); err == nil {
			err = e.d.CopyIn(x.base+driver.Ptr(x.tablesAt), x.tables.Bytes(), nil)
		}
	}
	if err != nil {
		return nil, errors.Join(err, x.Close())
	}
	return &Rehearsal{x}, nil
}

// shapesOf are a program's weights by their shapes, without data, of the types that are known and else fp16.
func shapesOf(p *program.Program, types program.TypeSource) []program.WeightData {
	weights := make([]program.WeightData, len(p.Values))
	for _, w := range p.Weights() {
		weights[w.ID] = program.WeightData{Type: program.WF16, Shape: w.Shape}
		if types == nil {
			continue
		}
		if t, ok := types.TypeOf(w.Name); ok {
			weights[w.ID].Type = t
		}
	}
	return weights
}

// Instr makes the calls of one run of instruction i.
func (r *Rehearsal) Instr(i int) error {
	for _, a := range r.x.ops[i] {
		if err := a(); err != nil {
			return err
		}
	}
	return nil
}

// Carry makes the calls between two steps.
func (r *Rehearsal) Carry() error {
	for _, c := range r.x.p.Carries {
		if err := r.x.copy(c.Body, c.Next); err != nil {
			return err
		}
	}
	return nil
}

// Memory is where the allocation begins, where its tables do, and its size.
func (r *Rehearsal) Memory() (base, tables driver.Ptr, size int64) {
	return r.x.base, r.x.base + driver.Ptr(r.x.tablesAt), r.x.size
}

// Table is the size of the table that begins at an address; 0 where none does.
func (r *Rehearsal) Table(at driver.Ptr) int {
	offset := int(int64(at-r.x.base) - r.x.tablesAt)
	if end, ok := r.x.tableEnds[offset]; ok && at >= r.x.base {
		return end - offset
	}
	return 0
}

// Bytes is what a value takes on the device: a computed value or an input as it is stored, a weight in the form that is read.
func (r *Rehearsal) Bytes(id program.ID) int64 {
	v := r.x.p.Value(id)
	n := int64(v.Elems())
	if v.Origin == program.FromWeight && r.x.vector[id] == 0 || r.x.isHalf(id) {
		return 2 * n
	}
	return 4 * n
}

// Close gives the memory back.
func (r *Rehearsal) Close() error { return r.x.Close() }
