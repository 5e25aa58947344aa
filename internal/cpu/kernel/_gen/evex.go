package main

import "fmt"

// z is the name of a vector register of 64 bytes.
func z(i int) string { return fmt.Sprintf("Z%d", i) }

// vdpbf16ps adds the products of 16 pairs of bf16 numbers of two registers to a third: dst += l . r. Go's assembler does not
// know it (EVEX.512.F3.0F38.W0 52 /r, Intel SDM volume 2).
func (a *asm) vdpbf16ps(r, l, dst int) {
	a.evex(0x52, prefixF3, dst, l, r)
	fmt.Fprintf(a, " // VDPBF16PS Z%d, Z%d, Z%d\n", r, l, dst)
}

// vcvtne2ps2bf16 rounds two registers of 16 numbers each to one of 32 bf16 numbers, those of low first
// (EVEX.512.F2.0F38.W0 72 /r).
func (a *asm) vcvtne2ps2bf16(low, high, dst int) {
	a.evex(0x72, prefixF2, dst, high, low)
	fmt.Fprintf(a, " // VCVTNE2PS2BF16 Z%d, Z%d, Z%d\n", low, high, dst)
}

// vcvtneps2bf16 rounds 16 numbers to bf16 in half a register (EVEX.512.F3.0F38.W0 72 /r).
func (a *asm) vcvtneps2bf16(from, dst int) {
	a.evex(0x72, prefixF3, dst, 0, from)
	fmt.Fprintf(a, " // VCVTNEPS2BF16 Z%d, Y%d\n", from, dst)
}

// Prefixes as EVEX encodes them.
const (
	prefixF3 = 2
	prefixF2 = 3
)

// evex writes the bytes of an instruction of map 0F38 with W0 on registers of 64 bytes; vvvv is 0 where there are two.
func (a *asm) evex(opcode, prefix byte, dst, vvvv, rm int) {
	inverted := func(v, bit int) byte { return byte(^v>>bit) & 1 }
	p0 := inverted(dst, 3)<<7 | inverted(rm, 4)<<6 | inverted(rm, 3)<<5 | inverted(dst, 4)<<4 | 2
	p1 := byte(^vvvv&15)<<3 | 4 | prefix
	p2 := byte(2<<5) | inverted(vvvv, 4)<<3
	a.WriteString("\t")
	for i, b := range []byte{0x62, p0, p1, p2, opcode, byte(0xc0 | dst&7<<3 | rm&7)} {
		if i > 0 {
			a.WriteString("; ")
		}
		fmt.Fprintf(a, "BYTE $0x%02x", b)
	}
}
