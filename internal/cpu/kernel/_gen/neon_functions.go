package main

// The functions below follow those of package numeric step by step, on a multiple of four elements; free registers are v8 to v31.

// functionsNEON writes the pointwise functions and the two passes over a block of scores.
func functionsNEON(a *asm) {
	unary := func(name string, f func()) {
		a.begin(name, "(dst, x *float32, n int)", "dst", "x", "n")
		a.constants()
		a.loop("loop", 2, 4, func() {
			a.ldrNext(0, 1)
			f()
			a.strNext(0, 0)
		})
		a.op("RET")
	}
	quotient := func() { // v0 / (1 + exp v1)
		a.expNEON(1)
		a.number(8, 1)
		a.v3("fadd", 1, 1, 8)
		a.v3("fdiv", 0, 0, 1)
	}
	unary("siluNEON", func() {
		a.fneg(1, 0)
		quotient()
	})
	unary("quickGELUNEON", func() {
		a.number(8, 1.702)
		a.v3("fmul", 1, 0, 8)
		a.fneg(1, 1)
		quotient()
	})
	unary("geluNEON", func() { a.geluNEON(0) })

	binary := func(name string, f func()) {
		a.begin(name, "(dst, x, y *float32, n int)", "dst", "x", "y", "n")
		a.constants()
		a.loop("loop", 3, 4, func() {
			a.ldrNext(0, 2)
			a.ldrNext(7, 1)
			f()
			a.strNext(0, 0)
		})
		a.op("RET")
	}
	binary("addNEON", func() { a.v3("fadd", 0, 7, 0) })
	binary("mulGELUNEON", func() {
		a.geluNEON(0)
		a.v3("fmul", 0, 7, 0)
	})
	softmaxNEON(a)

	a.func_("func divideNEON(o *float32, n int, l float32)", "divideNEON", 0, 20)
	a.op("MOVD", arg("o", 0), "R0")
	a.op("MOVD", arg("n", 8), "R1")
	a.argNumber(1, "l", 16)
	a.loop("loop", 1, 4, func() {
		a.ldr(0, 0, 0)
		a.v3("fdiv", 0, 0, 1)
		a.strNext(0, 0)
	})
	a.op("RET")
}

// powerNEON finishes an exponential: v's result is the polynomial p times 2^n, +0 where v is below low or the result below 2^-126,
// infinite above high, v where v is NaN. It spoils n, t and v20.
func (a *asm) powerNEON(v, p, n, t int, low, high float32) {
	const c = 20
	a.fcvtns(n, n)
	a.shift("sshr", t, n, 1)
	a.v3("sub", n, n, t)
	a.pattern(c, 127)
	for _, half := range []int{t, n} {
		a.v3("add", half, half, c)
		a.shift("shl", half, half, 23)
		a.v3("fmul", p, p, half)
	}
	a.number(c, 0x1p-126)
	a.v3("fcmge", t, p, c)
	a.v3("and", p, p, t)
	a.number(c, low)
	a.v3("fcmge", t, v, c)
	a.v3("and", p, p, t)
	a.number(c, high)
	a.v3("fcmgt", t, v, c)
	a.pattern(c, 0x7f800000)
	a.v3("bit", p, c, t)
	a.v3("fcmeq", t, v, v)
	a.v3("bit", v, p, t)
}

// hornerNEON goes on with a polynomial in f, which begins as its first coefficient, and gives the register of the result: v10 or v12.
func (a *asm) hornerNEON(f int, coefficients ...float32) int {
	p, next := 10, 12
	a.number(p, coefficients[0])
	for _, c := range coefficients[1:] {
		a.number(next, c)
		a.v3("fmla", next, p, f)
		p, next = next, p
	}
	return p
}

// roundedNEON is numeric.rint; it spoils v12.
func (a *asm) roundedNEON(d, v int) {
	a.number(12, roundMagic)
	a.v3("fadd", d, v, 12)
	a.v3("fsub", d, d, 12)
}

// exp2NEON is numeric.Exp2; it spoils v8 to v12 and v20.
func (a *asm) exp2NEON(v int) {
	n, f, t := 8, 9, 11
	a.roundedNEON(n, v)
	a.v3("fsub", f, v, n)
	p := a.hornerNEON(f, 0.00015353361959569156, 0.0013398875016719103, 0.00961843691766262, 0.055503323674201965, 0.24022647738456726, 0.6931471824645996, 1)
	a.powerNEON(v, p, n, t, -126, 128)
}

// expNEON is numeric.Exp; it spoils v8 to v12 and v20.
func (a *asm) expNEON(v int) {
	n, f, t := 8, 9, 11
	a.number(t, 1.44269504)
	a.v3("fmul", n, v, t)
	a.roundedNEON(n, n)
	a.vmov(f, v)
	for _, c := range []float32{-0.693359375, 2.12194440e-4} {
		a.number(t, c)
		a.v3("fmla", f, n, t)
	}
	p := a.hornerNEON(f, 0.0013843653723597527, 0.00837415549904108, 0.04166800156235695, 0.16666431725025177, 0.4999999403953552, 1, 1)
	a.powerNEON(v, p, n, t, -87.33654, 88.72283)
}

// erfNEON is numeric.Erf, both polynomials and a choice; it spoils v3 to v6, v8 to v14 and v20.
func (a *asm) erfNEON(v int) {
	t, s, r, u, near, far := 3, 4, 5, 6, 13, 14
	a.pattern(u, 1<<31-1)
	a.v3("and", t, v, u)
	a.v3("fmul", s, v, v)
	p := a.hornerNEON(s, -5.96761703e-4, 4.99119423e-3, -2.67681349e-2, 1.12819925e-1, -3.76125336e-1, 1.28379166e-1)
	a.vmov(near, v)
	a.v3("fmla", near, p, v)
	a.number(u, 0.921875)
	a.v3("fcmgt", far, t, u)
	a.number(u, 4)
	a.v3("fmin", t, t, u)
	a.number(u, 16)
	a.v3("fmin", s, s, u)
	a.number(r, 3.83197126e-4)
	a.number(u, -1.72853470e-5)
	a.v3("fmla", r, u, t)
	a.number(8, -3.88396438e-3)
	a.number(u, 2.42546219e-2)
	a.v3("fmla", u, 8, t)
	a.v3("fmla", u, r, s)
	for _, c := range []float32{-1.06777877e-1, -6.34846687e-1, -1.28717512e-1} {
		a.number(r, c)
		a.v3("fmla", r, u, t)
		r, u = u, r
	}
	a.fneg(r, t)
	a.v3("fmla", r, u, t)
	a.expNEON(r)
	a.number(u, 1)
	a.v3("fsub", r, u, r)
	a.pattern(u, 1<<31)
	a.v3("and", u, v, u)
	a.v3("orr", r, r, u)
	a.v3("bit", near, r, far)
	a.vmov(v, near)
}

// geluNEON is numeric.GELU; it also spoils v1 and v2.
func (a *asm) geluNEON(v int) {
	e, h := 1, 2
	a.number(h, 0.70710678)
	a.v3("fmul", e, v, h)
	a.number(h, 0.5)
	a.v3("fmul", h, v, h)
	a.erfNEON(e)
	a.number(8, 1)
	a.v3("fadd", e, e, 8)
	a.v3("fmul", v, h, e)
}

// softmaxNEON writes the passes of a softmax. Maxima stay in four lanes, sums in 16, which the caller joins.
func softmaxNEON(a *asm) {
	a.func_("func scaleMaxNEON(s *float32, n int, scale float32, maxima *[4]float32)", "scaleMaxNEON", 0, 32)
	a.op("MOVD", arg("s", 0), "R0")
	a.op("MOVD", arg("n", 8), "R1")
	a.argNumber(1, "scale", 16)
	a.op("MOVD", arg("maxima", 24), "R2")
	a.constants()
	a.pattern(2, 0xff800000)
	a.loop("loop", 1, 4, func() {
		a.ldr(0, 0, 0)
		a.v3("fmul", 0, 0, 1)
		a.strNext(0, 0)
		a.v3("fmax", 2, 2, 0) // NaN where one is
	})
	a.str(2, 2, 0)
	a.op("RET")

	a.lanesNEON("exp2SumNEON", "top", a.constants, func(sum int) {
		a.ldr(0, 0, 0)
		a.v3("fsub", 0, 0, 1)
		a.exp2NEON(0)
		a.strNext(0, 0)
		a.v3("fadd", sum, sum, 0)
	})
}

// lanesNEON writes a reduction of a multiple of 16 elements in as many lanes: body adds the next four. number, if it has a name, is in v1.
func (a *asm) lanesNEON(name, number string, setup func(), body func(sum int)) {
	if number == "" {
		a.func_("func "+name+"(s *float32, n int, sums *[16]float32)", name, 0, 24)
		a.op("MOVD", arg("sums", 16), "R2")
	} else {
		a.func_("func "+name+"(s *float32, n int, "+number+" float32, sums *[16]float32)", name, 0, 32)
		a.argNumber(1, number, 16)
		a.op("MOVD", arg("sums", 24), "R2")
	}
	a.op("MOVD", arg("s", 0), "R0")
	a.op("MOVD", arg("n", 8), "R1")
	setup()
	for i := range 4 {
		a.zero(24 + i)
	}
	a.loop("loop", 1, 16, func() {
		for i := range 4 {
			body(24 + i)
		}
	})
	for i := range 4 {
		a.str(24+i, 2, 16*i)
	}
	a.op("RET")
}
