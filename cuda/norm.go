package cuda

import (
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// merge is Merge of norm.cu: the factors of Chan's formula.
type merge struct{ Share, Weight, Inverse, Padding float32 }

// mergeOf joins b elements to a.
func mergeOf(a, b int) merge {
	na, nb := float64(a), float64(b)
	return merge{Share: float32(nb / (na + nb)), Weight: float32(na * nb / (na + nb)), Inverse: float32(1 / nb)}
}

// merges joins n parts of size elements each; the last has what total leaves.
func merges(n, size, total int) []merge {
	out := make([]merge, n)
	for i := range out {
		out[i] = mergeOf(i*size, min(size, total-i*size))
	}
	return out
}

// moments takes the moments of each row of an image.
func (x *exec) moments(to uint64, of program.ID) action {
	const pixels = 8 // of a block
	im := x.image(of)
	n := div(im.w, pixels)
	return x.each("row_moments", im.c, im.b*im.h, to, x.at(of), x.table(merges(n, pixels, im.w)), im.w, im.c)
}

// groupNorm normalises; several inputs are read as if concatenated along the channels.
func (x *exec) groupNorm(in *program.Instr, op *program.GroupNorm) []action {
	out, inputs := x.image(in.Out[0]), op.Inputs(in)
	most := int64(0)
	for _, id := range inputs {
		im := x.image(id)
		most = max(most, 2*int64(im.b*im.h)*int64(im.c))
	}
	memory := x.scratch(2*int64(out.b*out.c), 2*int64(out.b*out.c), most)
	all, maps, own := memory[0], memory[1], memory[2]
	rows := x.table(merges(out.h, out.w, out.h*out.w))
	var actions []action
	at := 0
	for i, id := range inputs {
		im, moments := x.image(id), own
		if op.Moments != nil && op.Moments[i] != 0 && !x.skipped[in.In[op.Moments[i]]] {
			moments = uint64(x.at(in.In[op.Moments[i]]))
		} else {
			actions = append(actions, x.moments(own, id))
		}
		actions = append(actions, x.each("merge_rows", im.c, im.b, all, moments, rows, im.h, im.c, out.c, at))
		at += im.c
	}
	size, pixels := out.c/op.Groups, out.h*out.w
	actions = append(actions, x.each("merge_groups", op.Groups, out.b, maps, all, x.table(merges(size, pixels, size*pixels)), x.at(in.In[0]), x.at(in.In[1]),
		op.Groups, out.c, float32(size*pixels), op.Eps))
	at = 0
	for _, id := range inputs {
		im := x.image(id)
		n := im.pixels() * im.c
		actions = append(actions, x.each("apply_map", n, 1, x.at(in.Out[0]), x.at(id), maps, n, pixels, im.c, out.c, at, int(op.Act)))
		at += im.c
	}
	return actions
}

// layerNorm normalises the last dimension.
func (x *exec) layerNorm(in *program.Instr, op *program.LayerNorm) []action {
	s := x.p.Shape(in.Out[0])
	c := s[len(s)-1]
	rows := program.Elems(s) / c
	return []action{x.launch("layer_norm", driver.D1(div(rows*16, threads)), driver.D1(threads), x.at(in.Out[0]), x.at(in.In[0]), x.or0(in.In[1]), x.or0(in.In[2]),
		rows, c, op.Eps)}
}
