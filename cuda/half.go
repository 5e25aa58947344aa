package cuda

import (
	"encoding/binary"
	"errors"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// class16 is what a compiled program of class fp16 knows beside others.
type class16 struct {
	half    []bool                       // by ID: values that are stored as fp16; nil in programs of other classes
	panels  map[panelKey]int             // 1 + index in stored of a product's weights
	chunks  map[program.ID]bool          // moments of stretches of pixels, that a product takes
	skipped map[program.ID]bool          // moments that no product takes
	scales  map[*program.Segment]float32 // what the weights of segments are multiplied by, where it is not 1
	left    map[int]bool                 // instructions that scales stand for
}

// halves says which values of a program are stored as fp16: in programs that have products or attention of class fp16, those that instructions
// compute, whose channels go by eight, and that nothing reads as fp32. Latents and all that solvers compute stay fp32.
func halves(p *program.Program) []bool {
	if !program.Uses(p, program.F16) {
		return nil
	}
	half := make([]bool, len(p.Values))
	for i := range p.Instrs {
		in := &p.Instrs[i]
		v := p.Value(in.Out[0]) // a second one is moments
		half[in.Out[0]] = v.Origin == program.FromOp && v.DType == program.Float32 && v.Shape[len(v.Shape)-1]%8 == 0
	}
	for _, o := range p.Outputs {
		half[o.Value] = false
	}
	for _, c := range p.Carries {
		half[c.Init], half[c.Next] = false, false
	}
	for changed := true; changed; {
		changed = false
		for i := range p.Instrs {
			for _, id := range stays32(p, &p.Instrs[i], half) {
				changed = changed || half[id]
				half[id] = false
			}
		}
	}
	return half
}

// stays32 lists the values of an instruction that its kernels take as fp32 alone.
func stays32(p *program.Program, in *program.Instr, half []bool) []program.ID {
	all := append(append([]program.ID{}, in.In...), in.Out...)
	switch op := in.Op.(type) {
	case *program.Product:
		if op.Prec == program.F16 {
			return nil
		}
	case *program.Attention:
		if op.Prec == program.F16 {
			return nil
		}
	case *program.AttentionColumns:
		if op.Prec == program.F16 {
			return in.Out
		}
	case *program.GroupNorm, *program.LayerNorm, *program.Activate, *program.GEGLU, *program.Add, *program.Affine:
		if byFour(p, in) {
			return nil
		}
	case *program.Slice:
		if in.Op.(*program.Slice).Start%2 == 0 || op.Axis < len(p.Shape(in.In[0]))-1 {
			return unlessAlike(all, half)
		}
	case *program.Reshape, *program.Repeat, *program.Concat, *program.Upsample:
		return unlessAlike(all, half)
	case *program.Row:
		return unlessAlike([]program.ID{in.In[0], in.Out[0]}, half)
	}
	return all
}

// unlessAlike lists values that must be stored alike and are not.
func unlessAlike(ids []program.ID, half []bool) []program.ID {
	for _, id := range ids {
		if !half[id] {
			return ids
		}
	}
	return nil
}

// byFour says whether an operation that treats four elements at a time in class fp16 finds them.
func byFour(p *program.Program, in *program.Instr) bool {
	channels := func(id program.ID) int { s := p.Shape(id); return s[len(s)-1] }
	switch op := in.Op.(type) {
	case *program.GroupNorm:
		for _, id := range op.Inputs(in) {
			if channels(id)%4 != 0 {
				return false
			}
		}
		return true
	case *program.LayerNorm, *program.GEGLU:
		return channels(in.Out[0])%4 == 0
	}
	return p.Value(in.Out[0]).Elems()%4 == 0
}

func (x *exec) isHalf(id program.ID) bool { return x.half != nil && id != program.None && x.half[id] }

// perWord is how many elements of a value a word of 32 bits holds; words is how many words it has.
func (x *exec) perWord(id program.ID) int {
	if x.isHalf(id) {
		return 2
	}
	return 1
}

func (x *exec) words(id program.ID) int { return x.p.Value(id).Elems() / x.perWord(id) }

// halfBits has bit i where value i is stored as fp16.
func (x *exec) halfBits(ids ...program.ID) (bits int) {
	for i, id := range ids {
		bits |= int(flag(x.isHalf(id))) << i
	}
	return bits
}

// operation16 makes an instruction of class fp16; nil where it is one that all classes share.
func (x *exec) operation16(in *program.Instr) []action {
	if x.half == nil {
		return nil
	}
	n := x.p.Value(in.Out[0]).Elems() / 4
	y := x.at(in.Out[0])
	switch op := in.Op.(type) {
	case *program.Product:
		if op.Prec == program.F16 {
			return x.tensorProduct(in, op)
		}
	case *program.Attention:
		if op.Prec == program.F16 && op.Scale > 0 && x.image(in.In[0]).c/op.Heads <= mostChannels {
			return x.flash(in, op)
		}
	case *program.GroupNorm:
		if byFour(x.p, in) {
			return x.groupNorm16(in, op)
		}
	case *program.LayerNorm:
		if byFour(x.p, in) {
			return x.layerNorm16(in, op)
		}
	}
	if !x.isHalf(in.Out[0]) && !x.anyHalf(in.In) {
		return nil
	}
	switch op := in.Op.(type) {
	case *program.Activate:
		return []action{x.each("activate16", n, 1, y, x.at(in.In[0]), n, int(op.Act), x.halfBits(in.Out[0], in.In[0]))}
	case *program.GEGLU:
		s := x.p.Shape(in.Out[0])
		return []action{x.each("geglu16", n, 1, y, x.at(in.In[0]), n, s[len(s)-1], x.halfBits(in.Out[0], in.In[0]))}
	case *program.Add:
		return []action{x.each("add16", n, 1, y, x.at(in.In[0]), x.at(in.In[1]), n, x.halfBits(in.Out[0], in.In[0], in.In[1]))}
	case *program.Affine:
		return []action{x.each("affine16", n, 1, y, x.at(in.In[0]), n, op.Mul, op.Add, x.halfBits(in.Out[0], in.In[0]))}
	}
	return nil
}

func (x *exec) anyHalf(ids []program.ID) bool { return x.halfBits(ids...) != 0 }

// wide gives the addresses of values as fp32, and what brings them there where they are fp16.
func (x *exec) wide(a, b, c program.ID) (pa, pb, pc uint64, actions []action) {
	at := func(id program.ID) uint64 {
		if !x.isHalf(id) {
			return x.or0(id)
		}
		n := x.p.Value(id).Elems()
		to := x.scratch(int64(n))[0]
		actions = append(actions, x.each("widen_rows", n, 1, to, x.at(id), n))
		return to
	}
	return at(a), at(b), at(c), actions
}

// round rounds n numbers to fp16.
func (x *exec) round(to, from uint64, n int) action {
	return x.each("pack_rows", n, 1, to, from, n, n, n, 0)
}

// packed gives the address of a value as rows of channels of fp16 that go by eight, and what brings it there where it is not so.
func (x *exec) packed(id program.ID, channels int) (uint64, []action) {
	wide := int(up(int64(channels), 8))
	if x.isHalf(id) && wide == channels {
		return uint64(x.at(id)), nil
	}
	n := x.p.Value(id).Elems() / channels * wide
	to := x.scratch(int64(div(n, 2)))[0]
	return to, []action{x.each("pack_rows", n, 1, to, x.at(id), n, channels, wide, x.halfBits(id))}
}

// readHalf copies a value of fp16 from the device.
func (x *exec) readHalf(out []float32, id program.ID) error {
	b := make([]byte, 2*len(out))
	if err := errors.Join(x.stream.Synchronize(), x.e.d.CopyOut(b, x.at(id), nil)); err != nil {
		return err
	}
	for i := range out {
		out[i] = numeric.FromF16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return nil
}

// chunkPixels is the number of pixels of which norms of class fp16 take moments at a time.
const chunkPixels = 64

// layChunks finds the moments that products of class fp16 take of whole stretches of pixels, and gives them the shape that these have; others
// are left to the norms.
func (x *exec) layChunks() {
	if x.half == nil {
		return
	}
	x.chunks, x.skipped = make(map[program.ID]bool), make(map[program.ID]bool)
	p := *x.p
	p.Values = append([]program.Value{}, p.Values...)
	x.p = &p
	for i := range p.Instrs {
		in := &p.Instrs[i]
		if product16(in) == nil || len(in.Out) < 2 {
			continue
		}
		out, id := x.image(in.Out[0]), in.Out[1]
		if out.h*out.w%chunkPixels == 0 && out.c%4 == 0 {
			x.chunks[id] = true
			p.Values[id].Shape = []int{out.b, out.h * out.w / chunkPixels, 2, out.c}
			continue
		}
		x.skipped[id] = true
	}
}

// at16 is where a product of class fp16 writes moments; 0 where it takes none.
func (x *exec) at16(in *program.Instr) driver.Ptr {
	if len(in.Out) < 2 || !x.chunks[in.Out[1]] {
		return 0
	}
	return x.at(in.Out[1])
}
