package cuda

import (
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// normSource is Source of norm16.cu.
type normSource struct {
	Moments    uint64
	C, Padding int32
}

// groupNorm16 normalises values that are fp16 or fp32; several inputs are read as if concatenated along the channels.
func (x *exec) groupNorm16(in *program.Instr, op *program.GroupNorm) (actions []action) {
	out, inputs := x.image(in.Out[0]), op.Inputs(in)
	pixels := out.h * out.w
	chunks := div(pixels, chunkPixels)
	sources := make([]normSource, len(inputs))
	for i, id := range inputs {
		c := x.image(id).c
		sources[i].C = int32(c)
		if op.Moments != nil && op.Moments[i] != 0 && x.chunks[in.In[op.Moments[i]]] {
			sources[i].Moments = uint64(x.at(in.In[op.Moments[i]]))
			continue
		}
		sources[i].Moments = x.scratch(int64(out.b) * int64(chunks) * 2 * int64(c))[0]
		actions = append(actions, x.launch("chunk_moments", driver.Dim{X: div(c, 128), Y: chunks, Z: out.b}, driver.D1(threads),
			sources[i].Moments, x.at(id), x.halfBits(id), pixels, c))
	}
	maps := x.scratch(2 * int64(out.b*out.c))[0]
	actions = append(actions, x.launch("group_maps", driver.D2(op.Groups, out.b), driver.D1(threads), maps, x.table(sources), x.at(in.In[0]), x.at(in.In[1]),
		op.Groups, out.c, pixels, op.Eps))
	at := 0
	for _, id := range inputs {
		im := x.image(id)
		n := im.pixels() * im.c / 4
		actions = append(actions, x.each("apply_maps", n, 1, x.at(in.Out[0]), x.at(id), maps, n, pixels, im.c, out.c, at, int(op.Act), x.halfBits(in.Out[0], id)))
		at += im.c
	}
	return actions
}

// layerNorm16 normalises the last dimension of a value that is fp16 or fp32.
func (x *exec) layerNorm16(in *program.Instr, op *program.LayerNorm) []action {
	s := x.p.Shape(in.Out[0])
	c := s[len(s)-1]
	rows := program.Elems(s) / c
	return []action{x.launch("layer_norm16", driver.D1(div(rows*32, threads)), driver.D1(threads), x.at(in.Out[0]), x.at(in.In[0]), x.or0(in.In[1]), x.or0(in.In[2]),
		rows, c, op.Eps, x.halfBits(in.Out[0], in.In[0]))}
}
