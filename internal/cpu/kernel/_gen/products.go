package main

import "fmt"

// The shape of a tile, as in package kernel.
const (
	mr       = 8
	nr       = 32
	rowBytes = 4 * nr
)

// rowPointers are the registers of the rows of x.
var rowPointers = [mr]string{"R8", "R9", "R10", "R11", "R12", "R13", "R14", "R15"}

// denormalsAreZero makes subnormal operands and results of SSE and AVX operations zero (MXCSR, bits 6 and 15).
const denormalsAreZero = 0x8040

// productBegin writes a function's arguments into registers; flush sets the mode for bf16.
func productBegin(a *asm, name string, flush bool) {
	frame := 0
	if flush {
		frame = 8
	}
	a.func_("func "+name+"(acc *float32, x *[]float32, w *float32, taps, n, rows int)", name, frame, 48)
	if flush {
		flushMode(a)
	}
	a.op("MOVQ", arg("acc", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("w", 16), "DX")
	a.op("MOVQ", arg("taps", 24), "BX")
	a.op("MOVQ", arg("n", 32), "CX")
}

// flushMode saves the mode for subnormal numbers and makes them zero.
func flushMode(a *asm) {
	a.op("STMXCSR", "saved-8(SP)")
	a.op("MOVL", "saved-8(SP)", "AX")
	a.op("ORL", imm(denormalsAreZero), "AX")
	a.op("MOVL", "AX", "flush-4(SP)")
	a.op("LDMXCSR", "flush-4(SP)")
}

// productEnd returns.
func productEnd(a *asm, flush bool) {
	if flush {
		a.op("LDMXCSR", "saved-8(SP)")
	}
	a.end()
}

// walk writes the loops over taps and words for some rows: words writes the terms of count words from index AX on.
func walk(a *asm, name string, rows, unroll int, words func(count int)) {
	a.label(name + "tap")
	for r := range rows {
		a.op("MOVQ", mem(24*r, "SI"), rowPointers[r])
	}
	a.op("ADDQ", imm(24*mr), "SI")
	stretch(a, name, unroll, words)
	a.op("DECQ", "BX")
	a.op("JNZ", name+"tap")
}

// stretch writes the loop over the words of one tap: CX of them, with the rows in their registers and the weights at DX.
func stretch(a *asm, name string, unroll int, words func(count int)) {
	a.op("XORQ", "AX", "AX")
	a.op("SUBQ", imm(unroll), "CX")
	a.op("JLT", name+"short")
	a.op("PCALIGN", imm(32))
	a.label(name + "words")
	words(unroll)
	a.op("ADDQ", imm(unroll), "AX")
	a.op("ADDQ", imm(unroll*rowBytes), "DX")
	a.op("CMPQ", "AX", "CX")
	a.op("JLE", name+"words")
	a.label(name + "short")
	a.op("ADDQ", imm(unroll), "CX")
	a.op("CMPQ", "AX", "CX")
	a.op("JGE", name+"next")
	a.label(name + "rest")
	words(1)
	a.op("INCQ", "AX")
	a.op("ADDQ", imm(rowBytes), "DX")
	a.op("CMPQ", "AX", "CX")
	a.op("JLT", name+"rest")
	a.label(name + "next")
}

// element is the address of a word of row r.
func element(word, r int) string { return mem(4*word, rowPointers[r]) + "(AX*4)" }

// terms writes the terms of one word of the rows: load fills what stands for the weights, row adds a row's.
type terms struct {
	name  string
	flush bool
	setup func(a *asm)
	load  func(a *asm, word, columns int)
	row   func(a *asm, word, r, columns int)
	pack  func(a *asm, low, high int) // writes two registers of numbers not below zero, none below 2^-63, as words at R9
	round func(a *asm, first int)     // makes words in register first of it and the next; nil where there is no instruction for it
}

// productsAVX512 writes the inner loops of products.
func productsAVX512(a *asm) {
	productAVX512(a, f32Terms())
	productAVX512(a, bf16Terms())
}

// productsBF16 writes the inner loop of bf16 products with the processor's own dot products of pairs.
func productsBF16(a *asm) { productAVX512(a, dotTerms()) }

// f32Terms are terms of whole tiles: accumulators of row r are Z(2r) and Z(2r+1), weights begin at Z16.
func f32Terms() terms {
	return terms{name: "f32AVX512", setup: func(*asm) {}, load: func(a *asm, word, columns int) {
		for h := range columns {
			a.load(mem(word*rowBytes+64*h, "DX"), z(16+h+2*(word%2)))
		}
	}, row: func(a *asm, word, r, columns int) {
		b := z(24 + (word*mr+r)%8)
		a.op("VBROADCASTSS", element(word, r), b)
		for h := range columns {
			a.op("VFMADD231PS", z(16+h+2*(word%2)), b, z(2*r+h))
		}
	}}
}

// bf16Terms are those of words, without an instruction for them.
func bf16Terms() terms {
	return terms{name: "bf16AVX512", flush: true, pack: packWords, setup: func(a *asm) {
		a.op("MOVL", imm(0xffff0000), "AX")
		a.op("VPBROADCASTD", "AX", z(31))
	}, load: func(a *asm, word, columns int) {
		for h := range columns {
			a.load(mem(word*rowBytes+64*h, "DX"), z(16+h))
			a.op("VPSLLD", imm(16), z(16+h), z(18+h))
			a.op("VPANDD", z(31), z(16+h), z(16+h))
		}
	}, row: func(a *asm, word, r, columns int) {
		odd, even := z(20+2*(r%4)), z(21+2*(r%4))
		a.op("VBROADCASTSS", element(word, r), odd)
		a.op("VPSLLD", imm(16), odd, even)
		a.op("VPANDD", z(31), odd, odd)
		for h := range columns {
			a.op("VFMADD231PS", z(16+h), odd, z(2*r+h))
		}
		for h := range columns {
			a.op("VFMADD231PS", z(18+h), even, z(2*r+h))
		}
	}}
}

// dotTerms are those of words with the processor's own dot products of pairs.
func dotTerms() terms {
	t := f32Terms()
	t.name = "bf16DotAVX512"
	t.row = func(a *asm, word, r, columns int) {
		b := 24 + (word*mr+r)%8
		a.op("VBROADCASTSS", element(word, r), z(b))
		for h := range columns {
			a.vdpbf16ps(16+h+2*(word%2), b, 2*r+h)
		}
	}
	t.round = func(a *asm, first int) {
		a.flushSmall(first, 16)
		a.flushSmall(first+1, 17)
		a.vcvtne2ps2bf16(first, first+1, first)
	}
	t.pack = func(a *asm, low, high int) {
		a.vcvtne2ps2bf16(low, high, low)
		a.load(z(low), "(R9)")
	}
	return t
}

// flushSmall makes magnitudes below 2^-63 zero with their sign: Z30 holds the exponent's bits, Z29 those of 2^-63, Z31 the sign's.
func (a *asm) flushSmall(v, t int) {
	a.op("VPANDD", z(30), z(v), z(t))
	a.op("VPCMPUD", imm(1), z(29), z(t), "K1")
	a.op("VPANDD", z(31), z(v), "K1", z(v))
}

// flushBegin fills the registers of flushSmall.
func (a *asm) flushBegin() {
	for i, v := range []int{64 << 23, 0x7f800000, 1 << 31} {
		a.op("MOVL", imm(v), "AX")
		a.op("VPBROADCASTD", "AX", z(29+i))
	}
}

// pairsBF16 writes the making of words with the processor's own rounding to bf16.
func pairsBF16(a *asm) {
	a.func_("func pairsBF16(dst, x *float32, n int)", "pairsBF16", 0, 24)
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("n", 16), "CX")
	a.flushBegin()
	a.label("loop")
	a.load("(SI)", z(0))
	a.load("64(SI)", z(1))
	a.flushSmall(0, 2)
	a.flushSmall(1, 2)
	a.vcvtne2ps2bf16(0, 1, 2)
	a.load(z(2), "(DI)")
	a.op("ADDQ", imm(128), "SI")
	a.op("ADDQ", imm(64), "DI")
	a.op("SUBQ", imm(16), "CX")
	a.op("JNZ", "loop")
	a.end()

	a.func_("func pairLinesBF16(dst, x *float32, step, pairs int)", "pairLinesBF16", 0, 32)
	pairLines(a, func() {
		for h := range 2 {
			a.load(mem(64*h, "SI"), z(0))
			a.load(fmt.Sprintf("%d(SI)(BX*1)", 64*h), z(1))
			a.flushSmall(0, 2)
			a.flushSmall(1, 2)
			a.vcvtneps2bf16(0, 2)
			a.vcvtneps2bf16(1, 3)
			a.op("VPMOVZXWD", y(2), z(2))
			a.op("VPMOVZXWD", y(3), z(3))
			a.op("VPSLLD", imm(16), z(3), z(3))
			a.op("VPORD", z(2), z(3), z(2))
			a.load(z(2), mem(64*h, "DI"))
		}
	}, a.flushBegin)
}

// pairLines writes the loop over pairs of lines of a tile's columns, at SI and SI+BX; the words go to DI.
func pairLines(a *asm, line, begin func()) {
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("step", 16), "BX")
	a.op("MOVQ", arg("pairs", 24), "CX")
	begin()
	a.label("loop")
	line()
	a.op("LEAQ", "(SI)(BX*2)", "SI")
	a.op("ADDQ", imm(rowBytes), "DI")
	a.op("DECQ", "CX")
	a.op("JNZ", "loop")
	a.end()
}

// words writes the terms of count words.
func (t *terms) words(a *asm, count, rows, columns int) {
	for c := range count {
		t.load(a, c, columns)
		for r := range rows {
			t.row(a, c, r, columns)
		}
	}
}

// productAVX512 writes the functions of one kind of terms: loops for 8, 4, 2 and 1 rows, of 32 columns and of 16, and for whole tiles.
func productAVX512(a *asm, t terms) {
	productTiles(a, t)
	for columns := 2; columns > 0; columns-- {
		productBegin(a, fmt.Sprintf("%sx%d", t.name, 16*columns), t.flush)
		t.setup(a)
		for _, rows := range []int{4, 2, 1} {
			a.op("CMPQ", arg("rows", 40), imm(rows))
			if rows == 4 {
				a.op("JGT", "rows8")
			} else {
				a.op("JGT", fmt.Sprintf("rows%d", 2*rows))
			}
		}
		for _, rows := range []int{1, 2, 4, 8} {
			name := fmt.Sprintf("rows%d", rows)
			if rows > 1 {
				a.label(name)
			}
			for r := range rows {
				for h := range columns {
					a.load(mem(r*rowBytes+64*h, "DI"), z(2*r+h))
				}
			}
			walk(a, name, rows, 4, func(count int) { t.words(a, count, rows, columns) })
			for r := range rows {
				if r >= rows/2 && r > 0 {
					a.op("CMPQ", arg("rows", 40), imm(r))
					a.op("JEQ", name+"done")
				}
				for h := range columns {
					a.load(z(2*r+h), mem(r*rowBytes+64*h, "DI"))
				}
			}
			a.label(name + "done")
			productEnd(a, t.flush)
		}
	}
}
