package vm

import (
	"math/bits"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

func init() {
	register("and", func(c *compiler) (instr, error) {
		return c.bitwise(and32, and64, func(a, b uint32) uint32 { return a & b })
	})
	register("or", func(c *compiler) (instr, error) {
		return c.bitwise(or32, or64, func(a, b uint32) uint32 { return a | b })
	})
	register("xor", func(c *compiler) (instr, error) {
		return c.bitwise(xor32, xor64, func(a, b uint32) uint32 { return a ^ b })
	})
	register("not", func(c *compiler) (instr, error) { return c.bitwise(not32, not64, nil) })
	register("shl", buildShift)
	register("shr", buildShift)
	register("bfe", buildExtract)
	register("bfi", buildInsert)
	register("brev", buildReverse)
	register("prmt", buildPermute)
	register("lop3", buildLop3)
	register("shf", buildFunnel)
}

// bitwise builds and, or, xor, not: f for predicates, nil for not.
func (c *compiler) bitwise(run32, run64 func(*warp, *instr), f func(a, b uint32) uint32) (instr, error) {
	t, err := c.typ("pred", "b16", "b32", "b64")
	if err != nil {
		return instr{}, err
	}
	size := ptx.Bits(t)
	if t == "pred" {
		return c.predicates(f)
	}
	var in instr
	if f == nil {
		in, err = c.build1(size)
	} else {
		in, err = c.build2(size)
	}
	in.class, in.run = Integer, run32
	if size == 64 {
		in.run = run64
	}
	if size == 16 && f == nil {
		in.run = func(w *warp, in *instr) {
			for m := w.active; m != 0; m &= m - 1 {
				i := bits.TrailingZeros32(m) & 31
				w.r32[in.d][i] = uint32(^uint16(w.r32[in.a][i]))
			}
		}
	}
	return in, err
}

func (c *compiler) predicates(f func(a, b uint32) uint32) (instr, error) {
	in := instr{class: Compare}
	n := 3
	if f == nil {
		n = 2
	}
	if err := c.args(n); err != nil {
		return in, err
	}
	d, _, err := c.pred(c.in.Args[0])
	if err != nil {
		return in, err
	}
	a, notA, err := c.predOrConst(c.in.Args[1])
	if err != nil {
		return in, err
	}
	if f == nil {
		in.run = func(w *warp, _ *instr) { w.setPred(d, ^w.getPred(a, notA)) }
		return in, nil
	}
	b, notB, err := c.predOrConst(c.in.Args[2])
	in.run = func(w *warp, _ *instr) { w.setPred(d, f(w.getPred(a, notA), w.getPred(b, notB))) }
	return in, err
}

// predOrConst is a predicate, or for a constant one that is always true or false.
func (c *compiler) predOrConst(a ptx.Arg) (int32, bool, error) {
	if a.Kind != ptx.IntArg {
		return c.pred(a)
	}
	if c.k.never == 0 {
		c.k.preds++
		c.k.never = int32(c.k.preds) // plus one
	}
	return c.k.never - 1, a.Int != 0, nil
}

// buildShift builds shl and shr: shifts by more than the size give zero, or the sign.
func buildShift(c *compiler) (instr, error) {
	t, err := c.typ("b16", "b32", "b64", "u16", "u32", "u64", "s16", "s32", "s64")
	if err != nil {
		return instr{}, err
	}
	left := c.in.Op == "shl"
	it := intType{ptx.Bits(t) / 8, t[0] == 's' && !left}
	in, err := c.build(it.bytes*8, it.bytes*8, 32)
	in.class = Integer
	switch {
	case left && it.bytes == 4:
		in.run = shl32
	case it.bytes == 4 && it.signed:
		in.run = shrS32
	case it.bytes == 4:
		in.run = shrU32
	default:
		in.run = func(w *warp, in *instr) {
			for m := w.active; m != 0; m &= m - 1 {
				i := bits.TrailingZeros32(m) & 31
				v, n := w.read(it, in.a, i), w.r32[in.b][i]
				switch {
				case left:
					v <<= n
				case it.signed:
					v = uint64(int64(v) >> n)
				default:
					v >>= n
				}
				w.write(it.bytes, in.d, i, v)
			}
		}
	}
	return in, err
}

// buildExtract builds bfe: c bits from bit b on, the sign extended.
func buildExtract(c *compiler) (instr, error) {
	t, err := c.typ("u32", "s32", "u64", "s64")
	if err != nil {
		return instr{}, err
	}
	it := intType{ptx.Bits(t) / 8, t[0] == 's'}
	in, err := c.build(it.bytes*8, it.bytes*8, 32, 32)
	in.class = Integer
	in.run = func(w *warp, in *instr) {
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			w.write(it.bytes, in.d, i, extractBits(it, w.read(it, in.a, i), w.r32[in.b][i]&255, w.r32[in.c][i]&255))
		}
	}
	return in, err
}

func extractBits(t intType, v uint64, pos, n uint32) uint64 {
	top := uint32(t.bytes*8 - 1)
	if n == 0 {
		return 0
	}
	sign := uint64(0)
	if t.signed && v>>min(pos+n-1, top)&1 != 0 {
		sign = ^uint64(0)
	}
	low := uint64(0)
	if pos <= top {
		low = v << (63 - top) >> (63 - top) >> pos
	}
	kept := uint32(0) // bits of v that are there
	if pos <= top {
		kept = min(n, top+1-pos)
	}
	mask := uint64(1)<<kept - 1
	return low&mask | sign&^mask
}

// buildInsert builds bfi: the low d bits of a put into b from bit c on.
func buildInsert(c *compiler) (instr, error) {
	t, err := c.typ("b32", "b64")
	if err != nil {
		return instr{}, err
	}
	size := ptx.Bits(t)
	if err := c.args(5); err != nil {
		return instr{}, err
	}
	length, err := c.source(4, 32)
	if err != nil {
		return instr{}, err
	}
	c.in = &ptx.Instr{Line: c.in.Line, Guard: c.in.Guard, GuardNot: c.in.GuardNot, Op: c.in.Op, Mods: c.in.Mods, Args: c.in.Args[:4]}
	in, err := c.build(size, size, size, 32)
	it := intType{bytes: size / 8}
	in.class = Integer
	in.run = func(w *warp, in *instr) {
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			mask := (uint64(1)<<(w.r32[length][i]&255) - 1) << (w.r32[in.c][i] & 255)
			v := w.read(it, in.b, i)&^mask | w.read(it, in.a, i)<<(w.r32[in.c][i]&255)&mask
			w.write(it.bytes, in.d, i, v)
		}
	}
	return in, err
}

func buildReverse(c *compiler) (instr, error) {
	t, err := c.typ("b32", "b64")
	if err != nil {
		return instr{}, err
	}
	it := intType{bytes: ptx.Bits(t) / 8}
	in, err := c.build1(it.bytes * 8)
	in.class, in.run = Integer, it.run1()
	in.op = op1(func(a uint64) uint64 { return bits.Reverse64(a) >> (64 - 8*it.bytes) })
	return in, err
}

// lanes3 makes run of a function of three 32-bit values.
func lanes3(f func(a, b, c uint32) uint32) func(*warp, *instr) {
	return func(w *warp, in *instr) {
		d, a, b, c := w.out32(in.d), &w.r32[in.a], &w.r32[in.b], &w.r32[in.c]
		for i := range d {
			d[i] = f(a[i], b[i], c[i])
		}
		w.done32(in.d, d)
	}
}

func buildPermute(c *compiler) (instr, error) {
	if _, err := c.typ("b32"); err != nil {
		return instr{}, err
	}
	in, err := c.build3(32)
	in.class, in.run = Integer, lanes3(permute)
	return in, err
}

// permute picks four bytes of b:a by the nibbles of c; bit 3 of a nibble spreads the byte's sign.
func permute(a, b, c uint32) (d uint32) {
	both := uint64(b)<<32 | uint64(a)
	for i := range 4 {
		n := c >> (4 * i) & 15
		v := uint32(both>>(8*(n&7))) & 255
		if n&8 != 0 {
			v = uint32(int8(v)>>7) & 255
		}
		d |= v << (8 * i)
	}
	return d
}

func buildLop3(c *compiler) (instr, error) {
	if _, err := c.typ("b32"); err != nil {
		return instr{}, err
	}
	if err := c.args(5); err != nil {
		return instr{}, err
	}
	table := c.in.Args[4]
	if table.Kind != ptx.IntArg || table.Int > 255 {
		return instr{}, c.fail("lop3: the table is a constant up to 255")
	}
	c.in = &ptx.Instr{Line: c.in.Line, Op: c.in.Op, Mods: c.in.Mods, Guard: c.in.Guard, GuardNot: c.in.GuardNot, Args: c.in.Args[:4]}
	in, err := c.build3(32)
	in.class = Integer
	in.run = lanes3(func(a, b, c uint32) uint32 { return lop3(a, b, c, table.Int) })
	return in, err
}

func lop3(a, b, c uint32, table uint64) (d uint32) {
	for i := range 8 {
		if table>>i&1 == 0 {
			continue
		}
		x, y, z := ^a, ^b, ^c
		if i&4 != 0 {
			x = a
		}
		if i&2 != 0 {
			y = b
		}
		if i&1 != 0 {
			z = c
		}
		d |= x & y & z
	}
	return d
}

// buildFunnel builds shf: 32 of the 64 bits b:a, shifted.
func buildFunnel(c *compiler) (instr, error) {
	side, mode := c.oneOf("l", "r"), ""
	if side != "" {
		mode = c.oneOf("wrap", "clamp")
	}
	if mode == "" {
		return instr{}, c.fail("%s: want .l or .r, .wrap or .clamp", c.full())
	}
	if _, err := c.typ("b32"); err != nil {
		return instr{}, err
	}
	in, err := c.build3(32)
	in.class = Integer
	in.run = lanes3(func(a, b, c uint32) uint32 {
		n := c & 31
		if mode == "clamp" {
			n = min(c, 32)
		}
		both := uint64(b)<<32 | uint64(a)
		if side == "l" {
			return uint32(both << n >> 32)
		}
		return uint32(both >> n)
	})
	return in, err
}
