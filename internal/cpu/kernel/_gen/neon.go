package main

import (
	"fmt"
	"math"
)

// Go's assembler lacks most vector instructions of arm64, so all of them are written as words with the instruction beside them, as
// GNU's disassembler has it. Vectors are of four fp32 numbers or words; registers are numbers.

// threeSame are the instructions with two operands: on four lanes, and on sixteen bytes for those of bits.
var threeSame = map[string]uint32{
	"fadd": 0x4e20d400, "fsub": 0x4ea0d400, "fmul": 0x6e20dc00, "fdiv": 0x6e20fc00, "fmla": 0x4e20cc00, "fmax": 0x4e20f400, "fmin": 0x4ea0f400,
	"fcmeq": 0x4e20e400, "fcmge": 0x6e20e400, "fcmgt": 0x6ea0e400, "cmgt": 0x4ea03400, "add": 0x4ea08400, "sub": 0x6ea08400,
	"uzp1": 0x4e801800, "uzp2": 0x4e805800, "trn1": 0x4e802800, "trn2": 0x4e806800, "fmls": 0x4ea0cc00,
}

// twoSame and eightSame are those on two lanes (of float64 or of two words) and on eight halves of words.
var (
	twoSame   = map[string]uint32{"fadd": 0x4e60d400, "fsub": 0x4ee0d400, "fmul": 0x6e60dc00, "trn1": 0x4ec02800, "trn2": 0x4ec06800}
	eightSame = map[string]uint32{"zip1": 0x4e403800, "zip2": 0x4e407800}
)

var bitwise = map[string]uint32{"and": 0x4e201c00, "orr": 0x4ea01c00, "eor": 0x6e201c00, "bit": 0x6ea01c00, "bif": 0x6ee01c00}

// word writes one instruction.
func (a *asm) word(code uint32, format string, args ...any) {
	fmt.Fprintf(a, "\tWORD $0x%08x // %s\n", code, fmt.Sprintf(format, args...))
}

// v3 writes an instruction with two operands n and m: fmla adds their products to d and fmls takes them away, rounded once; bit and bif replace d by n
// where m is set, or not.
func (a *asm) v3(name string, d, n, m int) {
	if _, ok := bitwise[name]; ok {
		a.same(bitwise, "16b", name, d, n, m)
		return
	}
	a.same(threeSame, "4s", name, d, n, m)
}

// v3d and v3h are v3 on two lanes of 64 bits, and on eight of 16.
func (a *asm) v3d(name string, d, n, m int) { a.same(twoSame, "2d", name, d, n, m) }
func (a *asm) v3h(name string, d, n, m int) { a.same(eightSame, "8h", name, d, n, m) }

// same writes an instruction of a table, whose operands have these lanes.
func (a *asm) same(table map[string]uint32, lanes, name string, d, n, m int) {
	code, ok := table[name]
	if !ok {
		panic(name + " of " + lanes)
	}
	a.word(code|uint32(m)<<16|uint32(n)<<5|uint32(d), "%s v%d.%s, v%d.%s, v%d.%s", name, d, lanes, n, lanes, m, lanes)
}

// vmov copies a register.
func (a *asm) vmov(d, n int) {
	a.word(0x4ea01c00|uint32(n)<<16|uint32(n)<<5|uint32(d), "mov v%d.16b, v%d.16b", d, n)
}

// element adds n times lane i of m to d.
func (a *asm) element(d, n, m, i int) {
	a.word(0x4f801000|uint32(i&1)<<21|uint32(m)<<16|uint32(i>>1)<<11|uint32(n)<<5|uint32(d), "fmla v%d.4s, v%d.4s, v%d.s[%d]", d, n, m, i)
}

// shift shifts n's lanes by a constant: shl, ushr or sshr.
func (a *asm) shift(name string, d, n, by int) {
	code := map[string]uint32{"shl": 0x4f005400 | uint32(32+by)<<16, "ushr": 0x6f000400 | uint32(64-by)<<16, "sshr": 0x4f000400 | uint32(64-by)<<16}[name]
	a.word(code|uint32(n)<<5|uint32(d), "%s v%d.4s, v%d.4s, #%d", name, d, n, by)
}

// fcvtns makes whole numbers, rounded to nearest even; fneg changes signs.
func (a *asm) fcvtns(d, n int) {
	a.word(0x4e21a800|uint32(n)<<5|uint32(d), "fcvtns v%d.4s, v%d.4s", d, n)
}
func (a *asm) fneg(d, n int) {
	a.word(0x6ea0f800|uint32(n)<<5|uint32(d), "fneg v%d.4s, v%d.4s", d, n)
}

// zero makes +0.
func (a *asm) zero(d int) { a.word(0x6f00e400|uint32(d), "movi v%d.2d, #0x0", d) }

// ldr and str move a vector at register x's address and an offset, a multiple of 16.
func (a *asm) ldr(d, x, off int) { a.vectorAt(0x3dc00000, "ldr", d, x, off) }
func (a *asm) str(d, x, off int) { a.vectorAt(0x3d800000, "str", d, x, off) }

func (a *asm) vectorAt(code uint32, name string, d, x, off int) {
	at := fmt.Sprintf("[x%d]", x)
	if off > 0 {
		at = fmt.Sprintf("[x%d, #%d]", x, off)
	}
	a.word(code|uint32(off/16)<<10|uint32(x)<<5|uint32(d), "%s q%d, %s", name, d, at)
}

// ldrNext and strNext move a vector and advance the address.
func (a *asm) ldrNext(d, x int) {
	a.word(0x3cc10400|uint32(x)<<5|uint32(d), "ldr q%d, [x%d], #16", d, x)
}
func (a *asm) strNext(d, x int) {
	a.word(0x3c810400|uint32(x)<<5|uint32(d), "str q%d, [x%d], #16", d, x)
}

// ldrPlus and strPlus move a vector at the sum of two registers; ldrHalf and strHalf the lower half of one.
func (a *asm) ldrPlus(d, x, y int) { a.vectorPlus(0x3ce06800, "ldr q", d, x, y) }
func (a *asm) strPlus(d, x, y int) { a.vectorPlus(0x3ca06800, "str q", d, x, y) }
func (a *asm) ldrHalf(d, x, y int) { a.vectorPlus(0xfc606800, "ldr d", d, x, y) }
func (a *asm) strHalf(d, x, y int) { a.vectorPlus(0xfc206800, "str d", d, x, y) }

func (a *asm) vectorPlus(code uint32, name string, d, x, y int) {
	a.word(code|uint32(y)<<16|uint32(x)<<5|uint32(d), "%s%d, [x%d, x%d]", name, d, x, y)
}

// widening and narrowing conversions of the lower half of a register: fp16 and bf16 to fp32, fp32 to float64 and back.
func (a *asm) f16ToF32(d, n int) {
	a.word(0x0e217800|uint32(n)<<5|uint32(d), "fcvtl v%d.4s, v%d.4h", d, n)
}
func (a *asm) bf16ToF32(d, n int) {
	a.word(0x2e613800|uint32(n)<<5|uint32(d), "shll v%d.4s, v%d.4h, #16", d, n)
}
func (a *asm) f32ToF64(d, n int) {
	a.word(0x0e617800|uint32(n)<<5|uint32(d), "fcvtl v%d.2d, v%d.2s", d, n)
}
func (a *asm) f64ToF32(d, n int) {
	a.word(0x0e616800|uint32(n)<<5|uint32(d), "fcvtn v%d.2s, v%d.2d", d, n)
}

// repeatNext loads one number into all lanes and advances the address by it; dup copies one from register x.
func (a *asm) repeatNext(d, x int) {
	a.word(0x4ddfc800|uint32(x)<<5|uint32(d), "ld1r {v%d.4s}, [x%d], #4", d, x)
}
func (a *asm) repeatNextDouble(d, x int) {
	a.word(0x4ddfcc00|uint32(x)<<5|uint32(d), "ld1r {v%d.2d}, [x%d], #8", d, x)
}
func (a *asm) dup(d, x int) {
	a.word(0x4e040c00|uint32(x)<<5|uint32(d), "dup v%d.4s, w%d", d, x)
}

// x is the name of a scalar register in Go's assembly.
func xr(i int) string { return fmt.Sprintf("R%d", i) }

// tableAt is the register of the constants' address.
const tableAt = 9

// begin begins a function and puts its arguments, eight bytes each, into R0, R1 and so on.
func (a *asm) begin(name, signature string, args ...string) {
	a.func_("func "+name+signature, name, 0, 8*len(args))
	for i, v := range args {
		a.op("MOVD", arg(v, 8*i), xr(i))
	}
}

// constants puts the address of constants into their register.
func (a *asm) constants() { a.op("MOVD", "$constants<>(SB)", xr(tableAt)) }

// number loads a constant; pattern does so by its bits.
func (a *asm) number(d int, v float32) { a.pattern(d, math.Float32bits(v)) }
func (a *asm) pattern(d int, v uint32) {
	bits(v)
	a.ldr(d, tableAt, 16*constants.index[v])
}

// argNumber fills d with a number among the arguments.
func (a *asm) argNumber(d int, name string, off int) {
	a.op("MOVWU", arg(name, off), xr(10))
	a.dup(d, 10)
}

// neonData writes the constants.
func (a *asm) neonData() {
	a.WriteByte('\n')
	for i, v := range constants.bits {
		for j := range 2 {
			fmt.Fprintf(a, "DATA constants<>+%d(SB)/8, $0x%08x%08x\n", 16*i+8*j, v, v)
		}
	}
	fmt.Fprintf(a, "GLOBL constants<>(SB), RODATA|NOPTR, $%d\n", 16*len(constants.bits))
}

// loop repeats body while register count, lessened by step each time, is greater than zero.
func (a *asm) loop(name string, count, step int, body func()) {
	a.label(name)
	body()
	a.op("SUBS", imm(step), xr(count), xr(count))
	a.op("BGT", name)
}
