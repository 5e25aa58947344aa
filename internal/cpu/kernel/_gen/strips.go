package main

import "fmt"

// Offsets in stripCall of package kernel.
const (
	stripSums  = 0
	stripStep  = 8
	stripX     = 16
	stripW     = stripX + 8*mr
	stripAt    = stripW + 8
	stripWhole = stripAt + 8
	stripN     = stripWhole + 8
	stripCount = stripN + 8
)

// lane is the size of the columns of a vector.
const lane = 32

// strip is the shape of the sums that stay in registers: rows by vectors of eight columns, each its own accumulator.
type strip struct{ rows, vectors int }

// stripShapes: twelve accumulators hide what a multiplication takes; the others are for the last columns.
var stripShapes = []strip{{4, 3}, {4, 2}, {8, 1}}

// stripsAVX2 writes the loops of products over strips of columns, and what takes words apart for them.
func stripsAVX2(a *asm) {
	for _, s := range stripShapes[1:] { // three vectors of fp32 would read every other line of a cache twice
		s.loop(a, "f32", 4, s.f32Words)
	}
	for _, s := range stripShapes {
		s.loop(a, "bf16", 2, s.bf16Words)
	}
	apart(a)
}

// sum is the accumulator of a row and a vector, weight the register of a vector's weights, and the one after them is for x.
func (s strip) sum(r, v int) string { return y(r*s.vectors + v) }
func (s strip) weight(v int) string { return y(s.rows*s.vectors + v) }
func (s strip) x() string           { return s.weight(s.vectors) }

// panels are the registers of the vectors' weights, whose offset is DX.
func (s strip) panel(word, v int) string {
	return mem(word*rowBytes, []string{"BX", "CX", "SI"}[v]) + "(DX*1)"
}

// loop writes a function: for each strip it loads the sums, adds the terms of all words, and stores them. AX counts words.
func (s strip) loop(a *asm, kind string, unroll int, words func(a *asm, word int)) {
	name := fmt.Sprintf("%sStrip%dx%dAVX2", kind, s.rows, s.vectors)
	flush := kind == "bf16"
	a.func_("func "+name+"(c *stripCall)", name, 40, 8)
	if flush {
		flushMode(a)
	}
	const sums, table, left = "sums-24(SP)", "table-32(SP)", "left-40(SP)"
	a.op("MOVQ", arg("c", 0), "DI")
	for _, v := range []struct {
		at int
		to string
	}{{stripSums, sums}, {stripW, table}, {stripCount, left}} {
		a.op("MOVQ", mem(v.at, "DI"), "AX")
		a.op("MOVQ", "AX", v.to)
	}
	pointers := s.rows
	if flush {
		pointers /= 4
	}
	for r := range pointers {
		a.op("MOVQ", mem(stripX+8*r, "DI"), rowPointers[r])
	}
	a.label("strip")
	s.eachSum(a, sums, func(at, sum string) { a.load(at, sum) })
	a.op("MOVQ", table, "AX")
	for v, to := range []string{"BX", "CX", "SI"}[:s.vectors] {
		a.op("MOVQ", mem(8*v, "AX"), to)
	}
	a.op("MOVQ", mem(stripAt, "DI"), "DX")
	a.op("XORQ", "AX", "AX")
	s.words(a, unroll, flush, words)
	s.eachSum(a, sums, func(at, sum string) { a.load(sum, at) })
	a.op("ADDQ", imm(s.vectors*lane), sums)
	a.op("ADDQ", imm(8*s.vectors), table)
	a.op("DECQ", left)
	a.op("JNZ", "strip")
	productEnd(a, flush)
}

// eachSum writes something for each accumulator and its place.
func (s strip) eachSum(a *asm, sums string, f func(at, sum string)) {
	a.op("MOVQ", sums, "AX")
	a.op("MOVQ", mem(stripStep, "DI"), "DX")
	for r := range s.rows {
		if r > 0 {
			a.op("ADDQ", "DX", "AX")
		}
		for v := range s.vectors {
			f(mem(v*lane, "AX"), s.sum(r, v))
		}
	}
}

// words writes the loop over words; the index AX counts words, in fours where x was taken apart.
func (s strip) words(a *asm, unroll int, apart bool, word func(a *asm, word int)) {
	each := 1
	if apart {
		each = 4
	}
	limit := mem(stripWhole, "DI")
	next := func(n int) {
		a.op("ADDQ", imm(each*n), "AX")
		a.op("ADDQ", imm(n*rowBytes), "DX")
	}
	a.op("JMP", "whole")
	a.op("PCALIGN", imm(32))
	a.label("words")
	for c := range unroll {
		word(a, c)
	}
	next(unroll)
	a.label("whole")
	a.op("CMPQ", "AX", limit)
	a.op("JLT", "words")
	limit = mem(stripN, "DI")
	a.op("JMP", "rest")
	a.label("one")
	word(a, 0)
	next(1)
	a.label("rest")
	a.op("CMPQ", "AX", limit)
	a.op("JLT", "one")
}

// f32Words writes the terms of a word of fp32.
func (s strip) f32Words(a *asm, word int) {
	for v := range s.vectors {
		a.load(s.panel(word, v), s.weight(v))
	}
	for r := range s.rows {
		a.op("VBROADCASTSS", element(word, r), s.x())
		s.terms(a, r)
	}
}

// bf16Words writes those of a word of two channels, the odd one first: the weights' are taken apart here, those of x were before, since they
// serve all columns.
func (s strip) bf16Words(a *asm, word int) {
	for even := range 2 {
		s.half(a, word, even)
		for r := range s.rows {
			a.op("VBROADCASTSS", mem(32*word+16*even+4*(r%4), rowPointers[r/4])+"(AX*8)", s.x())
			s.terms(a, r)
		}
	}
}

// half writes the weights' even channels of a word, or the odd ones.
func (s strip) half(a *asm, word, even int) {
	for v := range s.vectors {
		if even == 1 {
			a.load(s.panel(word, v), s.weight(v))
			a.op("VPSLLD", imm(16), s.weight(v), s.weight(v))
		} else {
			a.load(bits(0xffff0000), s.weight(v))
			a.op("VPAND", s.panel(word, v), s.weight(v), s.weight(v))
		}
	}
}

// terms writes the products of a row.
func (s strip) terms(a *asm, r int) {
	for v := range s.vectors {
		a.op("VFMADD231PS", s.weight(v), s.x(), s.sum(r, v))
	}
}

// apart writes what takes n words, a multiple of 8, of four rows apart: of each word the four odd channels, then the four even ones.
func apart(a *asm) {
	a.func_("func apartAVX2(dst *float32, x, next *[4]*float32, n int)", "apartAVX2", 0, 32)
	fourRows(a, func(k int) {
		a.op("VPSLLD", imm(16), y(8), y(9))
		a.op("VPAND", y(15), y(8), y(8))
		a.op("VPERM2F128", imm(0x20), y(9), y(8), y(10))
		a.op("VPERM2F128", imm(0x31), y(9), y(8), y(11))
		a.load(y(10), mem(32*k, "DI"))
		a.load(y(11), mem(32*(k+4), "DI"))
	}, 8*lane, func() { a.load(bits(0xffff0000), y(15)) })
}

// fourRows writes the rest of a function over n words, a multiple of 8, of four rows at x: with words k and k+4 of the rows in Y8, eight
// of which make so many bytes at DI. Meanwhile the rows at next, which are read after them, come nearer.
func fourRows(a *asm, words func(k int), bytes int, begin func()) {
	a.op("MOVQ", arg("dst", 0), "DI")
	a.op("MOVQ", arg("x", 8), "SI")
	a.op("MOVQ", arg("next", 16), "BX")
	a.op("MOVQ", arg("n", 24), "CX")
	for r := range 8 {
		a.op("MOVQ", mem(8*(r%4), []string{"SI", "BX"}[r/4]), rowPointers[r])
	}
	begin()
	a.op("XORQ", "AX", "AX")
	a.label("loop")
	for r := range 4 {
		a.load(element(0, r), y(r))
		a.op("PREFETCHT0", element(0, 4+r))
	}
	for h, name := range []string{"VUNPCKLPS", "VUNPCKHPS"} {
		a.op(name, y(1), y(0), y(4+h))
		a.op(name, y(3), y(2), y(6+h))
	}
	for k := range 4 {
		select_ := 0x44
		if k%2 == 1 {
			select_ = 0xee
		}
		a.op("VSHUFPS", imm(select_), y(6+k/2), y(4+k/2), y(8))
		words(k)
	}
	a.op("ADDQ", imm(bytes), "DI")
	a.op("ADDQ", imm(8), "AX")
	a.op("CMPQ", "AX", "CX")
	a.op("JLT", "loop")
	a.end()
}
