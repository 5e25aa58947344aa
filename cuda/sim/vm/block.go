package vm

import "fmt"

// block is a thread block on a worker.
type block struct {
	kernel *Kernel
	worker *worker
	index  [3]int
	dim    [3]int
	warps  []*warp
	shared shared
	order  []int // in which warps run; shuffled
}

// run runs the block from its beginning to its end.
func (b *block) run() {
	b.shared.reset()
	for _, w := range b.warps {
		w.start()
	}
	for {
		b.worker.rand.shuffle(b.order)
		waits, ends := -1, -1
		for _, i := range b.order {
			w := b.warps[i]
			if w.state == ended {
				ends = i
				continue
			}
			w.state = running
			w.run()
			if w.state == ended {
				ends = i
			} else {
				waits = i
			}
		}
		if waits < 0 {
			return
		}
		b.meetAtBarrier(waits, ends)
	}
}

// meetAtBarrier checks that all warps wait at the same barrier.
func (b *block) meetAtBarrier(waits, ends int) {
	w := b.warps[waits]
	if ends >= 0 {
		other := b.warps[ends]
		w.fault(DivergentBarrier, lowest(w.mask), "", 0, 0, "thread %v has left the kernel", other.thread(0))
	}
	for _, other := range b.warps {
		if other.at != w.at {
			w.fault(DivergentBarrier, lowest(w.mask), "", 0, 0, "thread %v waits at the barrier of line %d", other.thread(lowest(other.mask)),
				b.kernel.code[other.at].line)
		}
	}
	b.shared.epoch++
	for _, w := range b.warps {
		w.syncs++
	}
}

func init() {
	register("bar", buildBarrier)
	register("barrier", buildBarrier)
}

func buildBarrier(c *compiler) (instr, error) {
	if c.in.Op == "bar" && c.take("warp") {
		if !c.take("sync") {
			return instr{}, c.fail("bar.warp wants .sync")
		}
		in := instr{run: runWarpSync, class: Barrier}
		err := c.args(1)
		if err == nil {
			in.a, err = c.source(0, 32)
		}
		return in, err
	}
	c.take("cta")
	if !c.take("sync") {
		return instr{}, c.fail("the simulator knows %s.sync alone", c.in.Op)
	}
	c.take("aligned")
	if err := c.args(1); err != nil {
		return instr{}, fmt.Errorf("%w (barriers of some threads are not simulated)", err)
	}
	in := instr{run: runBarrier, class: Barrier}
	var err error
	in.a, err = c.source(0, 32)
	return in, err
}

// runBarrier waits for the other warps.
func runBarrier(w *warp, in *instr) {
	if live := w.full &^ w.exited; w.active != live {
		w.fault(DivergentBarrier, lowest(w.active), "", 0, 0, "thread %v of the same warp is elsewhere", w.thread(lowest(live&^w.active)))
	}
	if w.exited != 0 {
		w.fault(DivergentBarrier, lowest(w.active), "", 0, 0, "thread %v of the same warp has left the kernel", w.thread(lowest(w.exited)))
	}
	w.state = atBarrier
}

// runWarpSync orders the accesses of a warp's threads.
func runWarpSync(w *warp, in *instr) {
	w.wants(w.r32[in.a][lowest(w.active)])
	w.syncs++
}

// wants faults unless exactly the lanes of a mask run the instruction.
func (w *warp) wants(mask uint32) {
	if mask &= w.full; mask != w.active {
		lane := lowest(mask ^ w.active)
		what := "which it does not name, is there"
		if mask>>lane&1 != 0 {
			what = "which it names, is elsewhere"
		}
		w.fault(DivergentLanes, lowest(w.active), "", 0, 0, "the instruction names lanes %#08x, but lane %d, %s", mask, lane, what)
	}
}
