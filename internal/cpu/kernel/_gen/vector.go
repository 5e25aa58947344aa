package main

import (
	"fmt"
	"math"
)

// table collects constants, each repeated over a vector so that it can be a memory operand.
type table struct {
	index map[uint32]int
	bits  []uint32
}

var constants = table{index: map[uint32]int{}}

// wide says that vectors are of 64 bytes, with masks in K registers, and not of 32.
var wide bool

// vector is the size of a vector in bytes.
func vector() int {
	if wide {
		return 64
	}
	return 32
}

// suffix ends the names of functions.
func suffix() string {
	if wide {
		return "AVX512"
	}
	return "AVX2"
}

// y is the name of a vector register, x that of its lowest quarter or half.
func y(i int) string {
	if wide {
		return z(i)
	}
	return fmt.Sprintf("Y%d", i)
}
func x(i int) string { return fmt.Sprintf("X%d", i) }

// mask is the register of the mask that a vector register stands for.
func mask(reg string) string {
	if !wide {
		return reg
	}
	var i int
	if _, err := fmt.Sscanf(reg, "Z%d", &i); err != nil {
		panic(err)
	}
	return fmt.Sprintf("K%d", 1+i%7)
}

// bits is the address of a vector of an integer constant.
func bits(v uint32) string {
	i, ok := constants.index[v]
	if !ok {
		i = len(constants.bits)
		constants.index[v] = i
		constants.bits = append(constants.bits, v)
	}
	return fmt.Sprintf("constants<>+%d(SB)", vector()*i)
}

// num is the address of a vector of an fp32 constant.
func num(v float32) string { return bits(math.Float32bits(v)) }

// data writes the constants, and masks: eight words of ones, then eight of zeros.
func (a *asm) data() {
	a.WriteByte('\n')
	for i, v := range constants.bits {
		for j := range vector() / 8 {
			fmt.Fprintf(a, "DATA constants<>+%d(SB)/8, $0x%08x%08x\n", vector()*i+8*j, v, v)
		}
	}
	fmt.Fprintf(a, "GLOBL constants<>(SB), RODATA|NOPTR, $%d\n\n", vector()*len(constants.bits))
	if wide {
		return
	}
	for i := range 4 {
		fmt.Fprintf(a, "DATA masks<>+%d(SB)/8, $0xffffffffffffffff\n", 8*i)
	}
	fmt.Fprintln(a, "DATA masks<>+32(SB)/8, $0\nDATA masks<>+40(SB)/8, $0\nDATA masks<>+48(SB)/8, $0\nDATA masks<>+56(SB)/8, $0")
	fmt.Fprintln(a, "GLOBL masks<>(SB), RODATA|NOPTR, $64")
}

// Comparisons of VCMPPS: false for NaN, except unordered and notLess.
const (
	notLess        = 0x15
	greaterThan    = 0x1e
	greaterOrEqual = 0x1d
	unordered      = 0x03
)

func (a *asm) load(from, to string)   { a.op("VMOVUPS", from, to) }
func (a *asm) add(l, r, to string)    { a.op("VADDPS", r, l, to) } // to = l + r; r may be memory
func (a *asm) sub(l, r, to string)    { a.op("VSUBPS", r, l, to) }
func (a *asm) mul(l, r, to string)    { a.op("VMULPS", r, l, to) }
func (a *asm) div(l, r, to string)    { a.op("VDIVPS", r, l, to) }
func (a *asm) and(l, r, to string)    { a.op("VANDPS", r, l, to) }
func (a *asm) or(l, r, to string)     { a.op("VORPS", r, l, to) }
func (a *asm) xor(l, r, to string)    { a.op("VXORPS", r, l, to) }
func (a *asm) horner(p, f, c string)  { a.op("VFMADD213PS", c, f, p) } // p = p*f + c
func (a *asm) addMul(l, r, to string) { a.op("VFMADD231PS", r, l, to) }
func (a *asm) compare(how int, l, r, to string) {
	a.op("VCMPPS", imm(how), r, l, mask(to))
}

// choose makes to = other where a mask is set.
func (a *asm) choose(where, other, to string) {
	if wide {
		a.op("VBLENDMPS", other, to, mask(where), to)
		return
	}
	a.op("VBLENDVPS", where, other, to, to)
}

// keep makes v zero where a mask is not set.
func (a *asm) keep(where, v string) {
	if wide {
		a.op("VMOVUPS.Z", v, mask(where), v)
		return
	}
	a.and(v, where, v)
}

// tailMask makes a mask of the first count elements, fewer than a vector's, count being CX; it spoils AX and count.
func (a *asm) tailMask(count, to string) {
	if wide {
		a.op("MOVQ", imm(1), "AX")
		a.op("SHLQ", count, "AX")
		a.op("DECQ", "AX")
		a.op("KMOVW", "AX", mask(to))
		return
	}
	a.op("LEAQ", "masks<>+32(SB)", "AX")
	a.op("SHLQ", imm(2), count)
	a.op("SUBQ", count, "AX")
	a.load("(AX)", to)
}

// masked loads and stores.
func (a *asm) loadMasked(where, from, to string) {
	if wide {
		a.op("VMOVUPS.Z", from, mask(where), to)
		return
	}
	a.op("VMASKMOVPS", from, where, to)
}

func (a *asm) storeMasked(where, from, to string) {
	if wide {
		a.op("VMOVUPS", from, mask(where), to)
		return
	}
	a.op("VMASKMOVPS", from, where, to)
}

// elements writes a loop over count elements, a vector at a time: body gets whether the vector is
// the last, partial one, whose mask is in Y15. The pointers advance after each vector.
func (a *asm) elements(name, count string, pointers []string, body func(tail bool)) {
	a.op("SUBQ", imm(vector()/4), count)
	a.op("JLT", name+"tail")
	a.label(name + "loop")
	body(false)
	for _, p := range pointers {
		a.op("ADDQ", imm(vector()), p)
	}
	a.op("SUBQ", imm(vector()/4), count)
	a.op("JGE", name+"loop")
	a.label(name + "tail")
	a.op("ADDQ", imm(vector()/4), count)
	a.op("JEQ", name+"done")
	a.tailMask(count, y(15))
	body(true)
	a.label(name + "done")
}

// get and put are loads and stores inside elements.
func (a *asm) get(tail bool, from, to string) {
	if tail {
		a.loadMasked(y(15), from, to)
	} else {
		a.load(from, to)
	}
}

func (a *asm) put(tail bool, from, to string) {
	if tail {
		a.storeMasked(y(15), from, to)
	} else {
		a.load(from, to)
	}
}

// end returns from a function.
func (a *asm) end() {
	a.op("VZEROUPPER")
	a.op("RET")
}
