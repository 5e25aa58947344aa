package vm

import "encoding/binary"

// newWorker makes the registers and shared memory of one block at a time.
func newWorker(mem *Memory, l *Launch, config *Config, number int) *worker {
	k := l.Kernel
	c := *config
	if c.Limit <= 0 {
		c.Limit = 1 << 28
	}
	w := &worker{mem: mem, launch: l, config: &c, counts: make([]pcCount, len(k.code)), rand: random{config.Seed + uint64(number)<<32}}
	threads := l.Block[0] * l.Block[1] * l.Block[2]
	b := &block{kernel: k, worker: w, dim: l.Block}
	w.blk = b
	b.shared.make(k.dynamicAt+l.Dynamic, k.grain, c.Checks)
	n := (threads + lanes - 1) / lanes
	w.init32, w.init64 = make([][][lanes]uint32, n), make([][][lanes]uint64, n)
	for i := range n {
		full := uint32(1<<32 - 1)
		if rest := threads - i*lanes; rest < lanes {
			full = 1<<rest - 1
		}
		wp := &warp{blk: b, index: i, full: full, pred: make([]uint32, k.preds), local: make([]byte, k.Local*lanes), wrote: make([]byte, k.Local*lanes)}
		wp.r32, wp.r64 = make([][lanes]uint32, k.n32), make([][lanes]uint64, k.n64)
		w.initialise(wp, threads)
		w.init32[i], w.init64[i] = append([][lanes]uint32(nil), wp.r32...), append([][lanes]uint64(nil), wp.r64...)
		b.warps = append(b.warps, wp)
		b.order = append(b.order, i)
	}
	return w
}

// initialise fills constants, parameters and special registers; what nothing fills holds a pattern.
func (w *worker) initialise(wp *warp, threads int) {
	k, l := w.launch.Kernel, w.launch
	for i := range wp.r32 {
		wp.broadcast(int32(i), 0xdeadbeef)
	}
	for i := range wp.r64 {
		wp.broadcast64(int32(i), 0xdeadbeefdeadbeef)
	}
	for v, r := range k.const32 {
		wp.broadcast(r, v)
	}
	for v, r := range k.const64 {
		wp.broadcast64(r, v)
	}
	for _, p := range k.paramRegs {
		var b [16]byte
		binary.LittleEndian.PutUint64(b[:], l.Args[p.param])
		clear(b[k.params[p.param].bytes:])
		v := extend(binary.LittleEndian.Uint64(b[p.offset:]), p.bytes, p.signed)
		if p.wide {
			wp.broadcast64(p.reg, v)
		} else {
			wp.broadcast(p.reg, uint32(v))
		}
	}
	dims := map[string]int{"%ntid.x": l.Block[0], "%ntid.y": l.Block[1], "%ntid.z": l.Block[2], "%nctaid.x": l.Grid[0], "%nctaid.y": l.Grid[1],
		"%nctaid.z": l.Grid[2], "%warpid": wp.index, "%nwarpid": (threads + lanes - 1) / lanes, "%dynamic_smem_size": l.Dynamic,
		"%total_smem_size": k.dynamicAt + l.Dynamic}
	for name, r := range k.special {
		if v, ok := dims[name]; ok {
			wp.broadcast(r, uint32(v))
		}
		for i := range lanes {
			t := wp.thread(i)
			one := uint32(1) << i
			switch name {
			case "%tid.x":
				wp.r32[r][i] = uint32(t[0])
			case "%tid.y":
				wp.r32[r][i] = uint32(t[1])
			case "%tid.z":
				wp.r32[r][i] = uint32(t[2])
			case "%laneid":
				wp.r32[r][i] = uint32(i)
			case "%lanemask_eq":
				wp.r32[r][i] = one
			case "%lanemask_lt":
				wp.r32[r][i] = one - 1
			case "%lanemask_le":
				wp.r32[r][i] = one | (one - 1)
			case "%lanemask_gt":
				wp.r32[r][i] = ^(one | (one - 1))
			case "%lanemask_ge":
				wp.r32[r][i] = ^(one - 1)
			}
		}
	}
}

func (w *warp) broadcast64(reg int32, v uint64) {
	d := &w.r64[reg]
	for i := range d {
		d[i] = v
	}
}

// extend takes the low bytes of v and extends them to 64 bits.
func extend(v uint64, bytes int, signed bool) uint64 {
	shift := 64 - 8*uint(bytes)
	if signed {
		return uint64(int64(v<<shift) >> shift)
	}
	return v << shift >> shift
}
