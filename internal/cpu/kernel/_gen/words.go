package main

// wordsF16 writes the packing of fp16 weights of one tap: 16 words of 16 rows, step bytes apart, at a time become columns of NR. An
// fp16 number is never below 2^-63 without being zero, so rounding needs no more than the instruction.
func wordsF16(a *asm) {
	a.func_("func wordsF16(dst *float32, src *byte, step, n int)", "wordsF16", 0, 32)
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("src", 8), "SI")
	a.op("MOVQ", arg("step", 16), "DX")
	a.op("MOVQ", arg("n", 24), "CX")
	a.op("LEAQ", "(DX)(DX*2)", "BX") // three rows
	a.label("square")
	a.op("MOVQ", "SI", "R8")
	for r := 0; r < 16; r += 4 {
		for k, at := range []string{"(R8)", "(R8)(DX*1)", "(R8)(DX*2)", "(R8)(BX*1)"} {
			a.op("PREFETCHT0", ahead+at)
			a.op("VCVTPH2PS", at, z(16))
			a.op("VCVTPH2PS", "32"+at, z(17))
			a.vcvtne2ps2bf16(16, 17, r+k)
		}
		if r < 12 {
			a.op("LEAQ", "(R8)(DX*4)", "R8")
		}
	}
	a.square16()
	for w := range 16 {
		a.load(z(w), mem(w*rowBytes, "DI"))
	}
	a.op("ADDQ", imm(64), "SI")
	a.op("ADDQ", imm(16*rowBytes), "DI")
	a.op("SUBQ", imm(16), "CX")
	a.op("JGT", "square")
	a.end()
}

// ahead is how far a row's next words are asked for, in bytes.
const ahead = "256"

// square16 transposes Z0..Z15, 16 words of 16 rows; it spoils Z16..Z31.
func (a *asm) square16() {
	for r := 0; r < 16; r += 2 { // of each quarter, words 0 and 1, 2 and 3 of two rows
		a.op("VUNPCKLPS", z(r+1), z(r), z(16+r))
		a.op("VUNPCKHPS", z(r+1), z(r), z(17+r))
	}
	for r := 0; r < 16; r += 4 { // Z(r+k): word k of each quarter, of four rows
		for half := range 2 {
			a.op("VSHUFPS", "$0x44", z(18+r+half), z(16+r+half), z(r+2*half))
			a.op("VSHUFPS", "$0xee", z(18+r+half), z(16+r+half), z(r+2*half+1))
		}
	}
	for k := range 4 { // quarters 0 and 2, 1 and 3 of rows 0..7 and of rows 8..15
		for half := range 2 {
			lo, hi := 8*half+k, 8*half+4+k
			a.op("VSHUFF32X4", "$0x88", z(hi), z(lo), z(16+4*half+k))
			a.op("VSHUFF32X4", "$0xdd", z(hi), z(lo), z(24+4*half+k))
		}
	}
	for k := range 4 {
		for odd := range 2 {
			lo, hi := 16+8*odd+k, 20+8*odd+k
			a.op("VSHUFF32X4", "$0x88", z(hi), z(lo), z(4*odd+k))
			a.op("VSHUFF32X4", "$0xdd", z(hi), z(lo), z(4*odd+8+k))
		}
	}
}
