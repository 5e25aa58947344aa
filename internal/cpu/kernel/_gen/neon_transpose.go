package main

// transposesNEON writes, for each format of weights, the widening of 16 rows into columns, on a multiple of four elements: dst[e*NR+j] is element e of
// row j. Four elements of four rows are a square of registers.
func transposesNEON(a *asm) {
	for _, f := range []struct {
		name  string
		bytes int
		load  func(d, x, step int)
	}{
		{"transposeF32NEON", 4, a.ldrPlus},
		{"transposeF16NEON", 2, func(d, x, step int) {
			a.ldrHalf(d, x, step)
			a.f16ToF32(d, d)
		}},
		{"transposeBF16NEON", 2, func(d, x, step int) {
			a.ldrHalf(d, x, step)
			a.bf16ToF32(d, d)
		}},
	} {
		a.begin(f.name, "(dst *float32, src *byte, step, n int)", "dst", "src", "step", "n")
		a.op("MOVD", "$0", xr(4))
		a.op("LSL", imm(1), xr(2), xr(5))
		a.op("ADD", xr(2), xr(5), xr(6)) // three rows
		a.loop("square", 3, 4, func() {
			a.op("MOVD", xr(1), xr(7))
			for rows := range 4 {
				for r, step := range []int{4, 2, 5, 6} {
					f.load(r, 7, step)
				}
				a.op("ADD", xr(5)+"<<1", xr(7), xr(7))
				a.squareNEON(func(e, from int) { a.str(from, 0, e*rowBytes+16*rows) })
			}
			a.op("ADD", imm(4*f.bytes), xr(1), xr(1))
			a.op("ADD", imm(4*rowBytes), xr(0), xr(0))
		})
		a.op("RET")
	}

	a.begin("lineWordsNEON", "(dst, x *float32, step, pairs int)", "dst", "x", "step", "pairs")
	a.loop("loop", 3, 1, func() {
		a.op("ADD", "R2", "R1", "R4")
		for h := range nr / 8 {
			a.ldr(0, 1, 16*h)
			a.ldr(1, 4, 16*h)
			a.v3h("zip1", 2, 0, 1)
			a.v3h("zip2", 3, 0, 1)
			a.strNext(2, 0)
			a.strNext(3, 0)
		}
		a.op("ADD", "R2<<1", "R1", "R1")
	})
	a.op("RET")
}

// squareNEON transposes v0 to v3 and gives each column to put; it spoils v4 to v7.
func (a *asm) squareNEON(put func(e, from int)) {
	for r := 0; r < 4; r += 2 { // of two rows: elements 0 and 2, 1 and 3
		a.v3("trn1", 4+r, r, r+1)
		a.v3("trn2", 5+r, r, r+1)
	}
	for e := range 2 {
		a.v3d("trn1", e, 4+e, 6+e)
		a.v3d("trn2", 2+e, 4+e, 6+e)
	}
	for e := range 4 {
		put(e, e)
	}
}
