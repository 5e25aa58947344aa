package vm

import (
	"math/bits"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

func init() { register("cp", buildAsync) }

// pending is a copy of one thread that has not landed.
type pending struct {
	lane, group int
	off, size   int
	data        [16]byte
}

func buildAsync(c *compiler) (instr, error) {
	in := instr{class: AsyncCopy}
	if !c.take("async") {
		return in, c.fail("the simulator knows cp.async alone")
	}
	switch c.oneOf("commit_group", "wait_group", "wait_all", "ca", "cg") {
	case "commit_group":
		in.run = runCommit
		return in, c.args(0)
	case "wait_all":
		in.run = runWaitGroup
		return in, c.args(0)
	case "wait_group":
		in.run, in.width = runWaitGroup, 1
		if err := c.args(1); err != nil {
			return in, err
		}
		if c.in.Args[0].Kind != ptx.IntArg {
			return in, c.fail("cp.async.wait_group takes a constant")
		}
		in.imm = min(c.in.Args[0].Int, 1<<20)
		return in, nil
	case "":
		return in, c.fail("%s: unknown", c.full())
	}
	if !c.take("shared") || !c.take("global") {
		return in, c.fail("cp.async copies from .global to .shared")
	}
	c.hints()
	return c.asyncOperands(in)
}

func (c *compiler) asyncOperands(in instr) (instr, error) {
	in.run = runAsync
	n := len(c.in.Args)
	if n != 3 && n != 4 {
		return in, c.fail("cp.async takes 3 or 4 operands")
	}
	size := c.in.Args[2]
	if size.Kind != ptx.IntArg || size.Int != 4 && size.Int != 8 && size.Int != 16 {
		return in, c.fail("cp.async copies 4, 8 or 16 bytes")
	}
	in.width = int32(size.Int)
	c.grain(4)
	dst, src := c.in.Args[0], c.in.Args[1]
	a, err := c.base(&in, dst)
	if err != nil {
		return in, err
	}
	// a source of its own: regs hold register, width flag; imm2 the offset
	from := instr{}
	b, err := c.base(&from, src)
	if err != nil {
		return in, err
	}
	in.a = a
	in.regs = []int32{b, from.b, -1}
	in.c = int32(len(c.k.offsets))
	c.k.offsets = append(c.k.offsets, from.imm)
	if n == 4 {
		in.regs[2], err = c.source(3, 32)
	}
	return in, err
}

// runAsync reads the source and keeps it until the group is waited for.
func runAsync(w *warp, in *instr) {
	w.address(in)
	dst := w.addr
	from := instr{a: in.regs[0], b: in.regs[1], imm: w.blk.kernel.offsets[in.c]}
	w.address(&from)
	size := int(in.width)
	w.align("global", uint64(size))
	w.countSectors(&w.blk.worker.count.Async, uint64(size))
	s := &w.blk.shared
	var last *Region
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m)
		n := size
		if in.regs[2] >= 0 { // the rest is zeros
			n = min(n, int(w.r32[in.regs[2]][i]))
		}
		a := pending{lane: i, group: w.groups[i], size: size}
		if dst[i]&uint64(size-1) != 0 {
			w.fault(Misaligned, i, "shared", dst[i], size, "")
		}
		if n > 0 {
			copy(a.data[:], w.global(i, int64(n), false, &last))
		}
		target := w.share(i, dst[i], size, true)
		fill(target, 0xff)
		a.off = int(dst[i] - sharedStart)
		for g := a.off >> s.shift; g <= (a.off+size-1)>>s.shift; g++ {
			s.writer[g] = access{epoch: s.epoch, sync: w.syncs, warp: int16(w.index), lane: int8(i), pending: true}
		}
		w.pending = append(w.pending, a)
	}
}

func runCommit(w *warp, _ *instr) {
	for m := w.active; m != 0; m &= m - 1 {
		w.groups[bits.TrailingZeros32(m)&31]++
	}
}

// runWaitGroup lands the copies of all groups but the last in.imm, or with width 0 all copies.
func runWaitGroup(w *warp, in *instr) {
	s := &w.blk.shared
	keep := w.pending[:0]
	for _, p := range w.pending {
		if w.active>>p.lane&1 == 0 || in.width != 0 && p.group >= w.groups[p.lane]-int(in.imm) {
			keep = append(keep, p)
			continue
		}
		copy(s.data[p.off:p.off+p.size], p.data[:p.size])
		for g := p.off >> s.shift; g <= (p.off+p.size-1)>>s.shift; g++ {
			s.writer[g] = access{epoch: s.epoch, sync: w.syncs, warp: int16(w.index), lane: int8(p.lane)}
		}
	}
	w.pending = keep
}
