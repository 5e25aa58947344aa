package vm

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// kernelOf wraps one instruction: a, b, c are loaded as 64-bit words of each thread, d is stored.
func kernelOf(body string) string {
	return `.version 7.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 in, .param .u64 out)
{
	.reg .pred %p<4>;
	.reg .b16 %h<4>;
	.reg .b32 %r<8>;
	.reg .b64 %d<16>;
	ld.param.u64 %d10, [in];
	ld.param.u64 %d11, [out];
	mov.u32 %r7, %tid.x;
	mul.wide.u32 %d12, %r7, 32;
	add.s64 %d13, %d10, %d12;
	ld.global.v2.u64 {%d1, %d2}, [%d13];
	ld.global.u64 %d3, [%d13+16];
	cvt.u32.u64 %r1, %d1;
	cvt.u32.u64 %r2, %d2;
	cvt.u32.u64 %r3, %d3;
	cvt.u16.u64 %h1, %d1;
	cvt.u16.u64 %h2, %d2;
	cvt.u16.u64 %h3, %d3;
	mov.u64 %d0, 0;
	mov.u32 %r0, 0;
	mov.u16 %h0, 0;
	` + body + `
	mul.wide.u32 %d14, %r7, 8;
	add.s64 %d15, %d11, %d14;
	st.global.u64 [%d15], %d0;
	ret;
}`
}

const threads = 256

// each runs a body for operands that hold special cases and random ones, and compares with a Go definition.
func each(t *testing.T, name, body string, want func(a, b, c uint64) uint64) {
	t.Helper()
	mem := NewMemory()
	m, err := Compile(kernelOf(body), mem)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	special := []uint64{0, 1, 2, 3, 31, 32, 33, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 1 << 63, 1<<63 - 1, ^uint64(0),
		0x3f800000, 0xbf800000, 0x7f800000, 0x7fc00000, 0x00000001, 0x33800000, 0x3c00, 0x7bff, 0x7c00, 0x0400, 0x3ff0000000000000, 0x7ff0000000000000}
	r := random{uint64(len(name))}
	operand := func() uint64 {
		switch n := r.next(); n % 4 {
		case 0:
			return special[n>>8%uint64(len(special))]
		case 1: // an fp32 number of middling size, and one below it
			return uint64(math.Float32bits(float32(int32(n>>32))/float32(1<<20))) | n<<32
		case 2:
			return n >> 8 & 63
		}
		return r.next()
	}
	in := mem.Alloc(threads*32, "in")
	args := make([][3]uint64, threads)
	for i := range args {
		for j := range 3 {
			args[i][j] = operand()
			binary.LittleEndian.PutUint64(in.Data[32*i+8*j:], args[i][j])
		}
	}
	in.Mark(0, threads*32, true)
	out := mem.Alloc(threads*8, "out")
	l := &Launch{Kernel: m.Kernels["k"], Grid: [3]int{1, 1, 1}, Block: [3]int{threads, 1, 1}, Args: []uint64{in.Base, out.Base}}
	if err := Run(mem, l, &Config{Checks: Full}, &Counters{}); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	for i, a := range args {
		have := binary.LittleEndian.Uint64(out.Data[8*i:])
		if w := want(a[0], a[1], a[2]); have != w {
			t.Errorf("%s of %#x %#x %#x = %#x, want %#x", name, a[0], a[1], a[2], have, w)
			return
		}
	}
}

func TestIntegers(t *testing.T) {
	u := func(f func(a, b, c uint32) uint32) func(a, b, c uint64) uint64 {
		return func(a, b, c uint64) uint64 { return uint64(f(uint32(a), uint32(b), uint32(c))) }
	}
	const store = "\n cvt.u64.u32 %d0, %r0;"
	for _, c := range []struct {
		op   string
		want func(a, b, c uint32) uint32
	}{
		{"add.s32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a + b }},
		{"sub.s32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a - b }},
		{"mul.lo.s32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a * b }},
		{"mul.hi.u32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { h, _ := bits.Mul32(a, b); return h }},
		{"mul.hi.s32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return uint32(int64(int32(a)) * int64(int32(b)) >> 32) }},
		{"mad.lo.s32 %r0, %r1, %r2, %r3;", func(a, b, c uint32) uint32 { return a*b + c }},
		{"max.s32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return uint32(max(int32(a), int32(b))) }},
		{"min.u32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return min(a, b) }},
		{"or.b32 %r2, %r2, 1; div.s32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return uint32(int64(int32(a)) / int64(int32(b|1))) }},
		{"or.b32 %r2, %r2, 1; rem.u32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a % (b | 1) }},
		{"neg.s32 %r0, %r1;", func(a, _, _ uint32) uint32 { return -a }},
		{"abs.s32 %r0, %r1;", func(a, _, _ uint32) uint32 { return uint32(max(int32(a), -int32(a))) }},
		{"and.b32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a & b }},
		{"or.b32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a | b }},
		{"xor.b32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a ^ b }},
		{"not.b32 %r0, %r1;", func(a, _, _ uint32) uint32 { return ^a }},
		{"shl.b32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a << b }},
		{"shr.u32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return a >> b }},
		{"shr.s32 %r0, %r1, %r2;", func(a, b, _ uint32) uint32 { return uint32(int32(a) >> b) }},
		{"bfe.u32 %r0, %r1, 5, 9;", func(a, _, _ uint32) uint32 { return a >> 5 & 511 }},
		{"bfe.s32 %r0, %r1, 5, 9;", func(a, _, _ uint32) uint32 { return uint32(int32(a<<18) >> 23) }},
		{"bfi.b32 %r0, %r1, %r2, 8, 12;", func(a, b, _ uint32) uint32 { return b&^0xfff00 | a<<8&0xfff00 }},
		{"popc.b32 %r0, %r1;", func(a, _, _ uint32) uint32 { return uint32(bits.OnesCount32(a)) }},
		{"clz.b32 %r0, %r1;", func(a, _, _ uint32) uint32 { return uint32(bits.LeadingZeros32(a)) }},
		{"brev.b32 %r0, %r1;", func(a, _, _ uint32) uint32 { return bits.Reverse32(a) }},
		{"prmt.b32 %r0, %r1, %r2, 0x3210;", func(a, _, _ uint32) uint32 { return a }},
		{"prmt.b32 %r0, %r1, %r2, 0x0167;", func(a, b, _ uint32) uint32 { return b>>24 | b>>16&255<<8 | a>>8&255<<16 | a<<24 }},
		{"lop3.b32 %r0, %r1, %r2, %r3, 0xe8;", func(a, b, c uint32) uint32 { return a&b | a&c | b&c }},
		{"shf.l.wrap.b32 %r0, %r1, %r2, %r3;", func(a, b, c uint32) uint32 { return uint32((uint64(b)<<32 | uint64(a)) << (c & 31) >> 32) }},
		{"setp.lt.s32 %p1, %r1, %r2; selp.b32 %r0, %r1, %r2, %p1;", func(a, b, _ uint32) uint32 { return uint32(min(int32(a), int32(b))) }},
		{"setp.hi.u32 %p1, %r1, %r2; @%p1 mov.u32 %r0, %r3; @!%p1 mov.u32 %r0, 7;", func(a, b, c uint32) uint32 {
			if a > b {
				return c
			}
			return 7
		}},
		{"setp.eq.s32 %p1|%p2, %r1, %r2; setp.ne.and.s32 %p3, %r1, 0, %p2; selp.b32 %r0, 1, 0, %p3;", func(a, b, _ uint32) uint32 {
			if a != b && a != 0 {
				return 1
			}
			return 0
		}},
		{"add.s16 %h0, %h1, %h2; cvt.s32.s16 %r0, %h0;", func(a, b, _ uint32) uint32 { return uint32(int32(int16(a + b))) }},
		{"mov.b32 %r0, {%h1, %h2};", func(a, b, _ uint32) uint32 { return a&0xffff | b<<16 }},
		{"mov.b32 {%h1, %h2}, %r1; mov.b32 %r0, {%h2, %h1};", func(a, _, _ uint32) uint32 { return a>>16 | a<<16 }},
		{"cvt.sat.u8.s32 %r0, %r1;", func(a, _, _ uint32) uint32 { return uint32(min(max(int32(a), 0), 255)) }},
		{"cvt.u32.u8 %r0, %r1;", func(a, _, _ uint32) uint32 { return a & 255 }},
	} {
		each(t, c.op, c.op+store, u(c.want))
	}
	for op, want := range map[string]func(a, b, c uint64) uint64{
		"add.s64 %d0, %d1, %d2;":           func(a, b, _ uint64) uint64 { return a + b },
		"mul.lo.s64 %d0, %d1, %d2;":        func(a, b, _ uint64) uint64 { return a * b },
		"mul.hi.u64 %d0, %d1, %d2;":        func(a, b, _ uint64) uint64 { h, _ := bits.Mul64(a, b); return h },
		"mul.wide.s32 %d0, %r1, %r2;":      func(a, b, _ uint64) uint64 { return uint64(int64(int32(a)) * int64(int32(b))) },
		"mul.wide.u32 %d0, %r1, %r2;":      func(a, b, _ uint64) uint64 { return uint64(uint32(a)) * uint64(uint32(b)) },
		"mad.wide.s32 %d0, %r1, %r2, %d3;": func(a, b, c uint64) uint64 { return uint64(int64(int32(a))*int64(int32(b))) + c },
		"shl.b64 %d0, %d1, %r2;":           func(a, b, _ uint64) uint64 { return a << uint32(b) },
		"shr.s64 %d0, %d1, %r2;":           func(a, b, _ uint64) uint64 { return uint64(int64(a) >> uint32(b)) },
		"cvt.s64.s32 %d0, %r1;":            func(a, _, _ uint64) uint64 { return uint64(int64(int32(a))) },
		"mov.b64 %d0, {%r2, %r1};":         func(a, b, _ uint64) uint64 { return a<<32 | uint64(uint32(b)) },
		"not.b64 %d0, %d1;":                func(a, _, _ uint64) uint64 { return ^a },
		"max.s64 %d0, %d1, %d2;":           func(a, b, _ uint64) uint64 { return uint64(max(int64(a), int64(b))) },
		"bfe.s64 %d0, %d1, 60, 4;":         func(a, _, _ uint64) uint64 { return uint64(int64(a) >> 60) },
	} {
		each(t, op, op, want)
	}
}

// exactFMA is a*b + c rounded once, by big arithmetic; for finite operands.
func exactFMA(a, b, c float32) float32 {
	x := new(big.Float).SetPrec(2000).Mul(big.NewFloat(float64(a)).SetPrec(2000), big.NewFloat(float64(b)).SetPrec(2000))
	x.Add(x, big.NewFloat(float64(c)).SetPrec(2000))
	if x.Sign() == 0 {
		return float32(float64(a)*float64(b) + float64(c)) // the sign of zero
	}
	v, _ := x.Float32()
	return v
}

func finite(x ...float32) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

func TestFloats(t *testing.T) {
	f := func(x uint64) float32 { return math.Float32frombits(uint32(x)) }
	bit := func(x float32) uint64 {
		if x != x {
			return 0x7fffffff
		}
		return uint64(math.Float32bits(x))
	}
	flush := numeric.FlushSubnormal
	const store = "\n cvt.u64.u32 %d0, %r0;"
	for op, want := range map[string]func(a, b, c float32) float32{
		"add.rn.f32 %r0, %r1, %r2;":  func(a, b, _ float32) float32 { return a + b },
		"sub.f32 %r0, %r1, %r2;":     func(a, b, _ float32) float32 { return a - b },
		"mul.rn.f32 %r0, %r1, %r2;":  func(a, b, _ float32) float32 { return a * b },
		"mul.ftz.f32 %r0, %r1, %r2;": func(a, b, _ float32) float32 { return flush(flush(a) * flush(b)) },
		"div.rn.f32 %r0, %r1, %r2;":  func(a, b, _ float32) float32 { return a / b },
		"rcp.rn.f32 %r0, %r1;":       func(a, _, _ float32) float32 { return 1 / a },
		"sqrt.rn.f32 %r0, %r1;":      func(a, _, _ float32) float32 { return numeric.Sqrt(a) },
		"neg.f32 %r0, %r1;":          func(a, _, _ float32) float32 { return -a },
		"abs.f32 %r0, %r1;":          func(a, _, _ float32) float32 { return max(a, -a) },
		"cvt.rni.f32.f32 %r0, %r1;":  func(a, _, _ float32) float32 { return float32(math.RoundToEven(float64(a))) },
		"add.sat.f32 %r0, %r1, %r2;": func(a, b, _ float32) float32 { return saturated(a + b) },
		"max.NaN.f32 %r0, %r1, %r2;": func(a, b, _ float32) float32 { return max(a, b) },
		"copysign.f32 %r0, %r1, %r2;": func(a, b, _ float32) float32 {
			return math.Float32frombits(math.Float32bits(b)&^(1<<31) | math.Float32bits(a)&(1<<31))
		},
		"fma.rn.f32 %r0, %r1, %r2, %r3;": func(a, b, c float32) float32 {
			if !finite(a, b, c) {
				return float32(float64(a)*float64(b) + float64(c))
			}
			return exactFMA(a, b, c)
		},
		"fma.rn.ftz.f32 %r0, %r1, %r2, %r3;": func(a, b, c float32) float32 { return flush(numeric.FMA(flush(a), flush(b), flush(c))) },
	} {
		each(t, op, op+store, func(a, b, c uint64) uint64 { return bit(want(f(a), f(b), f(c))) })
	}
	for op, want := range map[string]func(a uint64) uint64{
		"cvt.rzi.s32.f32 %r0, %r1;": func(a uint64) uint64 { return uint64(uint32(saturatedInt(math.Trunc(float64(f(a)))))) },
		"cvt.rni.s32.f32 %r0, %r1;": func(a uint64) uint64 { return uint64(uint32(saturatedInt(math.RoundToEven(float64(f(a)))))) },
		"cvt.rn.f32.s32 %r0, %r1;":  func(a uint64) uint64 { return bit(float32(int32(a))) },
		"cvt.rn.f32.u32 %r0, %r1;":  func(a uint64) uint64 { return bit(float32(uint32(a))) },
		"cvt.rn.f32.u64 %r0, %d1;":  func(a uint64) uint64 { return bit(float32(a)) },
		"cvt.rn.f32.s64 %r0, %d1;":  func(a uint64) uint64 { return bit(float32(int64(a))) },
		"cvt.f32.f16 %r0, %h1;":     func(a uint64) uint64 { return bit(numeric.FromF16(uint16(a))) },
		"cvt.rn.f32.f64 %r0, %d1;":  func(a uint64) uint64 { return bit(float32(math.Float64frombits(a))) },
	} {
		each(t, op, op+store, func(a, _, _ uint64) uint64 { return want(a) })
	}
}

func saturated(x float32) float32 {
	if x != x {
		return 0
	}
	return min(max(x, 0), 1)
}

func saturatedInt(x float64) int32 {
	if x != x {
		return 0
	}
	return int32(min(max(x, math.MinInt32), math.MaxInt32))
}

// nearest16 finds by search the 16-bit number nearest to v; of two, the one whose last bit is 0.
func nearest16(v float64, widen func(uint16) float32, inf uint16) uint16 {
	sign := uint16(0)
	if math.Signbit(v) {
		sign, v = 1<<15, -v
	}
	low, high := uint16(0), inf
	for high-low > 1 {
		if mid := (low + high) / 2; float64(widen(mid)) <= v {
			low = mid
		} else {
			high = mid
		}
	}
	below, above := float64(widen(low)), float64(widen(high))
	if high == inf { // as if the exponent went on
		above = 2*below - float64(widen(low-1))
	}
	if math.IsInf(v, 0) || v-below > above-v || v-below == above-v && low&1 == 1 {
		low = high
	}
	return sign | low
}

func TestSmallFloats(t *testing.T) {
	for _, c := range []struct {
		name          string
		fraction, exp int
		inf           uint16
		widen         func(uint16) float32
	}{{"f16", 10, 15, 0x7c00, numeric.FromF16}, {"bf16", 7, 127, 0x7f80, numeric.FromBF16}} {
		r := random{5}
		for i := range 200000 {
			v := float64(math.Float32frombits(uint32(r.next())))
			switch i % 4 {
			case 0: // half way between two numbers
				n := uint16(r.next() % uint64(c.inf-1))
				v = (float64(c.widen(n)) + float64(c.widen(n+1))) / 2
			case 1:
				v = float64(c.widen(uint16(r.next()%uint64(c.inf)))) * (1 + float64(int64(r.next()))/math.MaxInt64/1000)
			}
			if v != v {
				continue
			}
			if have, want := roundSmall(v, c.fraction, c.exp, "rn"), nearest16(v, c.widen, c.inf); have != want {
				t.Fatalf("%g as %s = %#x, want %#x", v, c.name, have, want)
			}
		}
		for n := range c.inf {
			if have := roundSmall(float64(c.widen(n)), c.fraction, c.exp, "rn"); have != n {
				t.Fatalf("%s %#x does not come back: %#x", c.name, n, have)
			}
		}
	}
	const store = "\n cvt.u64.u32 %d0, %r0;"
	f16 := func(x uint64) float64 { return float64(numeric.FromF16(uint16(x))) }
	half := func(v float64) uint64 {
		if v != v {
			return 0x7fff
		}
		return uint64(nearest16(v, numeric.FromF16, 0x7c00))
	}
	each(t, "add.f16", "add.f16 %h0, %h1, %h2; cvt.u32.u16 %r0, %h0;"+store, func(a, b, _ uint64) uint64 { return half(f16(a) + f16(b)) })
	each(t, "mul.f16x2", "mul.f16x2 %r0, %r1, %r2;"+store, func(a, b, _ uint64) uint64 {
		return half(f16(a)*f16(b)) | half(f16(a>>16)*f16(b>>16))<<16
	})
	each(t, "cvt.rn.f16x2.f32", "cvt.rn.f16x2.f32 %r0, %r1, %r2;"+store, func(a, b, _ uint64) uint64 {
		return half(float64(math.Float32frombits(uint32(a))))<<16 | half(float64(math.Float32frombits(uint32(b))))
	})
}

func TestApproximations(t *testing.T) {
	for op, f := range map[string]func(float64) float64{"ex2": math.Exp2, "lg2": math.Log2, "sin": math.Sin, "cos": math.Cos, "tanh": math.Tanh} {
		g := floatKind{op: op, typ: "f32"}.function()
		for x := -30.0; x < 30; x += 0.00371 {
			have, want := g(x, 0, 0), f(x)
			if have != have && want != want {
				continue
			}
			if math.Abs(have-want) > 1e-12*math.Max(1, math.Abs(want)) {
				t.Fatalf("%s(%g) = %g, want %g", op, x, have, want)
			}
		}
	}
}

func TestExchange(t *testing.T) {
	const store = "\n cvt.u64.u32 %d0, %r0;"
	for i, op := range []string{"shfl.sync.bfly.b32 %r0, %r7, 5, 31, -1;", "shfl.sync.down.b32 %r0, %r7, 3, 31, -1;", "shfl.sync.up.b32 %r0, %r7, 3, 0, -1;",
		"shfl.sync.idx.b32 %r0, %r7, 9, 31, -1;", "shfl.sync.idx.b32 %r0, %r7, 9, 0x181f, -1;"} {
		lane := -1
		each(t, op, op+store, func(_, _, _ uint64) uint64 {
			lane++
			l, base := lane%32, lane/32*32
			from := []int{l ^ 5, l + 3, l - 3, 9, l&24 | 9&7}[i]
			if from < 0 || from > 31 {
				from = l
			}
			return uint64(base + from)
		})
	}
	each(t, "ballot", "and.b32 %r1, %r7, 3; setp.eq.s32 %p1, %r1, 1; vote.sync.ballot.b32 %r0, %p1, -1;"+store, func(_, _, _ uint64) uint64 { return 0x22222222 })
	each(t, "redux", "redux.sync.add.s32 %r0, %r7, -1; rem.u32 %r0, %r0, 1024;"+store, func() func(_, _, _ uint64) uint64 {
		n := -1
		return func(_, _, _ uint64) uint64 { n++; return uint64((n/32*32*32 + 496) % 1024) }
	}())
}

// TestAmpere has sums whose result tells the model from others.
func TestAmpere(t *testing.T) {
	dot := func(c float32, products ...float32) float32 {
		var a, b [8]float64
		var ea, eb [8]int32
		for i := range a {
			x := float32(0)
			if i < len(products) {
				x = products[i]
			}
			a[i], b[i] = float64(x), 1
			ea[i], eb[i] = exponent(x, -14), 0
		}
		return dotAmpere(&a, &b, &ea, &eb, c)
	}
	for _, c := range []struct {
		have, want float32
		what       string
	}{
		{dot(1, 0x1p-24, 0x1p-24), 1 + 0x1p-23, "24 bits of fraction are kept while adding"},
		{dot(1, 0x1p-25, 0x1p-25, 0x1p-25, 0x1p-25), 1, "what lies below is cut, though it would add up"},
		{dot(1, 0x1p-24), 1, "the result is cut"},
		{dot(-1, -0x1p-24), -1, "toward zero, not down"},
		{dot(0x1p14, -0x1p14, 0x1p-11), 0, "relative to the greatest operand, not to the sum"},
		{dot(0, 3, 4), 7, "whole numbers are exact"},
	} {
		if c.have != c.want {
			t.Errorf("%g, want %g: %s", c.have, c.want, c.what)
		}
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(kernelOf("add.s32 %r0, %r1, %r2;"))
	f.Add(kernelOf("{ .reg .b32 t; L: mov.b32 t, 1; @%p1 bra L; }"))
	f.Add(read(f, "pointwise.ptx"))
	f.Add(".version 7.0\n.target sm_80\n.global .align 4 .b32 x[4] = {1, 2};\n.extern .shared .align 16 .b8 s[];")
	f.Fuzz(func(t *testing.T, text string) {
		mem := NewMemory()
		m, err := Compile(text, mem)
		if err != nil {
			return
		}
		for _, k := range m.Kernels {
			l := &Launch{Kernel: k, Grid: [3]int{1, 1, 1}, Block: [3]int{33, 1, 1}, Args: make([]uint64, k.Params)}
			if err := Run(mem, l, &Config{Checks: Full, Limit: 1000}, &Counters{}); err != nil {
				if _, ok := IsFault(err); !ok && l.Validate() == nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestErrorsNameTheLine(t *testing.T) {
	for body, line := range map[string]int{"add.f12 %r0, %r1, %r2;": 26, "\n add.s32 %r0, %r1;": 27, "wgmma %r0;": 26, "mov.u32 %r0, %nothing;": 26, "bra NOWHERE;": 26,
		"add.s32 %r0, %d1, %r2;": 26, "ld.global.v4.u64 {%d0, %d1, %d2, %d3}, [%d1];": 26} {
		_, err := Compile(kernelOf(body), NewMemory())
		if want := fmt.Sprintf("ptx line %d:", line); err == nil || len(err.Error()) < len(want) || err.Error()[:len(want)] != want {
			t.Errorf("%q: %v, want %s", body, err, want)
		}
	}
}
