package main

// norms writes the parts of group norm and layer norm.
func norms(a *asm) {
	a.func_("func sum"+suffix()+"(x *float32, n int) float32", "sum"+suffix(), 0, 20)
	a.op("MOVQ", arg("x", 0), "SI")
	a.op("MOVQ", arg("n", 8), "CX")
	a.lanes("SI", "CX", func(tail bool, sum string) {
		a.get(tail, "(SI)", y(0))
		a.add(sum, y(0), sum)
	})
	a.op("VMOVSS", x(2), arg("ret", 16))
	a.end()

	a.func_("func squares"+suffix()+"(x *float32, n int, mean float32) float32", "squares"+suffix(), 0, 28)
	a.op("MOVQ", arg("x", 0), "SI")
	a.op("MOVQ", arg("n", 8), "CX")
	a.op("VBROADCASTSS", arg("mean", 16), y(1))
	a.lanes("SI", "CX", func(tail bool, sum string) {
		a.get(tail, "(SI)", y(0))
		a.sub(y(0), y(1), y(0))
		if tail {
			a.keep(y(15), y(0))
		}
		a.addMul(y(0), y(0), sum)
	})
	a.op("VMOVSS", x(2), arg("ret", 24))
	a.end()

	a.func_("func normalize"+suffix()+"(dst, x, gamma, beta *float32, n int, mean, rstd float32)", "normalize"+suffix(), 0, 48)
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("gamma", 16), "DX")
	a.op("MOVQ", arg("beta", 24), "BX")
	a.op("MOVQ", arg("n", 32), "CX")
	a.op("VBROADCASTSS", arg("mean", 40), y(1))
	a.op("VBROADCASTSS", arg("rstd", 44), y(2))
	a.elements("", "CX", []string{"SI", "DI", "DX", "BX"}, func(tail bool) {
		a.get(tail, "(SI)", y(0))
		a.get(tail, "(DX)", y(3))
		a.get(tail, "(BX)", y(4))
		a.sub(y(0), y(1), y(0))
		a.mul(y(0), y(2), y(0))
		a.horner(y(0), y(3), y(4))
		a.put(tail, y(0), "(DI)")
	})
	a.end()
	scale(a)
}

// scale writes fma(x, a, b) by channel.
func scale(a *asm) {
	a.func_("func scale"+suffix()+"(dst, x *float32, dstStride, xStride int, a, b *float32, n, pixels int)", "scale"+suffix(), 0, 64)
	a.op("MOVQ", arg("dst", 0), "R8")
	a.op("MOVQ", arg("x", 8), "R9")
	a.op("MOVQ", arg("dstStride", 16), "R10")
	a.op("MOVQ", arg("xStride", 24), "R11")
	a.op("SHLQ", imm(2), "R10")
	a.op("SHLQ", imm(2), "R11")
	a.op("MOVQ", arg("pixels", 56), "R12")
	a.label("pixel")
	a.op("MOVQ", "R8", "DI")
	a.op("MOVQ", "R9", "SI")
	a.op("MOVQ", arg("a", 32), "DX")
	a.op("MOVQ", arg("b", 40), "BX")
	a.op("MOVQ", arg("n", 48), "CX")
	a.elements("", "CX", []string{"SI", "DI", "DX", "BX"}, func(tail bool) {
		a.get(tail, "(SI)", y(0))
		a.get(tail, "(DX)", y(1))
		a.get(tail, "(BX)", y(2))
		a.horner(y(0), y(1), y(2))
		a.put(tail, y(0), "(DI)")
	})
	a.op("ADDQ", "R10", "R8")
	a.op("ADDQ", "R11", "R9")
	a.op("DECQ", "R12")
	a.op("JNZ", "pixel")
	a.end()
}

// merge joins the moments (mean b, M2 mb) to (mean, m2): Y10 is the share, Y11 the weight of the squared difference.
func (a *asm) merge(mean, m2, b, mb, t string) {
	a.sub(b, mean, t) // delta
	a.addMul(t, y(10), mean)
	a.mul(t, t, t)
	a.mul(t, y(11), t)
	a.add(m2, mb, m2)
	a.add(m2, t, m2)
}

// moments writes the statistics of a block of pixels, eight channels side by side.
func moments(a *asm) {
	a.func_("func blockMomentsAVX2(mean, m2, x *float32, channels, stride, n int, inv, share, weight float32, first bool)", "blockMomentsAVX2", 0, 61)
	a.op("MOVQ", arg("mean", 0), "DI")
	a.op("MOVQ", arg("m2", 8), "DX")
	a.op("MOVQ", arg("x", 16), "SI")
	a.op("MOVQ", arg("channels", 24), "CX")
	a.op("MOVQ", arg("stride", 32), "R10")
	a.op("SHLQ", imm(2), "R10")
	a.op("VBROADCASTSS", arg("inv", 48), y(9))
	a.op("VBROADCASTSS", arg("share", 52), y(10))
	a.op("VBROADCASTSS", arg("weight", 56), y(11))
	a.op("MOVBLZX", arg("first", 60), "R11")
	a.elements("", "CX", []string{"SI", "DI", "DX"}, func(tail bool) {
		at := map[bool]string{false: "whole", true: "part"}[tail]
		a.op("MOVQ", "SI", "R8")
		a.op("MOVQ", arg("n", 40), "R9")
		a.get(tail, "(R8)", y(0)) // sum, then mean
		a.op("JMP", at+"sumnext")
		a.label(at + "sum")
		a.get(tail, "(R8)", y(1))
		a.add(y(0), y(1), y(0))
		a.label(at + "sumnext")
		a.op("ADDQ", "R10", "R8")
		a.op("DECQ", "R9")
		a.op("JNZ", at+"sum")
		a.mul(y(0), y(9), y(0))
		a.op("MOVQ", "SI", "R8")
		a.op("MOVQ", arg("n", 40), "R9")
		a.xor(y(2), y(2), y(2))
		a.label(at + "square")
		a.get(tail, "(R8)", y(1))
		a.sub(y(1), y(0), y(1))
		a.addMul(y(1), y(1), y(2))
		a.op("ADDQ", "R10", "R8")
		a.op("DECQ", "R9")
		a.op("JNZ", at+"square")
		a.op("TESTL", "R11", "R11")
		a.op("JNE", at+"first")
		a.get(tail, "(DI)", y(3))
		a.get(tail, "(DX)", y(4))
		a.merge(y(3), y(4), y(0), y(2), y(5))
		a.load(y(3), y(0))
		a.load(y(4), y(2))
		a.label(at + "first")
		a.put(tail, y(0), "(DI)")
		a.put(tail, y(2), "(DX)")
	})
	a.end()

	a.func_("func mergeMomentsAVX2(mean, m2, meanB, m2B *float32, n int, share, weight float32)", "mergeMomentsAVX2", 0, 48)
	a.op("MOVQ", arg("mean", 0), "DI")
	a.op("MOVQ", arg("m2", 8), "DX")
	a.op("MOVQ", arg("meanB", 16), "SI")
	a.op("MOVQ", arg("m2B", 24), "BX")
	a.op("MOVQ", arg("n", 32), "CX")
	a.op("VBROADCASTSS", arg("share", 40), y(10))
	a.op("VBROADCASTSS", arg("weight", 44), y(11))
	a.elements("", "CX", []string{"DI", "DX", "SI", "BX"}, func(tail bool) {
		a.get(tail, "(DI)", y(3))
		a.get(tail, "(DX)", y(4))
		a.get(tail, "(SI)", y(0))
		a.get(tail, "(BX)", y(2))
		a.merge(y(3), y(4), y(0), y(2), y(5))
		a.put(tail, y(3), "(DI)")
		a.put(tail, y(4), "(DX)")
	})
	a.end()
}
