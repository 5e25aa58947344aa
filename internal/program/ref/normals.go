package ref

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/curand"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// normals draws by the formulas of Box and Muller in float64.
func (x *exec) normals(in *program.Instr, op *program.Normals) {
	seeds, out := x.values[in.In[0]].I, x.image(in.Out[0])
	pixels := out.h * out.w
	n := pixels * out.c
	threads := curand.Threads(n, op.Threads)
	for i := range out.data {
		b, at := i/n, i%out.c*pixels+i%n/out.c
		slot := at / threads
		words := curand.Philox([4]uint32{uint32(slot / 4), 0, uint32(at % threads), 0}, [2]uint32{uint32(seeds[2*b]), uint32(seeds[2*b+1])})
		u, v := (float64(words[slot&2])+0.5)/(1<<32), (float64(words[slot&2+1])+0.5)/(1<<32)
		sin, cos := math.Sincos(2 * math.Pi * v)
		r := math.Sqrt(-2 * math.Log(u))
		if slot&1 == 0 {
			out.data[i] = float32(r * sin)
		} else {
			out.data[i] = float32(r * cos)
		}
	}
}
