package vm

import (
	"math"
	"math/bits"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

func init() {
	register("fma", func(c *compiler) (instr, error) { return c.floatOp("fma", 3) })
	register("copysign", func(c *compiler) (instr, error) { return c.floatOp("copysign", 2) })
	for _, op := range []string{"rcp", "sqrt", "rsqrt", "ex2", "lg2", "sin", "cos", "tanh"} {
		register(op, func(c *compiler) (instr, error) { return c.floatOp(op, 1) })
	}
}

// isFloat says whether the type, the last modifier, is a float's.
func (c *compiler) isFloat() bool {
	if len(c.mods) == 0 {
		return false
	}
	switch c.mods[len(c.mods)-1] {
	case "f16", "bf16", "f16x2", "bf16x2", "f32", "f64":
		return true
	}
	return false
}

// floatKind is what an operation on floats says of itself.
type floatKind struct {
	op, typ              string
	approx, ftz, sat, na bool // na: a NaN operand gives NaN (min.NaN)
	round                string
}

// floatOp builds an operation on floats with n operands.
func (c *compiler) floatOp(op string, n int) (instr, error) {
	k := floatKind{op: op}
	for {
		switch c.oneOf("rn", "rz", "rm", "rp", "approx", "full", "ftz", "sat", "NaN") {
		case "rn":
			k.round = "rn"
		case "approx":
			k.approx = true
		case "full":
			k.approx = true
		case "ftz":
			k.ftz = true
		case "sat":
			k.sat = true
		case "NaN":
			k.na = true
		case "rz", "rm", "rp":
			return instr{}, c.fail("%s: the simulator rounds arithmetic to nearest alone", c.full())
		default:
			return c.floatTyped(k, n)
		}
	}
}

// pairs gives the type of each of the two halves of a packed type.
var pairs = map[string]string{"f16x2": "f16", "bf16x2": "bf16"}

func (c *compiler) floatTyped(k floatKind, n int) (instr, error) {
	var err error
	if k.typ, err = c.typ("f32", "f64", "f16", "bf16", "f16x2", "bf16x2"); err != nil {
		return instr{}, err
	}
	if k.approx && k.typ == "f64" {
		return instr{}, c.fail("%s: approximations of fp64 are not simulated", c.full())
	}
	size := ptx.Bits(k.typ)
	var in instr
	switch n {
	case 1:
		in, err = c.build1(size)
	case 2:
		in, err = c.build2(size)
	default:
		in, err = c.build3(size)
	}
	if err != nil {
		return in, err
	}
	in.class, in.flops = Float, 1
	if k.op == "fma" {
		in.flops = 2
	}
	if size == 16 || pairs[k.typ] != "" {
		in.class = Half
	}
	switch k.op {
	case "div", "rcp", "sqrt", "rsqrt", "ex2", "lg2", "sin", "cos", "tanh":
		in.class = Special
	case "neg", "abs", "copysign":
		in.flops = 0
	}
	if k.typ == "f32" && !k.ftz && !k.sat {
		in.run = map[string]func(*warp, *instr){"add": addF32, "sub": subF32, "mul": mulF32, "fma": fmaF32, "div": divF32}[k.op]
	}
	if in.run == nil {
		f := k.function()
		if f == nil {
			return in, c.fail("%s is not simulated", c.full())
		}
		in.run = k.runner(f, n)
	}
	return in, nil
}

// function is the operation on exact values; the result is rounded to the type once, where float64 itself does not
// round: see numeric.FMA for fma of fp32.
func (k floatKind) function() func(a, b, c float64) float64 {
	switch k.op {
	case "add":
		return func(a, b, _ float64) float64 { return a + b }
	case "sub":
		return func(a, b, _ float64) float64 { return a - b }
	case "mul":
		return func(a, b, _ float64) float64 { return a * b }
	case "div":
		return func(a, b, _ float64) float64 { return a / b }
	case "fma":
		switch k.typ {
		case "f64":
			return math.FMA
		case "f32":
			return func(a, b, c float64) float64 { return float64(numeric.FMA(float32(a), float32(b), float32(c))) }
		}
		return oddFMA
	case "min":
		return func(a, b, _ float64) float64 { return least(a, b, k.na) }
	case "max":
		return func(a, b, _ float64) float64 { return -least(-a, -b, k.na) }
	case "neg":
		return func(a, _, _ float64) float64 { return -a }
	case "abs":
		return func(a, _, _ float64) float64 { return math.Abs(a) }
	case "copysign":
		return func(a, b, _ float64) float64 { return math.Copysign(b, a) }
	}
	return k.special()
}

// least is the smaller of two numbers; -0 is less than 0; of a number and a NaN it is the number unless na.
func least(a, b float64, na bool) float64 {
	switch {
	case a != a && b != b, na && (a != a || b != b):
		return math.NaN()
	case a != a:
		return b
	case b != b:
		return a
	}
	return min(a, b)
}

// oddFMA is a*b + c rounded to odd in float64, so that rounding to 11 or 8 bits is correct. The product of two such
// numbers is exact.
func oddFMA(a, b, c float64) float64 {
	p := float64(a * b)
	s := p + c
	t := s - p
	err := (p - (s - t)) + (c - t)
	if u := math.Float64bits(s); err != 0 && err == err && !math.IsInf(s, 0) && u&1 == 0 {
		if (err > 0) == (s > 0) {
			u++
		} else {
			u--
		}
		return math.Float64frombits(u)
	}
	return s
}

// runner makes run of a function of one lane.
func (k floatKind) runner(f func(a, b, c float64) float64, n int) func(*warp, *instr) {
	if t := pairs[k.typ]; t != "" {
		return k.pairRunner(t, f, n)
	}
	read := floatReader(k.typ, k.ftz)
	wide := k.typ == "f64"
	return func(w *warp, in *instr) {
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			x := read(w, in.a, i)
			var y, z float64
			if n > 1 {
				y = read(w, in.b, i)
			}
			if n > 2 {
				z = read(w, in.c, i)
			}
			v := k.bits(f(x, y, z))
			if wide {
				w.r64[in.d][i] = v
			} else {
				w.r32[in.d][i] = uint32(v)
			}
		}
	}
}

func (k floatKind) pairRunner(t string, f func(a, b, c float64) float64, n int) func(*warp, *instr) {
	one := k
	one.typ = t
	widen := numeric.FromF16
	if t == "bf16" {
		widen = numeric.FromBF16
	}
	return func(w *warp, in *instr) {
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			var out uint32
			for h := 0; h < 32; h += 16 {
				x := float64(widen(uint16(w.r32[in.a][i] >> h)))
				var y, z float64
				if n > 1 {
					y = float64(widen(uint16(w.r32[in.b][i] >> h)))
				}
				if n > 2 {
					z = float64(widen(uint16(w.r32[in.c][i] >> h)))
				}
				out |= uint32(one.bits(f(x, y, z))) << h
			}
			w.r32[in.d][i] = out
		}
	}
}

// bits rounds a result to the operation's type.
func (k floatKind) bits(v float64) uint64 {
	if k.sat {
		v = min(max(v, 0), 1)
		if v != v {
			v = 0
		}
	}
	switch k.typ {
	case "f64":
		if v != v {
			return 0x7ff8000000000000
		}
		return math.Float64bits(v)
	case "f16":
		return uint64(roundSmall(v, 10, 15, "rn"))
	case "bf16":
		return uint64(roundSmall(v, 7, 127, "rn"))
	}
	r := float32(v)
	if k.ftz {
		r = numeric.FlushSubnormal(r)
	}
	return uint64(canonical(r))
}

// special gives the functions of the special unit.
func (k floatKind) special() func(a, b, c float64) float64 {
	switch k.op {
	case "rcp":
		return func(a, _, _ float64) float64 { return 1 / a }
	case "sqrt":
		return func(a, _, _ float64) float64 { return math.Sqrt(a) }
	case "rsqrt":
		return func(a, _, _ float64) float64 { return 1 / math.Sqrt(a) }
	}
	if k.typ == "f64" {
		return nil
	}
	switch k.op {
	case "ex2":
		return func(a, _, _ float64) float64 { return exp2(a) }
	case "lg2":
		return func(a, _, _ float64) float64 { return log2(a) }
	case "sin":
		return func(a, _, _ float64) float64 { return sinCos(a, false) }
	case "cos":
		return func(a, _, _ float64) float64 { return sinCos(a, true) }
	case "tanh":
		return func(a, _, _ float64) float64 { return tanh(a) }
	}
	return nil
}

func exp2(a float64) float64 {
	switch {
	case a != a:
		return a
	case a < -200:
		return 0
	case a > 200:
		return math.Inf(1)
	case a == math.Floor(a):
		return math.Ldexp(1, int(a))
	}
	return numeric.Exp64(float64(a * math.Ln2))
}

func log2(a float64) float64 {
	switch {
	case a != a || a < 0:
		return math.NaN()
	case a == 0:
		return math.Inf(-1)
	case math.IsInf(a, 1):
		return a
	}
	if f, e := math.Frexp(a); f == 0.5 {
		return float64(e - 1)
	}
	return numeric.Log64(a) / math.Ln2
}

func sinCos(a float64, cos bool) float64 {
	if a != a || math.Abs(a) >= 1<<20 {
		return math.NaN()
	}
	s, c := numeric.SinCos64(a)
	if cos {
		return c
	}
	return s
}

func tanh(a float64) float64 {
	switch t := math.Abs(a); {
	case a != a:
		return a
	case t > 20:
		return math.Copysign(1, a)
	case t < 1e-4:
		return a - float64(a*a)*a/3
	}
	e := numeric.Exp64(2 * math.Abs(a))
	return math.Copysign((e-1)/(e+1), a)
}
