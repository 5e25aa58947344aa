package main

// The points of the transforms and their powers; see winograd.go of package kernel.
const (
	wa, wb   = 0.75, 1.5
	wa2, wb2 = wa * wa, wb * wb
)

// six are the addresses of six places, step apart: from has to hold the first and fourth that of the fourth.
func six(from, fourth, step string) [6]string {
	return [6]string{"(" + from + ")", "(" + from + ")(" + step + "*1)", "(" + from + ")(" + step + "*2)",
		"(" + fourth + ")", "(" + fourth + ")(" + step + "*1)", "(" + fourth + ")(" + step + "*2)"}
}

// inputLine transforms Y0..Y5 and gives each result to put; it spoils Y6..Y8.
func (a *asm) inputLine(put func(i int, from string)) {
	for i, p := range []struct{ point, other float32 }{{wa, wb2}, {wb, wa2}} {
		a.load(y(4), y(6))
		a.addMul(y(2), num(-p.other), y(6))
		a.load(y(3), y(7))
		a.addMul(y(1), num(-p.other), y(7))
		a.load(y(6), y(8))
		a.addMul(y(7), num(p.point), y(8))
		put(2*i+1, y(8))
		a.addMul(y(7), num(-p.point), y(6))
		put(2*i+2, y(6))
	}
	for i := range 2 {
		to := y(6 + i)
		a.load(y(4+i), to)
		a.addMul(y(2+i), num(-(wa2 + wb2)), to)
		a.addMul(y(i), num(wa2*wb2), to)
		put(5*i, to)
	}
}

// outputLine transforms Y0..Y5 back and gives each of four results to put; it spoils all up to Y8.
func (a *asm) outputLine(put func(i int, from string)) {
	a.add(y(1), y(2), y(6)) // s
	a.sub(y(1), y(2), y(1)) // d
	a.add(y(3), y(4), y(7)) // p
	a.sub(y(3), y(4), y(3)) // q
	a.add(y(0), y(6), y(0))
	a.add(y(0), y(7), y(0))
	put(0, y(0))
	a.mul(y(1), num(wa), y(8))
	a.addMul(y(3), num(wb), y(8))
	put(1, y(8))
	a.mul(y(6), num(wa2), y(6))
	a.addMul(y(7), num(wb2), y(6))
	put(2, y(6))
	a.addMul(y(1), num(wa2*wa), y(5))
	a.addMul(y(3), num(wb2*wb), y(5))
	put(3, y(5))
}

// winograd writes the transforms of a tile.
func winograd(a *asm) {
	name := "winogradIn" + suffix()
	a.func_("func "+name+"(v *float32, plane int, x *float32, row, pixel, n int, tmp *float32)", name, 0, 56)
	a.op("MOVQ", arg("v", 0), "DI")
	a.op("MOVQ", arg("plane", 8), "BX")
	a.op("MOVQ", arg("x", 16), "SI")
	a.op("MOVQ", arg("row", 24), "R10")
	a.op("MOVQ", arg("pixel", 32), "R11")
	a.op("MOVQ", arg("n", 40), "CX")
	a.op("MOVQ", arg("tmp", 48), "R12")
	for _, r := range []string{"BX", "R10", "R11"} {
		a.op("SHLQ", imm(2), r)
	}
	a.op("LEAQ", "(R10)(R10*2)", "R13") // three lines
	a.op("LEAQ", "(BX)(BX*2)", "DX")    // three planes
	a.elements("", "CX", []string{"SI", "DI"}, func(tail bool) {
		a.op("MOVQ", "SI", "R8")
		for j := range 6 {
			a.op("LEAQ", "(R8)(R13*1)", "R9")
			for i, at := range six("R8", "R9", "R10") {
				a.get(tail, at, y(i))
			}
			a.inputLine(func(i int, from string) { a.load(from, mem((6*i+j)*vector(), "R12")) })
			if j < 5 {
				a.op("ADDQ", "R11", "R8")
			}
		}
		a.op("MOVQ", "DI", "R8")
		for i := range 6 {
			for j := range 6 {
				a.load(mem((6*i+j)*vector(), "R12"), y(j))
			}
			a.op("LEAQ", "(R8)(DX*1)", "R9")
			at := six("R8", "R9", "BX")
			a.inputLine(func(j int, from string) { a.put(tail, from, at[j]) })
			if i < 5 {
				a.op("LEAQ", "(R9)(DX*1)", "R8")
			}
		}
	})
	a.end()
	winogradOut(a, false)
	winogradOut(a, true)
}

// winogradOut writes the way back, with a residual or without.
func winogradOut(a *asm, residual bool) {
	name, more, size := "winogradOut", "", 64
	if residual {
		name, more, size = name+"Add", ", add", 72
	}
	name += suffix()
	a.func_("func "+name+"(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp"+more+" *float32)", name, 0, size)
	a.op("MOVQ", arg("out", 0), "DI")
	a.op("MOVQ", arg("row", 8), "R10")
	a.op("MOVQ", arg("pixel", 16), "R11")
	a.op("MOVQ", arg("m", 24), "SI")
	a.op("MOVQ", arg("plane", 32), "BX")
	a.op("MOVQ", arg("init", 40), "DX")
	a.op("MOVQ", arg("n", 48), "CX")
	a.op("MOVQ", arg("tmp", 56), "R12")
	for _, r := range []string{"BX", "R10", "R11"} {
		a.op("SHLQ", imm(2), r)
	}
	pointers := []string{"SI", "DI", "DX"}
	if residual {
		a.op("MOVQ", arg("add", 64), "R15")
		pointers = append(pointers, "R15")
	}
	a.op("LEAQ", "(BX)(BX*2)", "R13")
	a.op("SHLQ", imm(1), "R13") // six planes
	a.op("LEAQ", "(R13)(R13*2)", "R14")
	a.elements("", "CX", pointers, func(tail bool) {
		a.op("MOVQ", "SI", "R8")
		for j := range 6 {
			a.op("LEAQ", "(R8)(R14*1)", "R9")
			for i, at := range six("R8", "R9", "R13") {
				a.get(tail, at, y(i))
			}
			a.outputLine(func(i int, from string) { a.load(from, mem((6*i+j)*vector(), "R12")) })
			if j < 5 {
				a.op("ADDQ", "BX", "R8")
			}
		}
		a.get(tail, "(DX)", y(9))
		a.op("XORQ", "R8", "R8")
		for i := range 4 {
			for j := range 6 {
				a.load(mem((6*i+j)*vector(), "R12"), y(j))
			}
			a.op("MOVQ", "R8", "R9")
			a.outputLine(func(j int, from string) {
				a.add(from, y(9), from)
				if residual {
					a.get(tail, "(R15)(R9*1)", y(10))
					a.add(from, y(10), from)
				}
				a.put(tail, from, "(DI)(R9*1)")
				if j < 3 {
					a.op("ADDQ", "R11", "R9")
				}
			})
			if i < 3 {
				a.op("ADDQ", "R10", "R8")
			}
		}
	})
	a.end()
}

// rows writes the product of blocks of eight rows, step apart, and a panel, with sums that begin at zero.
func rows(a *asm) {
	a.func_("func rowsF32AVX512(out, x *float32, step int, w *float32, n, blocks int)", "rowsF32AVX512", 0, 48)
	a.op("MOVQ", arg("out", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("n", 32), "CX")
	a.label("block")
	a.op("MOVQ", arg("step", 16), "BX")
	a.op("SHLQ", imm(2), "BX")
	a.op("MOVQ", "SI", rowPointers[0])
	for r := 1; r < mr; r++ {
		a.op("LEAQ", "("+rowPointers[r-1]+")(BX*1)", rowPointers[r])
	}
	a.op("LEAQ", "(SI)(BX*8)", "SI")
	for i := range 2 * mr {
		a.xor(z(i), z(i), z(i))
	}
	a.op("MOVQ", arg("w", 24), "DX")
	a.op("XORQ", "AX", "AX")
	words := func(count int) {
		for c := range count {
			for h := range 2 {
				a.load(mem(c*rowBytes+64*h, "DX"), z(16+h+2*(c%2)))
			}
			for r := range mr {
				b := z(24 + (c*mr+r)%8)
				a.op("VBROADCASTSS", element(c, r), b)
				for h := range 2 {
					a.op("VFMADD231PS", z(16+h+2*(c%2)), b, z(2*r+h))
				}
			}
		}
	}
	const unroll = 4
	a.op("SUBQ", imm(unroll), "CX")
	a.op("JLT", "short")
	a.op("PCALIGN", imm(32))
	a.label("words")
	words(unroll)
	a.op("ADDQ", imm(unroll), "AX")
	a.op("ADDQ", imm(unroll*rowBytes), "DX")
	a.op("CMPQ", "AX", "CX")
	a.op("JLE", "words")
	a.label("short")
	a.op("ADDQ", imm(unroll), "CX")
	a.op("CMPQ", "AX", "CX")
	a.op("JGE", "store")
	a.label("rest")
	words(1)
	a.op("INCQ", "AX")
	a.op("ADDQ", imm(rowBytes), "DX")
	a.op("CMPQ", "AX", "CX")
	a.op("JLT", "rest")
	a.label("store")
	for r := range mr {
		for h := range 2 {
			a.load(z(2*r+h), mem(r*rowBytes+64*h, "DI"))
		}
	}
	a.op("ADDQ", imm(mr*rowBytes), "DI")
	a.op("DECQ", arg("blocks", 40))
	a.op("JNZ", "block")
	a.end()
}

// double is the number of float64 in a vector; half the register of as many float32.
func double() int { return vector() / 8 }
func half(i int) string {
	if wide {
		return "Y" + z(i)[1:]
	}
	return x(i)
}

// weightLine transforms Y0, Y1, Y2 in float64 and gives each result to put; it spoils Y3..Y6. Constants are Y12..Y15: a², a, b², b.
func (a *asm) weightLine(put func(i int, from string)) {
	put(0, y(0))
	for i := range 2 {
		a.op("VMULPD", y(2), y(12+2*i), y(3))
		a.op("VADDPD", y(3), y(0), y(3))
		a.op("VMULPD", y(1), y(13+2*i), y(4))
		a.op("VADDPD", y(4), y(3), y(5))
		a.op("VSUBPD", y(4), y(3), y(6))
		put(2*i+1, y(5))
		put(2*i+2, y(6))
	}
	put(5, y(2))
}

// winogradWeights writes the transform of weights.
func winogradWeights(a *asm) {
	name := "winogradWeights" + suffix()
	a.func_("func "+name+"(dst, taps *float32, plane, n int, constants *float64, tmp *float32)", name, 0, 48)
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("taps", 8), "SI")
	a.op("MOVQ", arg("plane", 16), "BX")
	a.op("SHLQ", imm(2), "BX")
	a.op("MOVQ", arg("n", 24), "CX")
	a.op("MOVQ", arg("constants", 32), "DX")
	a.op("MOVQ", arg("tmp", 40), "R12")
	for i := range 4 {
		a.op("VBROADCASTSD", mem(8*i, "DX"), y(12+i))
	}
	a.op("LEAQ", "(BX)(BX*2)", "R10") // three planes
	a.label("loop")
	a.op("MOVQ", "SI", "R8")
	for j := range 3 {
		for i, at := range []string{"(R8)", "(R8)(R10*1)", "(R8)(R10*2)"} {
			a.op("VCVTPS2PD", at, y(i))
		}
		a.weightLine(func(i int, from string) { a.op("VMOVUPD", from, mem((3*i+j)*vector(), "R12")) })
		if j < 2 {
			a.op("ADDQ", "BX", "R8")
		}
	}
	a.op("MOVQ", "DI", "R8")
	for i := range 6 {
		for j := range 3 {
			a.op("VMOVUPD", mem((3*i+j)*vector(), "R12"), y(j))
		}
		a.op("LEAQ", "(R8)(R10*1)", "R9")
		at := six("R8", "R9", "BX")
		a.weightLine(func(j int, from string) {
			a.op("VBROADCASTSD", mem(8*(4+6*i+j), "DX"), y(7))
			a.op("VMULPD", y(7), from, y(7))
			convert := "VCVTPD2PSY"
			if wide {
				convert = "VCVTPD2PS"
			}
			a.op(convert, y(7), half(7))
			a.load(half(7), at[j])
		})
		if i < 5 {
			a.op("LEAQ", "(R9)(R10*1)", "R8")
		}
	}
	a.op("ADDQ", imm(4*double()), "SI")
	a.op("ADDQ", imm(4*double()), "DI")
	a.op("SUBQ", imm(double()), "CX")
	a.op("JGT", "loop")
	a.end()
}
