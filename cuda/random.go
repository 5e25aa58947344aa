package cuda

import (
	"github.com/seed-8af8f8e1/flow/internal/curand"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// normals draws numbers by the table of the sine unit rather than by the unit, so that the bits are those of every other executor.
func (x *exec) normals(in *program.Instr, op *program.Normals) []action {
	im := x.image(in.Out[0])
	pixels, n := im.h*im.w, im.h*im.w*im.c
	return []action{x.each("normals", n*im.b, 1, x.at(in.Out[0]), x.at(in.In[0]), x.table(curand.SineTable()), n*im.b, n, pixels, im.c, curand.Threads(n, op.Threads))}
}
