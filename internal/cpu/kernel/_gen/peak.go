package main

// Sums that do not wait for one another, as many as it takes to keep two units of four cycles' latency at work and more.
const (
	peakSumsAVX2   = 12
	peakSumsAVX512 = 24
)

// peakBegin begins a function of a number of rounds and gives n registers their first values: sums 0, then the two factors.
func peakBegin(a *asm, name string, n int, register func(int) string, factor string) {
	a.func_("func "+name+"(rounds int)", name, 0, 8)
	a.op("MOVQ", arg("rounds", 0), "CX")
	for i := range n {
		a.op("VBROADCASTSS", num(0), register(i))
	}
	a.op("VBROADCASTSS", factor, register(n))
	a.op("VBROADCASTSS", factor, register(n+1))
	a.op("PCALIGN", imm(32))
	a.label("loop")
}

// peakEnd ends the loop.
func peakEnd(a *asm) {
	a.op("DECQ", "CX")
	a.op("JNZ", "loop")
	a.end()
}

// readers writes a function that loads n bytes, a multiple of 16 registers.
func readers(a *asm, name string, bytes int, register func(int) string) {
	a.func_("func "+name+"(p *byte, n int)", name, 0, 16)
	a.op("MOVQ", arg("p", 0), "SI")
	a.op("MOVQ", arg("n", 8), "CX")
	a.op("PCALIGN", imm(32))
	a.label("loop")
	for i := range 16 {
		a.load(mem(i*bytes, "SI"), register(i%8))
	}
	a.op("ADDQ", imm(16*bytes), "SI")
	a.op("SUBQ", imm(16*bytes), "CX")
	a.op("JNZ", "loop")
	a.end()
}

// peakAVX2 writes loops that do nothing but fused multiply-adds, and loads.
func peakAVX2(a *asm) {
	peakBegin(a, "peakF32AVX2", peakSumsAVX2, y, num(1.0/1024))
	for i := range peakSumsAVX2 {
		a.op("VFMADD231PS", y(peakSumsAVX2), y(peakSumsAVX2+1), y(i))
	}
	peakEnd(a)
	readers(a, "readAVX2", 32, y)
}

// peakAVX512 is the same in registers of 64 bytes.
func peakAVX512(a *asm) {
	peakBegin(a, "peakF32AVX512", peakSumsAVX512, z, num(1.0/1024))
	for i := range peakSumsAVX512 {
		a.op("VFMADD231PS", z(peakSumsAVX512), z(peakSumsAVX512+1), z(i))
	}
	peakEnd(a)
	readers(a, "readAVX512", 64, z)
}

// peakBF16 writes a loop of dot products of pairs of bf16 numbers.
func peakBF16(a *asm) {
	const pair = 0x3a803a80 // 1/1024 twice
	peakBegin(a, "peakBF16Dot", peakSumsAVX512, z, bits(pair))
	for i := range peakSumsAVX512 {
		a.vdpbf16ps(peakSumsAVX512, peakSumsAVX512+1, i)
	}
	peakEnd(a)
}
