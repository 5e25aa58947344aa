package main

import "fmt"

// transposes writes, for each format of weights, the widening of 16 rows into columns: dst[e*16+j] is
// element e of row j. Eight elements of eight rows are a square of registers.
func transposes(a *asm) {
	for _, f := range []struct {
		name  string
		bytes int
		load  func(from, to string)
	}{
		{"transposeF32AVX2", 4, a.load},
		{"transposeF16AVX2", 2, func(from, to string) { a.op("VCVTPH2PS", from, to) }},
		{"transposeBF16AVX2", 2, func(from, to string) {
			a.op("VPMOVZXWD", from, to)
			a.op("VPSLLD", imm(16), to, to)
		}},
	} {
		a.func_("func "+f.name+"(dst *float32, src *byte, step, n int)", f.name, 0, 32)
		a.op("MOVQ", arg("dst", 0), "DI")
		a.op("MOVQ", arg("src", 8), "SI")
		a.op("MOVQ", arg("step", 16), "DX")
		a.op("MOVQ", arg("n", 24), "CX")
		a.op("LEAQ", "(DX)(DX*2)", "BX") // three rows
		a.label("square")
		a.op("MOVQ", "SI", "R8")
		for half := range 2 {
			for j, at := range []string{"(R8)", "(R8)(DX*1)", "(R8)(DX*2)", "(R8)(BX*1)"} {
				f.load(at, y(j))
			}
			a.op("LEAQ", "(R8)(DX*4)", "R8")
			for j, at := range []string{"(R8)", "(R8)(DX*1)", "(R8)(DX*2)", "(R8)(BX*1)"} {
				f.load(at, y(4+j))
			}
			a.op("LEAQ", "(R8)(DX*4)", "R8")
			a.square(func(e int, from string) { a.load(from, mem(e*rowBytes+half*32, "DI")) })
		}
		a.op("ADDQ", imm(8*f.bytes), "SI")
		a.op("ADDQ", imm(8*rowBytes), "DI")
		a.op("SUBQ", imm(8), "CX")
		a.op("JGT", "square")
		a.end()
	}
}

// square transposes Y0..Y7 and stores the columns.
func (a *asm) square(store func(e int, from string)) {
	for j := range 4 { // pairs of rows: elements 0,1 4,5 and 2,3 6,7
		a.op("VUNPCKLPS", y(2*j+1), y(2*j), y(8+2*j))
		a.op("VUNPCKHPS", y(2*j+1), y(2*j), y(9+2*j))
	}
	for j := range 2 { // Y0..Y3: rows 0..3 of elements e and e+4; Y4..Y7: rows 4..7
		lo, hi := 8+4*j, 9+4*j
		for e := range 4 {
			from, sel := lo, 0x44
			if e >= 2 {
				from = hi
			}
			if e%2 == 1 {
				sel = 0xee
			}
			a.op("VSHUFPS", fmt.Sprintf("$0x%02x", sel), y(from+2), y(from), y(4*j+e))
		}
	}
	for e := range 4 {
		a.op("VINSERTF128", imm(1), x(4+e), y(e), y(8))
		store(e, y(8))
		a.op("VPERM2F128", imm(0x31), y(4+e), y(e), y(8))
		store(e+4, y(8))
	}
}
