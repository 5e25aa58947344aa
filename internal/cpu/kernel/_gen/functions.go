package main

import "fmt"

// The functions below follow those of package numeric step by step. Each takes registers of
// operands and leaves its result in the first; free registers are Y8..Y14.

// functions writes the pointwise functions.
func functions(a *asm) {
	unary := func(name string, f func(a *asm)) {
		name += suffix()
		a.func_("func "+name+"(dst, x *float32, n int)", name, 0, 24)
		a.op("MOVQ", arg("dst", 0), "DI")
		a.op("MOVQ", arg("x", 8), "SI")
		a.op("MOVQ", arg("n", 16), "CX")
		a.elements("", "CX", []string{"SI", "DI"}, func(tail bool) {
			a.get(tail, "(SI)", y(0))
			f(a)
			a.put(tail, y(0), "(DI)")
		})
		a.end()
	}
	if !wide {
		pairs(a)
		pairLinesAVX2(a)
		lineWordsAVX2(a)
	}
	unary("silu", func(a *asm) {
		a.xor(y(0), bits(1<<31), y(1))
		a.exp(y(1))
		a.add(y(1), num(1), y(1))
		a.div(y(0), y(1), y(0))
	})
	unary("quickGELU", func(a *asm) {
		a.mul(y(0), num(1.702), y(1))
		a.xor(y(1), bits(1<<31), y(1))
		a.exp(y(1))
		a.add(y(1), num(1), y(1))
		a.div(y(0), y(1), y(0))
	})
	unary("gelu", func(a *asm) { a.gelu(y(0)) })

	binary := func(name string, f func(a *asm)) {
		name += suffix()
		a.func_("func "+name+"(dst, x, y *float32, n int)", name, 0, 32)
		a.op("MOVQ", arg("dst", 0), "DI")
		a.op("MOVQ", arg("x", 8), "SI")
		a.op("MOVQ", arg("y", 16), "DX")
		a.op("MOVQ", arg("n", 24), "CX")
		a.elements("", "CX", []string{"SI", "DI", "DX"}, func(tail bool) {
			a.get(tail, "(DX)", y(0))
			a.get(tail, "(SI)", y(7))
			f(a)
			a.put(tail, y(0), "(DI)")
		})
		a.end()
	}
	binary("add", func(a *asm) { a.add(y(7), y(0), y(0)) })
	binary("mulGELU", func(a *asm) {
		a.gelu(y(0))
		a.mul(y(7), y(0), y(0))
	})
	softmax(a)
}

// pairs writes the making of words of two channels.
func pairs(a *asm) {
	a.func_("func pairsAVX2(dst, x *float32, n int)", "pairsAVX2", 0, 24)
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("n", 16), "CX")
	a.label("loop")
	a.load("(SI)", y(0))
	a.load("32(SI)", y(1))
	a.roundBF16(y(0))
	a.roundBF16(y(1))
	a.op("VSHUFPS", imm(0x88), y(1), y(0), y(2)) // even channels, the halves of both operands interleaved
	a.op("VSHUFPS", imm(0xdd), y(1), y(0), y(3))
	a.op("VPSRLD", imm(16), y(2), y(2))
	a.or(y(2), y(3), y(2))
	a.op("VPERMQ", imm(0xd8), y(2), y(2))
	a.load(y(2), "(DI)")
	a.op("ADDQ", imm(64), "SI")
	a.op("ADDQ", imm(32), "DI")
	a.op("SUBQ", imm(8), "CX")
	a.op("JNZ", "loop")
	a.end()

	a.func_("func pairRowsAVX2(dst, x, y *float32, n int)", "pairRowsAVX2", 0, 32)
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("y", 16), "DX")
	a.op("MOVQ", arg("n", 24), "CX")
	a.elements("", "CX", []string{"SI", "DI", "DX"}, func(tail bool) {
		a.get(tail, "(SI)", y(0))
		a.get(tail, "(DX)", y(1))
		a.roundBF16(y(0))
		a.roundBF16(y(1))
		a.op("VPSRLD", imm(16), y(0), y(0))
		a.or(y(0), y(1), y(0))
		a.put(tail, y(0), "(DI)")
	})
	a.end()
}

// pairLinesAVX2 writes the making of words of lines.
func pairLinesAVX2(a *asm) {
	a.func_("func pairLinesAVX2(dst, x *float32, step, pairs int)", "pairLinesAVX2", 0, 32)
	pairLines(a, func() {
		for h := range nr / 8 {
			a.load(mem(32*h, "SI"), y(0))
			a.load(fmt.Sprintf("%d(SI)(BX*1)", 32*h), y(1))
			a.roundBF16(y(0))
			a.roundBF16(y(1))
			a.op("VPSRLD", imm(16), y(0), y(0))
			a.or(y(0), y(1), y(0))
			a.load(y(0), mem(32*h, "DI"))
		}
	}, func() {})
}

// lineWords writes the making of words of lines that are words of neighbours.
func lineWordsAVX2(a *asm) {
	a.func_("func lineWordsAVX2(dst, x *float32, step, pairs int)", "lineWordsAVX2", 0, 32)
	pairLines(a, func() {
		for h := range nr / 16 {
			a.load(mem(32*h, "SI"), y(0))
			a.load(fmt.Sprintf("%d(SI)(BX*1)", 32*h), y(1))
			a.op("VPUNPCKLWD", y(1), y(0), y(2)) // channels 0..3 and 8..11 of both
			a.op("VPUNPCKHWD", y(1), y(0), y(3))
			a.op("VPERM2F128", imm(0x20), y(3), y(2), y(4))
			a.op("VPERM2F128", imm(0x31), y(3), y(2), y(5))
			a.load(y(4), mem(64*h, "DI"))
			a.load(y(5), mem(64*h+32, "DI"))
		}
	}, func() {})
}

// roundBF16 is numeric.RoundBF16.
func (a *asm) roundBF16(v string) {
	t, r, m := y(8), y(9), y(10)
	a.op("VPSRLD", imm(16), v, t)
	a.op("VPAND", bits(1), t, t)
	a.op("VPADDD", bits(0x7fff), t, t)
	a.op("VPADDD", v, t, r)
	a.and(r, bits(0xffff0000), r)
	a.and(v, bits(0x7f800000), m)
	a.load(bits(64<<23), t)
	a.op("VPCMPGTD", m, t, m) // the exponent is below that of 2^-63
	a.and(v, bits(1<<31), t)
	a.choose(m, t, r)
	a.compare(unordered, v, v, m)
	a.and(v, bits(0xffff0000), t)
	a.or(t, bits(0x00400000), t)
	a.choose(m, t, r)
	a.load(r, v)
}

// power finishes an exponential: v's result is the polynomial p times 2^n, +0 where v is below low
// or the result below 2^-126, infinite above high, v where v is NaN. It spoils n and one more.
func (a *asm) power(v, p, n, t string, low, high float32) {
	a.op("VCVTPS2DQ", n, n)
	a.op("VPSRAD", imm(1), n, t)
	a.op("VPSUBD", t, n, n)
	a.op("VPADDD", bits(127), t, t)
	a.op("VPSLLD", imm(23), t, t)
	a.mul(p, t, p)
	a.op("VPADDD", bits(127), n, n)
	a.op("VPSLLD", imm(23), n, n)
	a.mul(p, n, p)
	a.compare(greaterOrEqual, p, num(0x1p-126), t)
	a.keep(t, p)
	a.compare(greaterOrEqual, v, num(low), t)
	a.keep(t, p)
	a.compare(greaterThan, v, num(high), t)
	a.load(bits(0x7f800000), n)
	a.choose(t, n, p)
	a.compare(unordered, v, v, t)
	a.choose(t, v, p)
	a.load(p, v)
}

const roundMagic = 3 << 22 // numeric.rint

// exp2 is numeric.Exp2.
func (a *asm) exp2(v string) {
	n, f, p, t := y(8), y(9), y(10), y(11)
	a.add(v, num(roundMagic), n)
	a.sub(n, num(roundMagic), n)
	a.sub(v, n, f)
	a.load(num(exp2Coefficients[0]), p)
	for _, c := range exp2Coefficients[1:] {
		a.horner(p, f, num(c))
	}
	a.power(v, p, n, t, -126, 128)
}

// exp is numeric.Exp.
func (a *asm) exp(v string) {
	n, f, p, t := y(8), y(9), y(10), y(11)
	a.mul(v, num(1.44269504), n)
	a.add(n, num(roundMagic), n)
	a.sub(n, num(roundMagic), n)
	a.load(v, f)
	a.addMul(n, num(-0.693359375), f)
	a.addMul(n, num(2.12194440e-4), f)
	a.load(num(0.0013843653723597527), p)
	for _, c := range []float32{0.00837415549904108, 0.04166800156235695, 0.16666431725025177, 0.4999999403953552, 1, 1} {
		a.horner(p, f, num(c))
	}
	a.power(v, p, n, t, -87.33654, 88.72283)
}

// erf is numeric.Erf, both polynomials and a choice; it also spoils Y3..Y6.
func (a *asm) erf(v string) {
	t, s, r, u := y(3), y(4), y(5), y(6)
	a.and(v, bits(1<<31-1), t)
	a.mul(v, v, s)
	a.load(num(-5.96761703e-4), y(12)) // the polynomial near zero
	for _, c := range []float32{4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1} {
		a.horner(y(12), s, num(c))
	}
	a.horner(y(12), v, v)
	a.compare(greaterThan, t, num(0.921875), y(13))
	a.op("VMINPS", num(4), t, t)
	a.op("VMINPS", num(16), s, s)
	a.load(num(-1.72853470e-5), r)
	a.horner(r, t, num(3.83197126e-4))
	a.load(num(-3.88396438e-3), u)
	a.horner(u, t, num(2.42546219e-2))
	a.horner(r, s, u)
	a.horner(r, t, num(-1.06777877e-1))
	a.horner(r, t, num(-6.34846687e-1))
	a.horner(r, t, num(-1.28717512e-1))
	a.op("VFMSUB213PS", t, t, r)
	a.exp(r)
	a.load(num(1), u)
	a.sub(u, r, r)
	a.and(v, bits(1<<31), u)
	a.or(r, u, r)
	a.choose(y(13), r, y(12))
	a.load(y(12), v)
}

// gelu is numeric.GELU; it also spoils Y1..Y6.
func (a *asm) gelu(v string) {
	e, h := y(1), y(2)
	a.mul(v, num(0.70710678), e)
	a.mul(v, num(0.5), h)
	a.erf(e)
	a.add(e, num(1), e)
	a.mul(h, e, v)
}

// softmax writes the two passes over a block of scores, and the division at the end.
func softmax(a *asm) {
	a.func_("func divide"+suffix()+"(o *float32, n int, l float32)", "divide"+suffix(), 0, 20)
	a.op("MOVQ", arg("o", 0), "SI")
	a.op("MOVQ", arg("n", 8), "CX")
	a.op("VBROADCASTSS", arg("l", 16), y(1))
	a.elements("", "CX", []string{"SI"}, func(tail bool) {
		a.get(tail, "(SI)", y(0))
		a.div(y(0), y(1), y(0))
		a.put(tail, y(0), "(SI)")
	})
	a.end()

	a.func_("func scaleMax"+suffix()+"(s *float32, n int, scale float32) float32", "scaleMax"+suffix(), 0, 28)
	a.op("MOVQ", arg("s", 0), "SI")
	a.op("MOVQ", arg("n", 8), "CX")
	a.op("VBROADCASTSS", arg("scale", 16), y(1))
	a.load(bits(0xff800000), y(2)) // maxima
	a.noNaN()
	a.elements("", "CX", []string{"SI"}, func(tail bool) {
		a.get(tail, "(SI)", y(0))
		a.mul(y(0), y(1), y(0))
		a.put(tail, y(0), "(SI)")
		a.addNaN(tail)
		if tail { // lanes beyond the end are no candidates
			a.load(bits(0xff800000), y(5))
			a.choose(y(15), y(0), y(5))
			a.load(y(5), y(0))
		}
		a.op("VMAXPS", y(2), y(0), y(2))
	})
	a.halve("VMAXPS", 2, 4)
	a.op("VMOVHLPS", x(2), x(2), x(4))
	a.op("VMAXPS", x(4), x(2), x(2))
	a.op("VMOVSHDUP", x(2), x(4))
	a.op("VMAXPS", x(4), x(2), x(2))
	a.op(map[bool]string{false: "VMOVMSKPS", true: "KMOVW"}[wide], mask(y(3)), "AX")
	a.op("TESTL", "AX", "AX")
	a.op("JEQ", "numbers")
	a.load(bits(0x7fc00000), y(2))
	a.label("numbers")
	a.op("VMOVSS", x(2), arg("ret", 24))
	a.end()

	a.func_("func exp2Sum"+suffix()+"(s *float32, n int, top float32) float32", "exp2Sum"+suffix(), 0, 28)
	a.op("MOVQ", arg("s", 0), "SI")
	a.op("MOVQ", arg("n", 8), "CX")
	a.op("VBROADCASTSS", arg("top", 16), y(1))
	if !wide {
		weightConstants(a)
	}
	a.lanes("SI", "CX", func(tail bool, sum string) {
		a.get(tail, "(SI)", y(0))
		a.sub(y(0), y(1), y(0))
		if wide {
			a.exp2(y(0))
		} else {
			a.weight(y(0))
		}
		a.put(tail, y(0), "(SI)")
		if tail {
			a.keep(y(15), y(0))
		}
		a.add(sum, y(0), sum)
	})
	a.op("VMOVSS", x(2), arg("ret", 24))
	a.end()
	if !wide {
		exp2Words(a)
	}
}

// lanes writes a reduction in 16 lanes, Z2 or Y2 and Y3, joined at the end in X2. body adds one
// vector to sum; in a tail it adds +0 in the lanes beyond the end.
func (a *asm) lanes(pointer, count string, body func(tail bool, sum string)) {
	a.xor(y(2), y(2), y(2))
	if wide {
		a.elements("", count, []string{pointer}, func(tail bool) { body(tail, y(2)) })
		a.joinLanes()
		return
	}
	a.xor(y(3), y(3), y(3))
	a.op("SUBQ", imm(16), count)
	a.op("JLT", "lane8")
	a.label("lane16loop")
	body(false, y(2))
	a.op("ADDQ", imm(32), pointer)
	body(false, y(3))
	a.op("ADDQ", imm(32), pointer)
	a.op("SUBQ", imm(16), count)
	a.op("JGE", "lane16loop")
	a.label("lane8")
	a.op("ADDQ", imm(16), count)
	a.op("JEQ", "join")
	a.op("CMPQ", count, imm(8))
	a.op("JLT", "low")
	body(false, y(2))
	a.op("ADDQ", imm(32), pointer)
	a.op("SUBQ", imm(8), count)
	a.op("JEQ", "join")
	a.tailMask(count, y(15))
	body(true, y(3))
	a.op("JMP", "join")
	a.label("low")
	a.tailMask(count, y(15))
	body(true, y(2))
	a.label("join")
	a.add(y(2), y(3), y(2))
	a.joinLanes()
}

// joinLanes adds the parts of a vector of sums, Y2, to X2.
func (a *asm) joinLanes() {
	a.halve("VADDPS", 2, 3)
	a.op("VMOVHLPS", x(2), x(2), x(3))
	a.op("VADDPS", x(3), x(2), x(2))
	a.op("VMOVSHDUP", x(2), x(3))
	a.op("VADDSS", x(3), x(2), x(2))
}

// halve joins the upper parts of register v to the lowest quarter or half by f; it spoils t.
func (a *asm) halve(f string, v, t int) {
	if wide {
		a.op("VEXTRACTF64X4", imm(1), z(v), fmt.Sprintf("Y%d", t))
		a.op(f, fmt.Sprintf("Y%d", t), fmt.Sprintf("Y%d", v), fmt.Sprintf("Y%d", v))
	}
	a.op("VEXTRACTF128", imm(1), fmt.Sprintf("Y%d", v), x(t))
	a.op(f, x(t), x(v), x(v))
}

// noNaN and addNaN keep in Y3, or the mask in its place, where Y0 was NaN; they spoil Y4.
func (a *asm) noNaN() {
	if wide {
		a.op("KXORW", mask(y(3)), mask(y(3)), mask(y(3)))
		return
	}
	a.xor(y(3), y(3), y(3))
}

func (a *asm) addNaN(tail bool) {
	a.compare(unordered, y(0), y(0), y(4))
	if wide {
		if tail {
			a.op("KANDW", mask(y(15)), mask(y(4)), mask(y(4)))
		}
		a.op("KORW", mask(y(4)), mask(y(3)), mask(y(3)))
		return
	}
	if tail {
		a.and(y(4), y(15), y(4))
	}
	a.or(y(3), y(4), y(3))
}
