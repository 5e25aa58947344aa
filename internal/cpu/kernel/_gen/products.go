package main

import "fmt"

// The shape of a tile, as in package kernel.
const (
	mr       = 6
	nr       = 16
	rowBytes = 4 * nr
)

// rowPointers are the registers of the rows of x.
var rowPointers = [mr]string{"R8", "R9", "R10", "R11", "R12", "R13"}

// products writes the inner loops of products. Accumulators of row r are
// Y(2r) and Y(2r+1), the weights of a channel Y12 and Y13, broadcast elements of x Y14 and Y15.
func products(a *asm) {
	a.func_("func f32AVX2(acc *Tile, x *[MR][]float32, w *float32, taps, n, rows int)", "f32AVX2", 0, 48)
	product(a, []int{0, 1, 2, 3}, []int{0})
	a.func_("func bf16AVX2(acc *Tile, x *[MR][]float32, w *float32, taps, n, rows int)", "bf16AVX2", 8, 48)
	const flushToZero = 0x8000
	a.op("STMXCSR", "saved-8(SP)")
	a.op("MOVL", "saved-8(SP)", "AX")
	a.op("ORL", imm(flushToZero), "AX")
	a.op("MOVL", "AX", "flush-4(SP)")
	a.op("LDMXCSR", "flush-4(SP)")
	product(a, []int{1, 0, 3, 2}, []int{1, 0})
}

// product writes both widths of one loop: order is the order of channels in an unrolled
// stretch, tail that of the stretches left over.
func product(a *asm, order, tail []int) {
	a.op("MOVQ", arg("acc", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("w", 16), "DX")
	a.op("MOVQ", arg("taps", 24), "BX")
	a.op("MOVQ", arg("n", 32), "CX")
	a.op("CMPQ", arg("rows", 40), imm(4))
	a.op("JGT", "rows6")
	saves := len(tail) == 2
	for _, rows := range []int{4, mr} {
		a.label(fmt.Sprintf("rows%d", rows))
		tapLoop(a, rows, order, tail)
		for r := range rows {
			if r > 0 && (rows == 4 || r >= 4) {
				a.op("CMPQ", arg("rows", 40), imm(r))
				a.op("JEQ", fmt.Sprintf("done%d", rows))
			}
			a.op("VMOVUPS", y(2*r), mem(r*rowBytes, "DI"))
			a.op("VMOVUPS", y(2*r+1), mem(r*rowBytes+32, "DI"))
		}
		a.label(fmt.Sprintf("done%d", rows))
		if saves {
			a.op("LDMXCSR", "saved-8(SP)")
		}
		a.op("VZEROUPPER")
		a.op("RET")
	}
}

// tapLoop writes the loops over taps and channels for some rows.
func tapLoop(a *asm, rows int, order, tail []int) {
	name := func(s string) string { return fmt.Sprintf("%s%d", s, rows) }
	for r := range rows {
		a.op("VMOVUPS", mem(r*rowBytes, "DI"), y(2*r))
		a.op("VMOVUPS", mem(r*rowBytes+32, "DI"), y(2*r+1))
	}
	a.label(name("tap"))
	for r := range rows {
		a.op("MOVQ", mem(24*r, "SI"), rowPointers[r])
	}
	a.op("ADDQ", imm(24*mr), "SI")
	a.op("XORQ", "AX", "AX")
	a.op("SUBQ", imm(len(order)), "CX")
	a.op("JLT", name("short"))
	a.label(name("channels"))
	channels(a, rows, order)
	a.op("CMPQ", "AX", "CX")
	a.op("JLE", name("channels"))
	a.label(name("short"))
	a.op("ADDQ", imm(len(order)), "CX")
	a.op("CMPQ", "AX", "CX")
	a.op("JGE", name("next"))
	a.label(name("rest"))
	channels(a, rows, tail)
	a.op("CMPQ", "AX", "CX")
	a.op("JLT", name("rest"))
	a.label(name("next"))
	a.op("DECQ", "BX")
	a.op("JNZ", name("tap"))
}

// channels writes the terms of some channels, in the given order.
func channels(a *asm, rows int, order []int) {
	for _, c := range order {
		a.op("VMOVUPS", mem(c*rowBytes, "DX"), y(12))
		a.op("VMOVUPS", mem(c*rowBytes+32, "DX"), y(13))
		for r := range rows {
			b := y(14 + r%2)
			a.op("VBROADCASTSS", mem(4*c, rowPointers[r])+"(AX*4)", b)
			a.op("VFMADD231PS", y(12), b, y(2*r))
			a.op("VFMADD231PS", y(13), b, y(2*r+1))
		}
	}
	a.op("ADDQ", imm(len(order)), "AX")
	a.op("ADDQ", imm(len(order)*rowBytes), "DX")
}
