package vm

import "math/bits"

// lanes of a warp
const lanes = 32

// state of a warp between instructions
type state uint8

const (
	running state = iota
	atBarrier
	ended
)

// frame is a set of lanes that waits: it goes on at pc, until meet.
type frame struct {
	pc, meet int
	mask     uint32
}

// warp is 32 threads that run in step.
type warp struct {
	blk    *block
	index  int // in its block
	r32    [][lanes]uint32
	r64    [][lanes]uint64
	pred   []uint32 // a bit a lane
	full   uint32   // the lanes that exist
	mask   uint32   // the lanes at pc
	active uint32   // of these, those that the guard lets through
	exited uint32
	pc     int
	at     int // the instruction that runs, for faults
	meet   int // where mask's lanes wait for others
	stack  []frame
	state  state
	steps  int64

	tmp32 [lanes]uint32 // results of which some lanes count
	tmp64 [lanes]uint64
	addr  [lanes]uint64 // of the access at hand
	local []byte        // local memory of all lanes, one behind the other
	wrote []byte        // which of its bytes were written

	syncs   uint32     // bar.warp.sync and bar.sync so far
	pending []pending  // cp.async under way
	groups  [lanes]int // groups committed
}

// start puts the warp at the kernel's beginning.
func (w *warp) start() {
	k := w.blk.kernel
	w.pc, w.meet, w.mask, w.exited, w.state, w.steps = 0, len(k.code), w.full, 0, running, 0
	w.stack, w.pending, w.syncs = w.stack[:0], w.pending[:0], 0
	w.groups = [lanes]int{}
	copy(w.r32, w.blk.worker.init32[w.index])
	copy(w.r64, w.blk.worker.init64[w.index])
	clear(w.wrote)
	for name, dst := range k.special {
		switch name {
		case "%ctaid.x":
			w.broadcast(dst, uint32(w.blk.index[0]))
		case "%ctaid.y":
			w.broadcast(dst, uint32(w.blk.index[1]))
		case "%ctaid.z":
			w.broadcast(dst, uint32(w.blk.index[2]))
		}
	}
}

func (w *warp) broadcast(reg int32, v uint32) {
	d := &w.r32[reg]
	for i := range d {
		d[i] = v
	}
}

// run goes on until the warp ends or waits at a barrier.
func (w *warp) run() {
	code := w.blk.kernel.code
	counts := w.blk.worker.counts
	limit := w.blk.worker.config.Limit
	for w.state == running {
		for w.pc == w.meet || w.mask == 0 {
			if !w.pop() {
				return
			}
		}
		if w.pc >= len(code) {
			w.leave(w.mask)
			continue
		}
		in := &code[w.pc]
		w.at = w.pc
		w.active = w.mask
		if in.guard >= 0 {
			p := w.pred[in.guard]
			if in.not {
				p = ^p
			}
			w.active &= p
		}
		w.pc++
		if w.steps++; w.steps > limit {
			w.fault(Endless, lowest(w.mask), "", 0, 0, "the warp has run %d instructions", limit)
		}
		n := &counts[w.at]
		n.runs++
		n.lanes += uint64(bits.OnesCount32(w.active))
		if w.active != 0 {
			in.run(w, in)
		}
	}
}

// pop goes on with the lanes that wait; false where none are left.
func (w *warp) pop() bool {
	for len(w.stack) > 0 {
		f := w.stack[len(w.stack)-1]
		w.stack = w.stack[:len(w.stack)-1]
		if f.mask &^= w.exited; f.mask != 0 {
			w.pc, w.meet, w.mask = f.pc, f.meet, f.mask
			return true
		}
	}
	w.state = ended
	return false
}

// part splits the lanes at a branch.
func (w *warp) part(target, next, meet int, taken, stay uint32) {
	if meet != w.meet {
		w.stack = append(w.stack, frame{meet, w.meet, w.mask})
	}
	if next != meet {
		w.stack = append(w.stack, frame{next, meet, stay})
	}
	w.pc, w.meet, w.mask = target, meet, taken
}

// leave ends lanes.
func (w *warp) leave(lanes uint32) {
	w.exited |= lanes
	w.mask &^= lanes
}

// lowest is the first lane of a mask.
func lowest(mask uint32) int { return bits.TrailingZeros32(mask | 1<<31) }

// out32 is where an operation puts its results: the register, or a place of its own where some lanes do not count.
func (w *warp) out32(reg int32) *[lanes]uint32 {
	if w.active == 1<<32-1 {
		return &w.r32[reg]
	}
	return &w.tmp32
}

// done32 puts the results of the active lanes into the register.
func (w *warp) done32(reg int32, d *[lanes]uint32) {
	if d != &w.tmp32 {
		return
	}
	to := &w.r32[reg]
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		to[i] = d[i]
	}
}

func (w *warp) out64(reg int32) *[lanes]uint64 {
	if w.active == 1<<32-1 {
		return &w.r64[reg]
	}
	return &w.tmp64
}

func (w *warp) done64(reg int32, d *[lanes]uint64) {
	if d != &w.tmp64 {
		return
	}
	to := &w.r64[reg]
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		to[i] = d[i]
	}
}

// setPred puts the active lanes' bits into a predicate.
func (w *warp) setPred(reg int32, v uint32) {
	w.pred[reg] = w.pred[reg]&^w.active | v&w.active
}

// getPred is a predicate, inverted where ! stands before it.
func (w *warp) getPred(reg int32, not bool) uint32 {
	if not {
		return ^w.pred[reg]
	}
	return w.pred[reg]
}
