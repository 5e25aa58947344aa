package main

import "fmt"

// Offsets in blockCall of package kernel.
const (
	blockIn = 8 * iota
	blockInStep
	blockOut
	blockStep
	blockX
	blockW
	blockN
	blockQuads
	blockWords
	blockNext
)

// quad is the number of rows whose sums stay in registers.
const quad = 4

// blocksAVX2 writes the loops of products over blocks of rows, and what lays their operands out: weights as slivers of three vectors of
// columns or fewer, channel by channel, and rows as quads of four.
func blocksAVX2(a *asm) {
	for vectors := 3; vectors > 0; vectors-- {
		s := strip{quad, vectors}
		s.block(a, "f32", 4)
		s.block(a, "bf16", 4)
		s.first(a, "f32", 1, s.copied)
		s.first(a, "bf16", 2, s.widened)
	}
	quads(a)
}

// block writes a function: for each quad it loads the sums, adds the terms of all channels of a sliver, and stores them.
func (s strip) block(a *asm, kind string, unroll int) {
	name := fmt.Sprintf("%sBlock%dAVX2", kind, s.vectors)
	flush := kind == "bf16"
	a.func_("func "+name+"(c *blockCall)", name, 16, 8)
	if flush {
		flushMode(a)
	}
	a.op("MOVQ", arg("c", 0), "DI")
	for _, v := range []struct {
		at int
		to string
	}{{blockOut, "AX"}, {blockIn, "R8"}, {blockInStep, "R9"}, {blockX, "SI"}, {blockW, "BX"}, {blockN, "R10"}, {blockQuads, "R11"}} {
		a.op("MOVQ", mem(v.at, "DI"), v.to)
	}
	a.op("MOVQ", "AX", "out-16(SP)")
	a.op("LEAQ", "(R9)(R9*2)", "R12")
	a.op("ADDQ", imm(blockNext), "DI")
	a.op("MOVQ", imm(rowBytes), "AX")
	a.op("XORQ", "R15", "R15") // words that are left of a stream, whose next one is at R14
	a.label("quad")
	s.ahead(a)
	s.blockSums(a, func(at, sum string) { a.load(at, sum) }, "R8", "R9", "R12")
	a.op("LEAQ", "(R8)(R9*4)", "R8")
	for r := range quad { // the next quad's come while these are added to
		for line := 0; line < s.vectors*lane; line += 64 {
			a.op("PREFETCHT0", row(r, line, "R8", "R9", "R12"))
		}
	}
	a.op("MOVQ", "BX", "DX")
	a.op("MOVQ", "R10", "CX")
	a.op("SUBQ", imm(unroll), "CX")
	a.op("JLT", "short")
	a.op("PCALIGN", imm(32))
	a.label("channels")
	for c := range unroll {
		s.channel(a, c)
	}
	a.op("PREFETCHT1", mem(0, "R14"))
	a.op("ADDQ", "AX", "R14")
	a.op("DECQ", "R15")
	a.op("ADDQ", imm(unroll*s.vectors*lane), "DX")
	a.op("ADDQ", imm(unroll*4*quad), "SI")
	a.op("SUBQ", imm(unroll), "CX")
	a.op("JGE", "channels")
	a.label("short")
	a.op("ADDQ", imm(unroll), "CX")
	a.op("JEQ", "done")
	a.label("one")
	s.channel(a, 0)
	a.op("ADDQ", imm(s.vectors*lane), "DX")
	a.op("ADDQ", imm(4*quad), "SI")
	a.op("DECQ", "CX")
	a.op("JNZ", "one")
	a.label("done")
	a.op("MOVQ", "out-16(SP)", "DX")
	a.op("MOVQ", arg("c", 0), "CX")
	a.op("MOVQ", mem(blockStep, "CX"), "CX")
	a.op("LEAQ", "(CX)(CX*2)", "R13")
	s.blockSums(a, func(at, sum string) { a.load(sum, at) }, "DX", "CX", "R13")
	a.op("LEAQ", "(DX)(CX*4)", "DX")
	a.op("MOVQ", "DX", "out-16(SP)")
	a.op("DECQ", "R11")
	a.op("JNZ", "quad")
	productEnd(a, flush)
}

// ahead turns to the next stream of the next sliver's words where one has ended: they come to the second-level cache while these are
// added. After the last the same line is asked for again and again.
func (s strip) ahead(a *asm) {
	a.op("TESTQ", "R15", "R15")
	a.op("JGT", "fetching")
	a.op("MOVQ", "(DI)", "R14")
	a.op("ADDQ", imm(8), "DI")
	a.op("MOVQ", arg("c", 0), "R15")
	a.op("MOVQ", mem(blockWords, "R15"), "R15")
	a.op("TESTQ", "R14", "R14")
	a.op("JNE", "fetching")
	a.op("MOVQ", "BX", "R14")
	a.op("XORQ", "AX", "AX")
	a.op("MOVQ", imm(1<<40), "R15")
	a.label("fetching")
}

// row is a place in row r of a quad, whose rows are so many bytes apart.
func row(r, off int, base, step, thrice string) string {
	return mem(off, base) + []string{"", "(" + step + "*1)", "(" + step + "*2)", "(" + thrice + "*1)"}[r]
}

// blockSums writes something for each accumulator and its place.
func (s strip) blockSums(a *asm, f func(at, sum string), base, step, thrice string) {
	for r := range quad {
		for v := range s.vectors {
			f(row(r, v*lane, base, step, thrice), s.sum(r, v))
		}
	}
}

// channel writes the terms of a channel.
func (s strip) channel(a *asm, c int) {
	for v := range s.vectors {
		a.load(mem((c*s.vectors+v)*lane, "DX"), s.weight(v))
	}
	for r := range quad {
		a.op("VBROADCASTSS", mem(4*(quad*c+r), "SI"), s.x())
		s.terms(a, r)
	}
}

// first writes a function that adds the terms of the first quad from the panels themselves, at words of 128 bytes, and leaves the sliver
// that it has made of them for the others.
func (s strip) first(a *asm, kind string, channels int, word func(a *asm)) {
	name := fmt.Sprintf("%sFirst%dAVX2", kind, s.vectors)
	flush := kind == "bf16"
	frame := 0
	if flush {
		frame = 8
	}
	a.func_("func "+name+"(c *blockCall, w **float32, at, n int)", name, frame, 32)
	if flush {
		flushMode(a)
	}
	a.op("MOVQ", arg("c", 0), "DI")
	for _, v := range []struct {
		at int
		to string
	}{{blockIn, "R8"}, {blockInStep, "R9"}, {blockX, "R10"}, {blockW, "R11"}} {
		a.op("MOVQ", mem(v.at, "DI"), v.to)
	}
	a.op("LEAQ", "(R9)(R9*2)", "R12")
	s.blockSums(a, func(at, sum string) { a.load(at, sum) }, "R8", "R9", "R12")
	a.op("MOVQ", arg("w", 8), "AX")
	a.op("MOVQ", arg("at", 16), "DX")
	a.op("MOVQ", arg("n", 24), "R8")
	for v, to := range []string{"BX", "CX", "SI"}[:s.vectors] {
		a.op("MOVQ", mem(8*v, "AX"), to)
	}
	a.op("PCALIGN", imm(32))
	a.label("loop")
	word(a)
	a.op("ADDQ", imm(rowBytes), "DX")
	a.op("ADDQ", imm(4*quad*channels), "R10")
	a.op("ADDQ", imm(s.vectors*lane*channels), "R11")
	a.op("DECQ", "R8")
	a.op("JNZ", "loop")
	a.op("MOVQ", mem(blockOut, "DI"), "R8")
	a.op("MOVQ", mem(blockStep, "DI"), "R9")
	a.op("LEAQ", "(R9)(R9*2)", "R12")
	s.blockSums(a, func(at, sum string) { a.load(sum, at) }, "R8", "R9", "R12")
	productEnd(a, flush)
}

// copied writes the terms of a word of fp32, and its copy.
func (s strip) copied(a *asm) {
	for v := range s.vectors {
		a.load(s.panel(0, v), s.weight(v))
	}
	s.kept(a, 0)
}

// widened writes the terms of a word's two channels, the odd one first, and their copy.
func (s strip) widened(a *asm) {
	for channel := range 2 {
		s.half(a, 0, channel)
		s.kept(a, channel)
	}
}

// kept writes the terms of a channel whose weights are in registers, and their copy.
func (s strip) kept(a *asm, channel int) {
	for v := range s.vectors {
		a.load(s.weight(v), mem((channel*s.vectors+v)*lane, "R11"))
	}
	for r := range quad {
		a.op("VBROADCASTSS", mem(4*(quad*channel+r), "R10"), s.x())
		s.terms(a, r)
	}
}

// quads writes what brings n channels, a multiple of 8, of four rows together: of each channel the four rows.
func quads(a *asm) {
	a.func_("func quadsAVX2(dst *float32, x, next *[4]*float32, n int)", "quadsAVX2", 0, 32)
	fourRows(a, func(k int) {
		if k%2 == 0 {
			a.op("VMOVUPS", y(8), y(9))
			return
		}
		a.op("VPERM2F128", imm(0x20), y(8), y(9), y(10))
		a.op("VPERM2F128", imm(0x31), y(8), y(9), y(11))
		a.load(y(10), mem(16*(k-1), "DI"))
		a.load(y(11), mem(16*(k+3), "DI"))
	}, 4*lane, func() {})
}
