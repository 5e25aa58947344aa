package main

// Registers of constants of weights: what rounds to whole numbers, and the coefficients but for the lowest ones, which are memory
// operands.
var weightMagic, weightCoefficients = 4, []int{5, 6, 7, 12, 13}

// weightConstants loads the registers' constants.
func weightConstants(a *asm) {
	a.load(num(roundMagic), y(weightMagic))
	for i, r := range weightCoefficients {
		a.load(num(exp2Coefficients[i]), y(r))
	}
}

// weight is numeric.Exp2 of what is at most 127 or NaN, as scores of attention without their greatest are. It spoils Y8..Y10.
//
// The sum with the magic number has n in its lowest bits, and 2^n is an exact factor where a result is 2^-126 at least; that is where
// the operand is -126 at least. Comparisons that are not less than hold for NaN.
func (a *asm) weight(v string) {
	n, f, p := y(8), y(9), y(10)
	a.add(v, y(weightMagic), n)
	a.sub(n, y(weightMagic), f)
	a.sub(v, f, f)
	a.load(y(weightCoefficients[1]), p)
	a.addMul(f, y(weightCoefficients[0]), p)
	for i := 2; i < len(exp2Coefficients); i++ {
		c := num(exp2Coefficients[i])
		if i < len(weightCoefficients) {
			c = y(weightCoefficients[i])
		}
		a.horner(p, f, c)
	}
	a.op("VPSLLD", imm(23), n, n)
	a.op("VPADDD", num(1), n, n)
	a.compare(notLess, v, num(-126), v)
	a.mul(p, n, p)
	a.and(p, v, v)
}

// exp2Words writes a function that makes n weights, a multiple of 16, of scores, and words of two of them rounded to bf16, and adds
// up the weights in 16 lanes. It is numeric.RoundBF16 of what is no NaN.
func exp2Words(a *asm) {
	a.func_("func exp2WordsAVX2(dst, s *float32, n int, top float32) float32", "exp2WordsAVX2", 0, 36)
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("s", 8), "SI")
	a.op("MOVQ", arg("n", 16), "CX")
	a.op("VBROADCASTSS", arg("top", 24), y(1))
	weightConstants(a)
	a.load(bits(1), y(14))
	a.load(bits(0x7fff), y(15))
	a.xor(y(2), y(2), y(2))
	a.xor(y(3), y(3), y(3))
	a.op("PCALIGN", imm(32))
	a.label("loop")
	for h := range 2 {
		v := y(11 * h) // Y0 and Y11
		a.load(mem(32*h, "SI"), v)
		a.sub(v, y(1), v)
		a.weight(v)
		a.add(y(2+h), v, y(2+h))
		a.op("VPCMPGTD", bits((127-63)<<23-1), v, y(10)) // its exponent is that of 2^-63 at least
		a.op("VPSRLD", imm(16), v, y(8))
		a.and(y(8), y(14), y(8))
		a.op("VPADDD", y(15), v, v)
		a.op("VPADDD", y(8), v, v)
		a.and(v, y(10), v)
		a.op("VPSRLD", imm(16), v, v)
	}
	a.op("VPACKUSDW", y(11), y(0), y(0))
	a.op("VPERMQ", imm(0xd8), y(0), y(0))
	a.load(y(0), "(DI)")
	a.op("ADDQ", imm(64), "SI")
	a.op("ADDQ", imm(32), "DI")
	a.op("SUBQ", imm(16), "CX")
	a.op("JNZ", "loop")
	a.add(y(2), y(3), y(2))
	a.joinLanes()
	a.op("VMOVSS", x(2), arg("ret", 32))
	a.end()
}
