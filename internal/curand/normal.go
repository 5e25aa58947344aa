package curand

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// Block is the number of threads of a block of torch's kernel.
const Block = 256

// Threads is how many threads torch launches for n numbers on a GPU that runs most of them at once, or on one that runs them all where most is 0:
// whole blocks, a number a thread while there are threads (calc_execution_policy in ATen/native/cuda/DistributionTemplates.h). most is the
// number of multiprocessors times that of the blocks that one holds, times Block.
func Threads(n, most int) int {
	threads := (n + Block - 1) / Block * Block
	if most >= Block && most < threads {
		threads = most / Block * Block
	}
	return threads
}

// Normal is element i of what torch.manual_seed(seed); torch.randn(n, device="cuda") draws in fp32 with Threads(n, most) threads, not 0. Thread t
// draws elements t, t + threads, and so on: four from each counter.
func Normal(seed uint64, threads, i int) float32 {
	thread, slot := uint64(i%threads), i/threads
	w := Philox([4]uint32{uint32(slot / 4), uint32(uint64(slot/4) >> 32), uint32(thread), uint32(thread >> 32)}, [2]uint32{uint32(seed), uint32(seed >> 32)})
	pair := slot & 2
	return boxMuller(w[pair], w[pair+1], slot&1 == 1)
}

// angle is 2 pi / 2^32 as cuRAND's header rounds it.
const angle = float32(float32(2.3283064e-10) * float32(6.2831855))

// boxMuller is _curand_box_muller (curand_normal.h) as nvcc compiles it, products with the additions that follow them. torch multiplies by the
// deviation 1 and adds the mean 0, which makes +0 of -0.
func boxMuller(x, y uint32, second bool) float32 {
	u := numeric.FMA(float32(x), 0x1p-32, 0x1p-33)
	v := numeric.FMA(float32(y), angle, angle/2)
	q := quarters(v)
	if second {
		q += 1 << 23 // the cosine
	}
	return float32(sine(q)*numeric.Sqrt(-2*log(u))) + 0
}

// log is logf of CUDA's library for a number of [2^-33, 1].
func log(x float32) float32 {
	b := math.Float32bits(x)
	e := (b - 0x3f2aaaab) & 0xff800000
	f := math.Float32frombits(b-e) - 1
	p := float32(-0.13018857)
	for _, c := range [...]float32{0.1408461, -0.12148628, 0.1398061, -0.16684236, 0.200123, -0.24999669, 0.33333182, -0.5} {
		p = numeric.FMA(p, f, c)
	}
	p = numeric.FMA(float32(f*p), f, f)
	return numeric.FMA(float32(int32(e))*0x1p-23, 0.6931472, p)
}
