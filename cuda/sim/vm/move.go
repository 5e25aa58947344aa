package vm

import (
	"math"
	"math/bits"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

func init() {
	register("mov", buildMove)
	register("selp", buildSelect)
	register("setp", buildCompare)
	for _, op := range []string{"membar", "fence", "prefetch", "prefetchu", "nanosleep", "discard"} {
		register(op, func(c *compiler) (instr, error) {
			c.mods = nil
			return instr{run: func(*warp, *instr) {}, class: Control}, nil
		})
	}
}

func buildMove(c *compiler) (instr, error) {
	t, err := c.typ("pred", "b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64")
	if err != nil {
		return instr{}, err
	}
	if err := c.args(2); err != nil {
		return instr{}, err
	}
	if t == "pred" {
		return c.movePred()
	}
	size := ptx.Bits(t)
	if c.in.Args[0].Kind == ptx.VecArg || c.in.Args[1].Kind == ptx.VecArg {
		return c.pack(size)
	}
	in, err := c.build1(size)
	in.class, in.run = Move, move32
	if size == 64 {
		in.run = move64
	}
	return in, err
}

func (c *compiler) movePred() (instr, error) {
	d, _, err := c.pred(c.in.Args[0])
	if err != nil {
		return instr{}, err
	}
	a, not, err := c.predOrConst(c.in.Args[1])
	return instr{class: Compare, run: func(w *warp, _ *instr) { w.setPred(d, w.getPred(a, not)) }}, err
}

// pack builds moves between a register and a vector of its parts.
func (c *compiler) pack(size int) (instr, error) {
	in := instr{class: Move}
	vec, one := c.in.Args[1], c.in.Args[0]
	unpack := c.in.Args[0].Kind == ptx.VecArg
	if unpack {
		vec, one = one, vec
	}
	n := len(vec.Elems)
	if n != 2 && n != 4 || size/n < 16 {
		return in, c.fail("%s: a vector of %d parts", c.full(), n)
	}
	part := size / n
	for _, e := range vec.Elems {
		var r int32
		var err error
		if unpack {
			r, err = c.destArg(e, part)
		} else {
			r, err = c.sourceArg(e, part)
		}
		if err != nil {
			return in, err
		}
		in.regs = append(in.regs, r)
	}
	whole, pt := intType{bytes: size / 8}, intType{bytes: part / 8}
	var err error
	if unpack {
		in.a, err = c.sourceArg(one, size)
		in.run = func(w *warp, in *instr) {
			for m := w.active; m != 0; m &= m - 1 {
				i := bits.TrailingZeros32(m) & 31
				v := w.read(whole, in.a, i)
				for j, r := range in.regs {
					w.write(pt.bytes, r, i, v>>(part*j))
				}
			}
		}
		return in, err
	}
	in.d, err = c.destArg(one, size)
	in.run = func(w *warp, in *instr) {
		for m := w.active; m != 0; m &= m - 1 {
			i := bits.TrailingZeros32(m) & 31
			v := uint64(0)
			for j, r := range in.regs {
				v |= w.read(pt, r, i) << (part * j)
			}
			w.write(whole.bytes, in.d, i, v)
		}
	}
	return in, err
}

func buildSelect(c *compiler) (instr, error) {
	t, err := c.typ("b16", "u16", "s16", "f16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64")
	if err != nil {
		return instr{}, err
	}
	if err := c.args(4); err != nil {
		return instr{}, err
	}
	p, not, err := c.pred(c.in.Args[3])
	if err != nil {
		return instr{}, err
	}
	wide := ptx.Bits(t) == 64
	in := instr{class: Compare}
	if in.d, err = c.dest(0, ptx.Bits(t)); err != nil {
		return in, err
	}
	if in.a, err = c.source(1, ptx.Bits(t)); err != nil {
		return in, err
	}
	in.b, err = c.source(2, ptx.Bits(t))
	in.run = func(w *warp, in *instr) {
		yes := w.getPred(p, not)
		d, a, b := w.out32(in.d), &w.r32[in.a], &w.r32[in.b]
		for i := range d {
			m := -(yes >> i & 1) // all ones or none
			d[i] = a[i]&m | b[i]&^m
		}
		w.done32(in.d, d)
	}
	if wide {
		in.run = func(w *warp, in *instr) {
			yes := w.getPred(p, not)
			d, a, b := w.out64(in.d), &w.r64[in.a], &w.r64[in.b]
			for i := range d {
				m := -uint64(yes >> i & 1)
				d[i] = a[i]&m | b[i]&^m
			}
			w.done64(in.d, d)
		}
	}
	return in, err
}

// comparison is the outcome of a comparison of two floats or integers.
type comparison struct{ lt, eq, gt, nan bool } // which cases hold

var comparisons = map[string]comparison{
	"eq": {eq: true}, "ne": {lt: true, gt: true}, "lt": {lt: true}, "le": {lt: true, eq: true}, "gt": {gt: true}, "ge": {gt: true, eq: true},
	"lo": {lt: true}, "ls": {lt: true, eq: true}, "hi": {gt: true}, "hs": {gt: true, eq: true},
	"equ": {eq: true, nan: true}, "neu": {lt: true, gt: true, nan: true}, "ltu": {lt: true, nan: true}, "leu": {lt: true, eq: true, nan: true},
	"gtu": {gt: true, nan: true}, "geu": {gt: true, eq: true, nan: true}, "num": {lt: true, eq: true, gt: true}, "nan": {nan: true},
}

// buildCompare builds setp: one or two predicates, joined with a third by and, or, xor.
func buildCompare(c *compiler) (instr, error) {
	if len(c.mods) == 0 {
		return instr{}, c.fail("setp wants a comparison")
	}
	cmp, ok := comparisons[c.mods[0]]
	if !ok {
		return instr{}, c.fail("%s: no such comparison", c.full())
	}
	c.mods = c.mods[1:]
	join := c.oneOf("and", "or", "xor")
	ftz := c.take("ftz")
	t, err := c.typ("b16", "u16", "s16", "b32", "u32", "s32", "b64", "u64", "s64", "f32", "f64", "f16", "bf16")
	if err != nil {
		return instr{}, err
	}
	n := 3
	if join != "" {
		n = 4
	}
	if err := c.args(n); err != nil {
		return instr{}, err
	}
	in := instr{class: Compare}
	size := ptx.Bits(t)
	if in.a, err = c.source(1, size); err != nil {
		return in, err
	}
	if in.b, err = c.source(2, size); err != nil {
		return in, err
	}
	test := c.comparer(cmp, t, ftz)
	return c.compareTo(in, test, join)
}

// compareTo ends setp: where the results go.
func (c *compiler) compareTo(in instr, test func(w *warp, in *instr) uint32, join string) (instr, error) {
	yes, no := c.in.Args[0], ptx.Arg{Kind: ptx.SinkArg}
	if yes.Kind == ptx.PairArg {
		yes, no = yes.Elems[0], yes.Elems[1]
	}
	p, _, err := c.pred(yes)
	if err != nil {
		return in, err
	}
	q := int32(-1)
	if no.Kind != ptx.SinkArg {
		if q, _, err = c.pred(no); err != nil {
			return in, err
		}
	}
	r, not := int32(-1), false
	if join != "" {
		if r, not, err = c.predOrConst(c.in.Args[3]); err != nil {
			return in, err
		}
	}
	in.run = func(w *warp, in *instr) {
		v := test(w, in)
		o := ^v
		if r >= 0 {
			z := w.getPred(r, not)
			switch join {
			case "and":
				v, o = v&z, o&z
			case "or":
				v, o = v|z, o|z
			default:
				v, o = v^z, o^z
			}
		}
		w.setPred(p, v)
		if q >= 0 {
			w.setPred(q, o)
		}
	}
	return in, nil
}

// comparer gives the function that compares all lanes.
func (c *compiler) comparer(cmp comparison, t string, ftz bool) func(w *warp, in *instr) uint32 {
	mask := func(yes bool, i int) uint32 {
		if yes {
			return 1 << i
		}
		return 0
	}
	switch {
	case t == "f32" || t == "f64" || t == "f16" || t == "bf16":
		value := floatReader(t, ftz)
		return func(w *warp, in *instr) (out uint32) {
			for i := range lanes {
				x, y := value(w, in.a, i), value(w, in.b, i)
				out |= mask(x < y && cmp.lt || x == y && cmp.eq || x > y && cmp.gt || (x != x || y != y) && cmp.nan, i)
			}
			return out
		}
	case ptx.Bits(t) == 32 && t[0] != 's':
		return func(w *warp, in *instr) (out uint32) {
			a, b := &w.r32[in.a], &w.r32[in.b]
			for i := range a {
				out |= mask(a[i] < b[i] && cmp.lt || a[i] == b[i] && cmp.eq || a[i] > b[i] && cmp.gt, i)
			}
			return out
		}
	case t == "s32":
		return func(w *warp, in *instr) (out uint32) {
			a, b := &w.r32[in.a], &w.r32[in.b]
			for i := range a {
				x, y := int32(a[i]), int32(b[i])
				out |= mask(x < y && cmp.lt || x == y && cmp.eq || x > y && cmp.gt, i)
			}
			return out
		}
	}
	it := intType{ptx.Bits(t) / 8, t[0] == 's'}
	return func(w *warp, in *instr) (out uint32) {
		for i := range lanes {
			x, y := w.read(it, in.a, i), w.read(it, in.b, i)
			out |= mask(it.less(x, y) && cmp.lt || x == y && cmp.eq || it.less(y, x) && cmp.gt, i)
		}
		return out
	}
}

// floatReader gives the function that reads a lane's float as float64, exactly.
func floatReader(t string, ftz bool) func(w *warp, reg int32, lane int) float64 {
	switch t {
	case "f64":
		return func(w *warp, reg int32, lane int) float64 { return math.Float64frombits(w.r64[reg][lane]) }
	case "f16":
		return func(w *warp, reg int32, lane int) float64 { return float64(numeric.FromF16(uint16(w.r32[reg][lane]))) }
	case "bf16":
		return func(w *warp, reg int32, lane int) float64 { return float64(numeric.FromBF16(uint16(w.r32[reg][lane]))) }
	}
	if ftz {
		return func(w *warp, reg int32, lane int) float64 {
			return float64(numeric.FlushSubnormal(math.Float32frombits(w.r32[reg][lane])))
		}
	}
	return func(w *warp, reg int32, lane int) float64 { return float64(math.Float32frombits(w.r32[reg][lane])) }
}
