package vm

import (
	"encoding/binary"
	"math"
	"math/bits"
	"sync"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

func init() {
	register("atom", buildAtomic)
	register("red", buildAtomic)
}

// atomicOps gives the new value of the old one and the operand.
var atomicOps = map[string]func(old, v uint64, t intType) uint64{
	"add":  func(a, b uint64, _ intType) uint64 { return a + b },
	"and":  func(a, b uint64, _ intType) uint64 { return a & b },
	"or":   func(a, b uint64, _ intType) uint64 { return a | b },
	"xor":  func(a, b uint64, _ intType) uint64 { return a ^ b },
	"min":  func(a, b uint64, t intType) uint64 { return pick(t.less(b, a), b, a) },
	"max":  func(a, b uint64, t intType) uint64 { return pick(t.less(a, b), b, a) },
	"exch": func(_, b uint64, _ intType) uint64 { return b },
	"inc":  func(a, b uint64, _ intType) uint64 { return pick(a >= b, 0, a+1) },
	"dec":  func(a, b uint64, _ intType) uint64 { return pick(a == 0 || a > b, b, a-1) },
}

// atomics serialises the atomic operations of all blocks.
var atomics sync.Mutex

// buildAtomic builds atom d, [a], b (, c) and red [a], b.
func buildAtomic(c *compiler) (instr, error) {
	in := instr{class: Atomic}
	space := c.space()
	op := c.oneOf("add", "and", "or", "xor", "min", "max", "exch", "inc", "dec", "cas")
	t, err := c.typ("u32", "s32", "u64", "s64", "b32", "b64", "f32")
	if err != nil || op == "" || space != "" && space != "global" && space != "shared" {
		return in, c.fail("%s is not simulated", c.full())
	}
	args := c.in.Args
	size := ptx.Bits(t)
	if c.in.Op == "red" {
		in.d = c.scratch(size)
	} else if len(args) > 0 {
		if in.d, err = c.dest(0, size); err != nil {
			return in, err
		}
		args = args[1:]
	}
	want := 2
	if op == "cas" {
		want = 3
	}
	if len(args) != want {
		return in, c.fail("%s: want %d operands behind the result", c.full(), want)
	}
	if in.a, err = c.base(&in, args[0]); err != nil {
		return in, err
	}
	v, err := c.sourceArg(args[1], size)
	if err != nil {
		return in, err
	}
	if op == "cas" {
		if in.c, err = c.sourceArg(args[2], size); err != nil {
			return in, err
		}
	}
	f := atomicOps[op]
	if t == "f32" {
		if op != "add" {
			return in, c.fail("%s is not simulated", c.full())
		}
		f = func(a, b uint64, _ intType) uint64 {
			return uint64(canonical(math.Float32frombits(uint32(a)) + math.Float32frombits(uint32(b))))
		}
	}
	it := intType{size / 8, t[0] == 's'}
	in.width = int32(it.bytes)
	if space != "global" {
		c.grain(it.bytes)
	}
	in.regs = []int32{v}
	in.run = func(w *warp, in *instr) { w.atomic(in, space, it, f) }
	return in, nil
}

// atomic runs the lanes one after the other; f nil means compare and swap. Shared memory is not checked for
// races here: atomic operations on it are ordered.
func (w *warp) atomic(in *instr, space string, t intType, f func(a, b uint64, t intType) uint64) {
	base := uint64(0)
	if space == "" {
		base = w.window(in)
	} else {
		w.address(in)
	}
	if base == localWindow {
		w.fault(OutOfBounds, lowest(w.active), "local", w.addr[lowest(w.active)], t.bytes, "an atomic operation on local memory")
	}
	if base == sharedWindow {
		space = "shared"
		for i := range w.addr {
			w.addr[i] -= base
		}
	}
	w.align("global", uint64(t.bytes))
	atomics.Lock()
	defer atomics.Unlock()
	var last *Region
	w.blk.worker.count.Atomics += int64(bits.OnesCount32(w.active))
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		var b []byte
		if space == "shared" {
			b = w.shareAtomic(i, t.bytes)
		} else {
			w.global(i, int64(t.bytes), false, &last)
			b = w.global(i, int64(t.bytes), true, &last)
		}
		old := extend(get(b, in.width), t.bytes, t.signed)
		v := w.read(t, in.regs[0], i)
		switch {
		case f != nil:
			v = f(old, v, t)
		case old == v:
			v = w.read(t, in.c, i)
		default:
			v = old
		}
		if t.bytes == 8 {
			binary.LittleEndian.PutUint64(b, v)
		} else {
			binary.LittleEndian.PutUint32(b, uint32(v))
		}
		w.write(t.bytes, in.d, i, old)
	}
}

// shareAtomic checks bounds and that the bytes have been written.
func (w *warp) shareAtomic(lane, size int) []byte {
	s := &w.blk.shared
	checks := s.checks
	s.checks &^= CheckShared
	defer func() { s.checks = checks }()
	w.share(lane, w.addr[lane], size, false)
	return w.share(lane, w.addr[lane], size, true)
}
