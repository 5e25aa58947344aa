package vm

import (
	"math/bits"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

func init() {
	for op, f := range map[string]func(a, b uint64, t intType) uint64{
		"div": divide, "rem": remainder,
		"min": func(a, b uint64, t intType) uint64 { return pick(t.less(a, b), a, b) },
		"max": func(a, b uint64, t intType) uint64 { return pick(t.less(b, a), a, b) },
	} {
		register(op, func(c *compiler) (instr, error) { return c.arithmetic(op, f) })
	}
	register("add", func(c *compiler) (instr, error) {
		return c.arithmetic("add", func(a, b uint64, _ intType) uint64 { return a + b })
	})
	register("sub", func(c *compiler) (instr, error) {
		return c.arithmetic("sub", func(a, b uint64, _ intType) uint64 { return a - b })
	})
	register("neg", func(c *compiler) (instr, error) {
		return c.unary("neg", func(a uint64, _ intType) uint64 { return -a })
	})
	register("abs", func(c *compiler) (instr, error) {
		return c.unary("abs", func(a uint64, _ intType) uint64 { return pick(int64(a) < 0, -a, a) })
	})
	register("mul", buildMultiply)
	register("mad", buildMultiply)
	register("mul24", func(c *compiler) (instr, error) { return instr{}, c.fail("mul24 is not simulated") })
	register("popc", func(c *compiler) (instr, error) { return c.count(bits.OnesCount64) })
	register("clz", func(c *compiler) (instr, error) {
		width := 32
		if len(c.mods) > 0 && c.mods[0] == "b64" {
			width = 64
		}
		return c.count(func(a uint64) int { return bits.LeadingZeros64(a) - (64 - width) })
	})
}

// intType is an integer type: values travel as 64 bits, extended by its sign.
type intType struct {
	bytes  int
	signed bool
}

func (t intType) less(a, b uint64) bool {
	if t.signed {
		return int64(a) < int64(b)
	}
	return a < b
}

func pick(cond bool, a, b uint64) uint64 {
	if cond {
		return a
	}
	return b
}

// divide by zero gives all ones, as NVIDIA's devices do; PTX leaves it open.
func divide(a, b uint64, t intType) uint64 {
	switch {
	case b == 0:
		return ^uint64(0)
	case !t.signed:
		return a / b
	case int64(b) == -1: // the least number too
		return -a
	}
	return uint64(int64(a) / int64(b))
}

func remainder(a, b uint64, t intType) uint64 {
	switch {
	case b == 0:
		return a
	case !t.signed:
		return a % b
	case int64(b) == -1:
		return 0
	}
	return uint64(int64(a) % int64(b))
}

var intTypes = []string{"s16", "u16", "s32", "u32", "s64", "u64"}

// intTyp takes an integer type's modifier.
func (c *compiler) intTyp() (intType, error) {
	s, err := c.typ(intTypes...)
	return intType{ptx.Bits(s) / 8, s != "" && s[0] == 's'}, err
}

// arithmetic builds an operation of two integers, or of two floats where the type says so.
func (c *compiler) arithmetic(op string, f func(a, b uint64, t intType) uint64) (instr, error) {
	if c.isFloat() {
		return c.floatOp(op, 2)
	}
	t, err := c.intTyp()
	if err != nil {
		return instr{}, err
	}
	in, err := c.build2(t.bytes * 8)
	in.class = Integer
	fast := map[string][2]func(*warp, *instr){"add": {addInt32, addInt64}, "sub": {subInt32, subInt64}}[op]
	switch {
	case fast[0] != nil && t.bytes == 4:
		in.run = fast[0]
	case fast[0] != nil && t.bytes == 8:
		in.run = fast[1]
	default:
		in.op, in.run = op2(func(a, b uint64) uint64 { return f(a, b, t) }), t.run2()
	}
	return in, err
}

// op1 and op2 are functions of one lane on values of 64 bits.
type (
	op1 func(a uint64) uint64
	op2 func(a, b uint64) uint64
)

func (c *compiler) unary(op string, f func(a uint64, t intType) uint64) (instr, error) {
	if c.isFloat() {
		return c.floatOp(op, 1)
	}
	t, err := c.intTyp()
	if err != nil {
		return instr{}, err
	}
	in, err := c.build1(t.bytes * 8)
	in.class = Integer
	in.op = op1(func(a uint64) uint64 { return f(a, t) })
	in.run = t.run1()
	return in, err
}

// file reads a lane's register of the type, extended.
func (w *warp) read(t intType, reg int32, lane int) uint64 {
	if t.bytes == 8 {
		return w.r64[reg][lane]
	}
	return extend(uint64(w.r32[reg][lane]), t.bytes, t.signed)
}

func (w *warp) write(bytes int, reg int32, lane int, v uint64) {
	switch bytes {
	case 8:
		w.r64[reg][lane] = v
	case 4:
		w.r32[reg][lane] = uint32(v)
	case 2:
		w.r32[reg][lane] = uint32(uint16(v))
	default:
		w.r32[reg][lane] = uint32(uint8(v))
	}
}

func (t intType) run1() func(*warp, *instr) {
	return func(w *warp, in *instr) {
		f := in.op.(op1)
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			w.write(t.bytes, in.d, i, f(w.read(t, in.a, i)))
		}
	}
}

func (t intType) run2() func(*warp, *instr) {
	return func(w *warp, in *instr) {
		f := in.op.(op2)
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			w.write(t.bytes, in.d, i, f(w.read(t, in.a, i), w.read(t, in.b, i)))
		}
	}
}

// count builds popc and clz, whose results have 32 bits.
func (c *compiler) count(f func(a uint64) int) (instr, error) {
	s, err := c.typ("b32", "b64")
	if err != nil {
		return instr{}, err
	}
	t := intType{bytes: ptx.Bits(s) / 8}
	in, err := c.build(32, t.bytes*8)
	in.class = Integer
	in.run = func(w *warp, in *instr) {
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			w.r32[in.d][i] = uint32(f(w.read(t, in.a, i)))
		}
	}
	return in, err
}

// buildMultiply builds mul and mad: .lo, .hi, .wide.
func buildMultiply(c *compiler) (instr, error) {
	mad := c.in.Op == "mad"
	if c.isFloat() {
		if mad {
			return c.floatOp("fma", 3)
		}
		return c.floatOp("mul", 2)
	}
	half := c.oneOf("lo", "hi", "wide")
	if half == "" {
		return instr{}, c.fail("%s: want .lo, .hi or .wide", c.full())
	}
	t, err := c.intTyp()
	if err != nil {
		return instr{}, err
	}
	size := t.bytes * 8
	out := size
	if half == "wide" {
		out *= 2
	}
	if out > 64 {
		return instr{}, c.fail("%s: no such type", c.full())
	}
	in := instr{}
	if mad {
		in, err = c.build(out, size, size, out)
	} else {
		in, err = c.build(out, size, size)
	}
	in.class = Integer
	sum := intType{out / 8, t.signed}
	in.run = func(w *warp, in *instr) {
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			v := product(half, t, w.read(t, in.a, i), w.read(t, in.b, i))
			if mad {
				v += w.read(sum, in.c, i)
			}
			w.write(out/8, in.d, i, v)
		}
	}
	switch {
	case !mad && half == "lo" && t.bytes == 4:
		in.run = mulLow32
	case mad && half == "lo" && t.bytes == 4:
		in.run = madLow32
	case !mad && half == "lo" && t.bytes == 8:
		in.run = mulLow64
	case !mad && half == "wide" && t.bytes == 4 && t.signed:
		in.run = mulWideS32
	case !mad && half == "wide" && t.bytes == 4:
		in.run = mulWideU32
	}
	return in, err
}

func product(half string, t intType, a, b uint64) uint64 {
	if half != "hi" {
		return a * b
	}
	if t.bytes < 8 {
		if t.signed {
			return uint64(int64(a*b) >> (8 * t.bytes))
		}
		return a * b >> (8 * t.bytes)
	}
	hi, _ := bits.Mul64(a, b)
	if t.signed {
		if int64(a) < 0 {
			hi -= b
		}
		if int64(b) < 0 {
			hi -= a
		}
	}
	return hi
}
