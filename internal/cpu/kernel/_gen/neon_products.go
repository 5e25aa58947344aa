package main

// What one function of the NEON tier does of a tile.
const (
	neonRows    = 4
	neonVectors = 4 // of four columns
)

// flushToZero is the bit of FPCR that makes subnormal operands and results zero.
const flushToZero = 1 << 24

// Registers of product functions: R0 accumulators, R1 slices of x, R2 weights, R3 taps, R4 words of a tap, R5 rows, R6 words left, R11 to
// R14 rows of x. Accumulators of row r are v(4r) to v(4r+3).
const firstRow = 11

// productsNEON writes the inner loops of products.
func productsNEON(a *asm) {
	productNEON(a, "f32NEON", false, func(c int) {
		for h := range neonVectors {
			w := 20 + h + 4*(c%2)
			a.ldr(w, 2, c*rowBytes+16*h)
			for r := range neonRows {
				a.element(4*r+h, w, 16+r, c)
			}
		}
	}, nil)
	productNEON(a, "bf16NEON", true, func(c int) {
		for h := range neonVectors {
			w := 25 + 3*(h%2)
			a.ldr(w, 2, c*rowBytes+16*h)
			a.v3("and", w+1, w, 24)
			a.shift("shl", w+2, w, 16)
			for r := range neonRows {
				a.element(4*r+h, w+1, 16+r, c)
			}
			for r := range neonRows {
				a.element(4*r+h, w+2, 20+r, c)
			}
		}
	}, func(r int) { // odd channels in v16 to v19, even ones in v20 to v23
		a.shift("shl", 20+r, 16+r, 16)
		a.v3("and", 16+r, 16+r, 24)
	})
	for _, name := range []string{"pairsNEON", "pairRowsNEON", "pairLinesNEON"} {
		wordsNEON(a, name)
	}
}

// productNEON writes one: word adds the terms of word c of four (or of the only one) that each row has in v16 to v19; split prepares a row's.
func productNEON(a *asm, name string, flush bool, word, split func(c int)) {
	a.begin(name, "(acc *float32, x *[]float32, w *float32, taps, n, rows int)", "acc", "x", "w", "taps", "n", "rows")
	if flush {
		a.op("MOVD", "FPCR", "R7")
		a.op("ORR", imm(flushToZero), "R7", "R8")
		a.op("MOVD", "R8", "FPCR")
		a.op("MOVW", "$0xffff0000", "R10")
		a.dup(24, 10)
	}
	for r := range neonRows {
		for h := range neonVectors {
			a.ldr(4*r+h, 0, r*rowBytes+16*h)
		}
	}
	part := func(words int, load func(d, x int)) {
		for r := range neonRows {
			load(16+r, firstRow+r)
			if split != nil {
				split(r)
			}
		}
		for c := range words {
			word(c)
		}
		a.op("ADD", imm(words*rowBytes), "R2", "R2")
	}
	a.loop("tap", 3, 1, func() {
		for r := range neonRows {
			a.op("MOVD", mem(24*r, "R1"), xr(firstRow+r))
		}
		a.op("ADD", imm(24*mr), "R1", "R1")
		a.op("LSR", imm(2), "R4", "R6")
		a.op("CBZ", "R6", "short")
		a.loop("words", 6, 1, func() { part(4, a.ldrNext) })
		a.label("short")
		a.op("ANDS", imm(3), "R4", "R6")
		a.op("BEQ", "next")
		a.loop("rest", 6, 1, func() { part(1, a.repeatNext) })
		a.label("next")
	})
	for r := range neonRows {
		if r > 0 {
			a.op("CMP", imm(r), "R5")
			a.op("BEQ", "done")
		}
		for h := range neonVectors {
			a.str(4*r+h, 0, r*rowBytes+16*h)
		}
	}
	a.label("done")
	if flush {
		a.op("MOVD", "R7", "FPCR")
	}
	a.op("RET")
}

// wordsNEON writes the making of words of two channels: of neighbours, of two rows, of pairs of lines of a tile's columns.
func wordsNEON(a *asm, name string) {
	join := func(even, odd int) {
		a.shift("ushr", even, even, 16)
		a.v3("orr", even, even, odd)
	}
	switch name {
	case "pairsNEON":
		a.begin(name, "(dst, x *float32, n int)", "dst", "x", "n")
		a.constants()
		a.loop("loop", 2, 4, func() {
			a.ldrNext(0, 1)
			a.ldrNext(1, 1)
			a.roundNEON(0)
			a.roundNEON(1)
			a.v3("uzp1", 2, 0, 1)
			a.v3("uzp2", 3, 0, 1)
			join(2, 3)
			a.strNext(2, 0)
		})
	case "pairRowsNEON":
		a.begin(name, "(dst, x, y *float32, n int)", "dst", "x", "y", "n")
		a.constants()
		a.loop("loop", 3, 4, func() {
			a.ldrNext(0, 1)
			a.ldrNext(1, 2)
			a.roundNEON(0)
			a.roundNEON(1)
			join(0, 1)
			a.strNext(0, 0)
		})
	case "pairLinesNEON":
		a.begin(name, "(dst, x *float32, step, pairs int)", "dst", "x", "step", "pairs")
		a.constants()
		a.loop("loop", 3, 1, func() {
			a.op("ADD", "R2", "R1", "R4")
			for h := range nr / 4 {
				a.ldr(0, 1, 16*h)
				a.ldr(1, 4, 16*h)
				a.roundNEON(0)
				a.roundNEON(1)
				join(0, 1)
				a.strNext(0, 0)
			}
			a.op("ADD", "R2<<1", "R1", "R1")
		})
	}
	a.op("RET")
}

// roundNEON is numeric.RoundBF16; it spoils v16 to v19.
func (a *asm) roundNEON(v int) {
	t, r, m, c := 16, 17, 18, 19
	a.pattern(c, 1)
	a.shift("ushr", t, v, 16)
	a.v3("and", t, t, c)
	a.pattern(c, 0x7fff)
	a.v3("add", t, t, c)
	a.v3("add", r, t, v)
	a.pattern(c, 0xffff0000)
	a.v3("and", r, r, c)
	a.pattern(c, 0x7f800000)
	a.v3("and", m, v, c)
	a.pattern(c, 64<<23)
	a.v3("cmgt", m, c, m) // the exponent is below that of 2^-63
	a.pattern(c, 1<<31)
	a.v3("and", t, v, c)
	a.v3("bit", r, t, m)
	a.v3("fcmeq", m, v, v)
	a.pattern(c, 0xffff0000)
	a.v3("and", t, v, c)
	a.pattern(c, 0x00400000)
	a.v3("orr", t, t, c)
	a.v3("bif", r, t, m)
	a.vmov(v, r)
}

// peakNEON writes the loops that compute on registers alone, and that only load.
func peakNEON(a *asm) {
	a.begin("peakF32NEON", "(rounds int)", "rounds")
	for i := range 26 {
		a.zero(i)
	}
	a.loop("loop", 0, 1, func() {
		for i := range 24 {
			a.v3("fmla", i, 24, 25)
		}
	})
	a.op("RET")
	a.begin("readNEON", "(p *byte, n int)", "p", "n")
	a.loop("loop", 1, 1024, func() {
		for i := range 64 {
			a.ldr(i%16, 0, 16*i)
		}
		a.op("ADD", imm(1024), "R0", "R0")
	})
	a.op("RET")
}
