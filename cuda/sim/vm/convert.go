package vm

import (
	"math"
	"math/bits"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

func init() { register("cvt", buildConvert) }

var convertTypes = []string{"u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64", "f16x2", "bf16x2", "f16", "bf16", "f32", "f64"}

// conversion is what a cvt says of itself.
type conversion struct {
	to, from  string
	round     string // rn rz rm rp, or with i: to a whole number
	ftz, sat  bool
	relu      bool
	toFloat   bool
	fromFloat bool
}

func buildConvert(c *compiler) (instr, error) {
	var k conversion
	k.round = c.oneOf("rni", "rzi", "rmi", "rpi", "rn", "rz", "rm", "rp")
	k.relu = c.take("relu")
	k.ftz = c.take("ftz")
	k.sat = c.take("sat")
	var err error
	if k.to, err = c.typ(convertTypes...); err != nil {
		return instr{}, err
	}
	if pairs[k.to] != "" {
		return c.convertPair(k)
	}
	if k.from, err = c.typ(convertTypes...); err != nil {
		return instr{}, err
	}
	k.toFloat, k.fromFloat = isFloatType(k.to), isFloatType(k.from)
	if err := c.args(2); err != nil {
		return instr{}, err
	}
	in := instr{class: Convert}
	if in.d, err = c.wider(0, k.to, true); err != nil {
		return in, err
	}
	if in.a, err = c.wider(1, k.from, false); err != nil {
		return in, err
	}
	if pairs[k.from] != "" || k.relu {
		return in, c.fail("%s is not simulated", c.full())
	}
	narrowing := k.toFloat && (!k.fromFloat || ptx.Bits(k.to) < ptx.Bits(k.from))
	if narrowing && k.round == "" || !k.toFloat && k.fromFloat && len(k.round) != 3 {
		return in, c.fail("%s: want a rounding", c.full())
	}
	in.run = k.runner(c.bitsOf(0, k.to), c.bitsOf(1, k.from))
	return in, nil
}

func isFloatType(t string) bool { return t[0] == 'f' || t[0] == 'b' }

// bitsOf is the size of operand i's register, or of its type for a constant.
func (c *compiler) bitsOf(i int, t string) int {
	if a := c.in.Args[i]; a.Kind == ptx.RegArg {
		return int(c.src.Regs[a.Reg].Bits)
	}
	return max(ptx.Bits(t), 16)
}

// wider is the register of an operand, which may be wider than its type where this is an integer.
func (c *compiler) wider(i int, t string, dest bool) (int32, error) {
	size := c.bitsOf(i, t)
	if size < ptx.Bits(t) || isFloatType(t) && size != ptx.Bits(t) {
		return 0, c.fail("%s: operand %d has %d bits, not %d", c.full(), i+1, size, ptx.Bits(t))
	}
	if dest {
		return c.dest(i, size)
	}
	return c.source(i, size)
}

// runner makes run of the conversion for registers of given sizes.
func (k conversion) runner(dest, source int) func(*warp, *instr) {
	switch {
	case k.from == "s32" && k.to == "s64" && dest == 64:
		return widenS32
	case k.from == "u32" && (k.to == "u64" || k.to == "s64") && dest == 64:
		return widenU32
	case ptx.Bits(k.from) == 64 && !k.fromFloat && ptx.Bits(k.to) == 32 && !k.toFloat && !k.sat && dest == 32:
		return narrow64
	}
	f := k.function()
	return func(w *warp, in *instr) {
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			var v uint64
			if source == 64 {
				v = w.r64[in.a][i]
			} else {
				v = uint64(w.r32[in.a][i])
			}
			v = f(v)
			w.write(dest/8, in.d, i, v)
		}
	}
}

// function converts the bits of one lane; a result that is an integer is extended by its sign.
func (k conversion) function() func(v uint64) uint64 {
	from := intType{ptx.Bits(k.from) / 8, k.from[0] == 's'}
	to := intType{ptx.Bits(k.to) / 8, k.to[0] == 's'}
	switch {
	case !k.fromFloat && !k.toFloat:
		return func(v uint64) uint64 {
			v = extend(v, from.bytes, from.signed)
			if k.sat {
				v = saturate(v, from, to)
			}
			return extend(v, to.bytes, to.signed)
		}
	case !k.fromFloat:
		return func(v uint64) uint64 { return k.fromInt(extend(v, from.bytes, from.signed), from.signed) }
	case !k.toFloat:
		return func(v uint64) uint64 { return toInt(roundWhole(k.value(v), k.round), to) }
	}
	return func(v uint64) uint64 { return k.floatBits(k.value(v)) }
}

// value reads the source as float64, exactly.
func (k conversion) value(v uint64) float64 {
	switch k.from {
	case "f64":
		return math.Float64frombits(v)
	case "f16":
		return float64(numeric.FromF16(uint16(v)))
	case "bf16":
		return float64(numeric.FromBF16(uint16(v)))
	}
	x := math.Float32frombits(uint32(v))
	if k.ftz {
		x = numeric.FlushSubnormal(x)
	}
	return float64(x)
}

// floatBits rounds a value to the target type.
func (k conversion) floatBits(v float64) uint64 {
	round := k.round
	if len(round) == 3 {
		v, round = roundWhole(v, round), "rn"
	}
	if k.sat {
		if v = min(max(v, 0), 1); v != v {
			v = 0
		}
	}
	switch k.to {
	case "f64":
		return floatKind{typ: "f64"}.bits(v)
	case "f16":
		return uint64(roundSmall(v, 10, 15, round))
	case "bf16":
		return uint64(roundSmall(v, 7, 127, round))
	}
	r := roundFloat32(v, round)
	if k.ftz {
		r = numeric.FlushSubnormal(r)
	}
	return uint64(canonical(r))
}

// fromInt converts a whole number; those beyond 2^53 are rounded to odd first, so that they round once.
func (k conversion) fromInt(v uint64, signed bool) uint64 {
	if k.to == "f64" {
		if signed {
			return math.Float64bits(float64(int64(v)))
		}
		return math.Float64bits(float64(v))
	}
	negative := signed && int64(v) < 0
	if negative {
		v = -v
	}
	for n := 0; ; n++ {
		if v>>53 == 0 {
			x := math.Ldexp(float64(v), n)
			if negative {
				x = -x
			}
			return k.floatBits(x)
		}
		v = v>>1 | v&1
	}
}

func saturate(v uint64, from, to intType) uint64 {
	top := uint64(1)<<(8*to.bytes-1)<<1 - 1 // of an unsigned type
	switch {
	case from.signed && !to.signed:
		if int64(v) < 0 {
			return 0
		}
		return min(v, top)
	case from.signed:
		return uint64(min(max(int64(v), -int64(top/2)-1), int64(top/2)))
	case to.signed:
		return min(v, top/2)
	}
	return min(v, top)
}

// toInt converts a whole number, held to the type's range; a NaN gives 0.
func toInt(v float64, t intType) uint64 {
	size := 8 * t.bytes
	low, high := 0.0, math.Ldexp(1, size)
	if t.signed {
		low, high = -math.Ldexp(1, size-1), math.Ldexp(1, size-1)
	}
	switch {
	case v != v:
		return 0
	case v < low:
		v = low
	case v >= high:
		if t.signed {
			return 1<<(size-1) - 1
		}
		return ^uint64(0) >> (64 - size)
	}
	if t.signed {
		return uint64(int64(v))
	}
	return uint64(v)
}

func roundWhole(v float64, round string) float64 {
	switch round[:2] {
	case "rz":
		return math.Trunc(v)
	case "rm":
		return math.Floor(v)
	case "rp":
		return math.Ceil(v)
	}
	return math.RoundToEven(v)
}

// roundFloat32 rounds a float64 as told.
func roundFloat32(v float64, round string) float32 {
	r := float32(v)
	if v != v || float64(r) == v {
		return r
	}
	up, down := float32(math.Inf(1)), float32(math.Inf(-1))
	switch {
	case round == "rz" && math.Abs(float64(r)) > math.Abs(v):
		return math.Nextafter32(r, 0)
	case round == "rm" && float64(r) > v:
		return math.Nextafter32(r, down)
	case round == "rp" && float64(r) < v:
		return math.Nextafter32(r, up)
	}
	return r
}

// roundSmall rounds to a format of 16 bits with so many bits of fraction and this bias; a NaN is 0x7fff.
func roundSmall(v float64, fraction, bias int, round string) uint16 {
	if v != v {
		return 0x7fff
	}
	sign := uint16(math.Float64bits(v) >> 63 << 15)
	a := math.Abs(v)
	inf := uint16(2*bias+1) << fraction
	if math.IsInf(a, 0) {
		return sign | inf
	}
	_, e := math.Frexp(a) // a = f * 2^e, f in [1/2, 1)
	e = max(e-1, 1-bias)
	units := math.Ldexp(a, fraction-e) // exact: of the last place
	away := round == "rm" && sign != 0 || round == "rp" && sign == 0
	whole := math.RoundToEven(units)
	switch {
	case round == "rz", (round == "rm" || round == "rp") && !away:
		whole = math.Floor(units)
	case away:
		whole = math.Ceil(units)
	}
	// the pattern of a normal number: exponent and fraction run on into each other
	code := int64(whole)
	if a != 0 && whole >= math.Ldexp(1, fraction) {
		code += int64(e+bias-1) << fraction
	}
	if code >= int64(inf) {
		if round == "rz" || (round == "rm" || round == "rp") && !away {
			return sign | (inf - 1)
		}
		return sign | inf
	}
	return sign | uint16(code)
}

// convertPair builds cvt.rn.f16x2.f32 d, a, b: a in the upper half.
func (c *compiler) convertPair(k conversion) (instr, error) {
	k.to = pairs[k.to]
	if !c.take("f32") {
		return instr{}, c.fail("%s: want two .f32", c.full())
	}
	if k.round != "rn" && k.round != "rz" {
		return instr{}, c.fail("%s: want a rounding", c.full())
	}
	k.from = "f32"
	in, err := c.build2(32)
	in.class = Convert
	one := func(v uint32) uint32 {
		x := k.value(uint64(v))
		if k.relu {
			x = max(x, 0)
		}
		return uint32(k.floatBits(x))
	}
	in.run = func(w *warp, in *instr) {
		d, a, b := w.out32(in.d), &w.r32[in.a], &w.r32[in.b]
		for i := range d {
			d[i] = one(a[i])<<16 | one(b[i])
		}
		w.done32(in.d, d)
	}
	return in, err
}
