package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/curand"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// normals is [program.Normals]; a task is one row of one entry.
type normals struct {
	x  *exec
	in *program.Instr
	op *program.Normals

	dst     image
	seeds   []int32
	threads int // of the device that draws them
}

func (o *normals) run() error {
	o.dst, o.seeds = o.x.image(o.in.Out[0]), o.x.inputs[o.in.In[0]].I
	o.threads = curand.Threads(o.dst.h*o.dst.w*o.dst.c, o.op.Threads)
	return o.x.pool.do(o, o.dst.b*o.dst.h, 100*len(o.dst.data))
}

func (o *normals) task(_ *worker, i int) {
	im := &o.dst
	b, y := i/im.h, i%im.h
	seed := uint64(uint32(o.seeds[2*b])) | uint64(uint32(o.seeds[2*b+1]))<<32
	row := im.data[i*im.w*im.c:][:im.w*im.c]
	for k := range row {
		row[k] = curand.Normal(seed, o.threads, (k%im.c*im.h+y)*im.w+k/im.c)
	}
}
