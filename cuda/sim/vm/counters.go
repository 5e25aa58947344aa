package vm

// Access counts requests of warps to one space.
type Access struct {
	Requests int64 // of warps
	Bytes    int64 // of lanes
	Units    int64 // sectors of 32 bytes, or wavefronts of shared memory; counted with CountAccess
	Least    int64 // what Units would be if bytes lay side by side
}

func (a *Access) add(b *Access) {
	a.Requests += b.Requests
	a.Bytes += b.Bytes
	a.Units += b.Units
	a.Least += b.Least
}

func (a *Access) scale(n int64) {
	a.Requests *= n
	a.Bytes *= n
	a.Units *= n
	a.Least *= n
}

// Counters says what launches did.
type Counters struct {
	Launches, Blocks int64
	Warps            [Classes]int64 // instructions of warps, by class
	Lanes            [Classes]int64 // of lanes that the guard let through
	Flops            int64          // fp32 and fp64 operations, a fused one counts two
	TensorFlops      int64
	GlobalLoad       Access
	GlobalStore      Access
	SharedLoad       Access
	SharedStore      Access
	Matrix           Access // ldmatrix
	Async            Access // cp.async, its reads of global memory
	Atomics          int64  // of lanes
}

// Add adds another's counts.
func (c *Counters) Add(o *Counters) {
	c.Launches += o.Launches
	c.Blocks += o.Blocks
	for i := range c.Warps {
		c.Warps[i] += o.Warps[i]
		c.Lanes[i] += o.Lanes[i]
	}
	c.Flops += o.Flops
	c.TensorFlops += o.TensorFlops
	c.Atomics += o.Atomics
	c.GlobalLoad.add(&o.GlobalLoad)
	c.GlobalStore.add(&o.GlobalStore)
	c.SharedLoad.add(&o.SharedLoad)
	c.SharedStore.add(&o.SharedStore)
	c.Matrix.add(&o.Matrix)
	c.Async.add(&o.Async)
}

// Scale multiplies all counts, but for those of launches.
func (c *Counters) Scale(n int64) {
	c.Blocks *= n
	for i := range c.Warps {
		c.Warps[i] *= n
		c.Lanes[i] *= n
	}
	c.Flops *= n
	c.TensorFlops *= n
	c.Atomics *= n
	for _, a := range []*Access{&c.GlobalLoad, &c.GlobalStore, &c.SharedLoad, &c.SharedStore, &c.Matrix, &c.Async} {
		a.scale(n)
	}
}

// Instructions is the number of warps' instructions, and of lanes'.
func (c *Counters) Instructions() (warps, lanes int64) {
	for i := range c.Warps {
		warps += c.Warps[i]
		lanes += c.Lanes[i]
	}
	return warps, lanes
}

// fold adds a worker's counts, of instructions by their number.
func (w *worker) fold(total *Counters) {
	for i, n := range w.counts {
		in := &w.launch.Kernel.code[i]
		total.Warps[in.class] += int64(n.runs)
		total.Lanes[in.class] += int64(n.lanes)
		if in.class == Tensor {
			total.TensorFlops += int64(n.lanes) * int64(in.flops)
		} else {
			total.Flops += int64(n.lanes) * int64(in.flops)
		}
	}
	total.Add(&w.count)
}
