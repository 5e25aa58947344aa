package cuda

import (
	"math"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// keySet and flashJob are Keys and Flash of flash.cu.
type keySet struct {
	K, V    uint64
	S, Step int32
}

type flashJob struct {
	Y, Q          uint64
	First, Second keySet
	T, C, D, Wide int32
	Causal, Half  int32
	Scale, Weight float32
}

// The channels of a head that flash.cu takes at most, and those of its smaller kernel.
const (
	mostChannels = 128
	fewChannels  = 64
)

// flash makes attention of class fp16.
func (x *exec) flash(in *program.Instr, op *program.Attention) (actions []action) {
	q, k := x.image(in.In[0]), x.image(in.In[1])
	d := q.c / op.Heads
	packed := func(id program.ID) uint64 {
		at, how := x.packed(id, d)
		actions = append(actions, how...)
		return at
	}
	job := flashJob{Y: uint64(x.at(in.Out[0])), Q: packed(in.In[0]), First: keySet{K: packed(in.In[1]), V: packed(in.In[2]), S: int32(k.w), Step: flag(k.b > 1)},
		T: int32(q.w), C: int32(q.c), D: int32(d), Wide: int32(up(int64(d), 8)), Causal: flag(op.Causal), Half: int32(x.halfBits(in.Out[0])),
		Scale: float32(op.Scale * math.Log2E)}
	kernel, queries, keys := "flash_64", 128, 64
	if d > fewChannels {
		kernel, queries, keys = "flash_128", 64, 32
	}
	launch := func(job flashJob) {
		actions = append(actions, x.launch(kernel, driver.Dim{X: div(q.w, queries), Y: op.Heads, Z: q.b}, driver.D1(block), x.table(job)))
	}
	set := func(s program.Second) keySet {
		k := x.image(in.In[s.K])
		return keySet{K: packed(in.In[s.K]), V: packed(in.In[s.V]), S: int32(k.w), Step: flag(k.b > 1)}
	}
	rest := op.Second
	if len(rest) > 0 && x.image(in.In[rest[0].K]).w <= keys { // in the same pass
		job.Second, job.Weight, rest = set(rest[0]), rest[0].Scale, rest[1:]
	}
	launch(job)
	n := program.Elems(x.p.Shape(in.Out[0]))
	for _, s := range rest { // scale and add four elements at a time, or one where there are no fours
		more := job
		more.First, more.Second, more.Y = set(s), keySet{}, x.scratch(int64(n))[0]
		launch(more)
		actions = append(actions, x.addScaled(job.Y, more.Y, n, s.Scale, job.Half != 0)...)
	}
	return append(actions, x.columnsToo(in, op)...)
}

// addScaled adds n numbers, scaled, to others.
func (x *exec) addScaled(to, from uint64, n int, scale float32, half bool) []action {
	if n%4 != 0 { // not fp16 then
		return []action{x.each("affine", n, 1, from, from, n, scale, float32(0)), x.each("add", n, 1, to, to, from, n)}
	}
	bits := 0
	if half {
		bits = 7
	}
	return []action{x.each("affine16", n/4, 1, from, from, n/4, scale, float32(0), bits&3), x.each("add16", n/4, 1, to, to, from, n/4, bits)}
}
