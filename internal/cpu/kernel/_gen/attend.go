package main

import "fmt"

// Offsets in attendCall of package kernel.
const (
	atQueries = 8 * iota
	atQueryStep
	atTiles
	atKeys
	atWords
	atPanels
	atValues
	atValuePanel
	atPairs
	atValuePanels
	atScores
	atScoreStep
	atWeights
	atWeightStep
	atSums
	atSumStep
	atTops
	atLs
	atUnits
	atTail
	atScale
)

// What moves from tile to tile, and eight numbers of a tile's rows each.
const (
	attendQueries = "queries-16(SP)"
	attendSums    = "sums-24(SP)"
	attendTops    = "tops-32(SP)"
	attendLs      = "ls-40(SP)"
	attendTiles   = "tiles-48(SP)"
	attendLeft    = "left-56(SP)"
	attendTop     = "top-96(SP)"
	attendFactor  = "factor-128(SP)"
	attendParts   = "parts-160(SP)"
	attendFrame   = 160
)

// The registers of the softmax: coefficients of exp2 from Z16 on, the bounds below which a weight is zero and, as a word, is zero; a
// row's top and its sum.
const (
	coefficients = 16
	leastPower   = 23
	rowTop       = 24
	rowSum       = 25
	leastWord    = 26
)

// attend writes the whole of attention for a block of keys; see Block of package kernel.
func attend(a *asm, t terms, round bool) {
	name := t.name + "attend"
	a.func_("func "+name+"(c *attendCall)", name, attendFrame, 8)
	a.call()
	for _, v := range [][2]string{{attendQueries, mem(atQueries, "DI")}, {attendSums, mem(atSums, "DI")}, {attendTops, mem(atTops, "DI")}, {attendLs, mem(atLs, "DI")}, {attendTiles, mem(atTiles, "DI")}} {
		a.op("MOVQ", v[1], "AX")
		a.op("MOVQ", "AX", v[0])
	}
	a.label("tile")
	a.attendScores(t)
	a.attendTops()
	a.attendWeights(t, round)
	a.attendValues(t)
	a.call()
	for _, v := range []struct {
		at   string
		step int
	}{{attendQueries, atQueryStep}, {attendSums, atSumStep}} {
		a.op("MOVQ", mem(v.step, "DI"), "AX")
		a.op("SHLQ", imm(3), "AX")
		a.op("ADDQ", "AX", v.at)
	}
	a.op("ADDQ", imm(4*mr), attendTops)
	a.op("ADDQ", imm(4*mr), attendLs)
	a.op("DECQ", attendTiles)
	a.op("JNZ", "tile")
	a.end()
}

// call loads the argument.
func (a *asm) call() { a.op("MOVQ", arg("c", 0), "DI") }

// pointRows makes the pointers of rows, from one in R8 on, AX bytes apart.
func (a *asm) pointRows() {
	for r := 1; r < mr; r++ {
		a.op("LEAQ", fmt.Sprintf("(%s)(AX*1)", rowPointers[r-1]), rowPointers[r])
	}
}

// everyRow writes something for each row at SI, AX bytes apart.
func (a *asm) everyRow(row func(r int)) {
	for r := range mr {
		if r > 0 {
			a.op("ADDQ", "AX", "SI")
		}
		row(r)
	}
}

// flushed writes a walk over words in the mode of the terms.
func (t *terms) flushed(a *asm, name string) {
	if t.flush {
		flushMode(a)
	}
	t.setup(a)
	stretch(a, name, 4, func(count int) { t.words(a, count, mr, 2) })
	if t.flush {
		a.op("LDMXCSR", "saved-8(SP)")
	}
}

// attendScores writes the scores of a tile's queries, scaled.
func (a *asm) attendScores(t terms) {
	a.call()
	a.op("MOVQ", attendQueries, "R8")
	a.op("MOVQ", mem(atQueryStep, "DI"), "AX")
	a.pointRows()
	a.op("MOVQ", mem(atPanels, "DI"), "AX")
	a.op("MOVQ", "AX", attendLeft)
	a.op("MOVQ", mem(atKeys, "DI"), "DX")
	a.op("MOVQ", mem(atScores, "DI"), "BX")
	a.label("keys")
	for v := range 2 * mr {
		a.op("VXORPS", z(v), z(v), z(v))
	}
	a.op("MOVQ", mem(atWords, "DI"), "CX")
	t.flushed(a, "key")
	a.op("VBROADCASTSS", mem(atScale, "DI"), z(16))
	a.op("MOVQ", "BX", "SI")
	a.op("MOVQ", mem(atScoreStep, "DI"), "AX")
	a.everyRow(func(r int) {
		for h := range 2 {
			a.mul(z(2*r+h), z(16), z(2*r+h))
			a.load(z(2*r+h), mem(64*h, "SI"))
		}
	})
	a.op("ADDQ", imm(rowBytes), "BX")
	a.op("DECQ", attendLeft)
	a.op("JNZ", "keys")
}

// tailMasks makes K1 and K2 of the last keys, fewer than NR.
func (a *asm) tailMasks() {
	a.op("MOVL", mem(atTail, "DI"), "AX")
	a.op("KMOVW", "AX", "K1")
	a.op("SHRL", imm(16), "AX")
	a.op("KMOVW", "AX", "K2")
}

// attendTops finds each row's greatest score, and the factors of what was summed before.
func (a *asm) attendTops() {
	a.call()
	a.tailMasks()
	a.op("MOVQ", mem(atScores, "DI"), "SI")
	a.op("LEAQ", attendTop, "BX")
	a.op("MOVQ", imm(mr), "DX")
	a.label("top")
	a.load(bits(0xff800000), z(0))
	a.load(z(0), z(1))
	a.op("MOVQ", "SI", "R8")
	a.op("MOVQ", mem(atUnits, "DI"), "CX")
	a.op("TESTQ", "CX", "CX")
	a.op("JEQ", "toptail")
	a.label("topunit")
	for h := range 2 {
		a.op("VMAXPS", mem(64*h, "R8"), z(h), z(h))
	}
	a.op("ADDQ", imm(rowBytes), "R8")
	a.op("DECQ", "CX")
	a.op("JNZ", "topunit")
	a.label("toptail")
	for h := range 2 {
		a.op("VMAXPS", mem(64*h, "R8"), z(h), fmt.Sprintf("K%d", 1+h), z(h))
	}
	a.op("VMAXPS", z(1), z(0), z(2))
	a.halve("VMAXPS", 2, 4)
	a.op("VMOVHLPS", x(2), x(2), x(4))
	a.op("VMAXPS", x(4), x(2), x(2))
	a.op("VMOVSHDUP", x(2), x(4))
	a.op("VMAXPS", x(4), x(2), x(2))
	a.op("VMOVSS", x(2), "(BX)")
	a.op("ADDQ", mem(atScoreStep, "DI"), "SI")
	a.op("ADDQ", imm(4), "BX")
	a.op("DECQ", "DX")
	a.op("JNZ", "top")
	for i, c := range exp2Coefficients {
		a.load(num(c), z(coefficients+i))
	}
	a.load(num(-126), z(leastPower))
	a.load(num(-63), z(leastWord))
	a.op("MOVQ", attendTops, "SI")
	a.load("(SI)", "Y0")
	a.op("VMAXPS", attendTop, "Y0", "Y1")
	a.load("Y1", attendTop)
	a.load("Y1", "(SI)")
	a.op("VSUBPS", "Y1", "Y0", "Y0")
	a.power2(0, 1, 2, 3)
	a.load("Y0", attendFactor)
}

// exp2Coefficients are those of numeric.Exp2.
var exp2Coefficients = []float32{0.00015353361959569156, 0.0013398875016719103, 0.00961843691766262, 0.055503323674201965, 0.24022647738456726, 0.6931471824645996, 1}

// power2 is numeric.Exp2 of a number that is not above zero, in register v; it spoils n, f and p, and K3.
func (a *asm) power2(v, n, f, p int) {
	a.op("VRNDSCALEPS", imm(8), z(v), z(n))
	a.op("VCMPPS", imm(notLess), z(leastPower), z(v), "K3")
	a.sub(z(v), z(n), z(f))
	a.load(z(coefficients), z(p))
	for i := range len(exp2Coefficients) - 1 {
		a.horner(z(p), z(f), z(coefficients+1+i))
	}
	a.op("VSCALEFPS.Z", z(n), z(p), "K3", z(v))
}

// attendWeights makes weights of scores, and their sums.
func (a *asm) attendWeights(t terms, round bool) {
	a.op("MOVQ", mem(atScores, "DI"), "SI")
	a.op("MOVQ", mem(atWeights, "DI"), "DX")
	a.op("XORQ", "BX", "BX")
	a.label("weights")
	a.op("LEAQ", attendTop, "AX")
	a.op("VBROADCASTSS", "(AX)(BX*4)", z(rowTop))
	a.op("VXORPS", z(rowSum), z(rowSum), z(rowSum))
	a.op("MOVQ", "SI", "R8")
	a.op("MOVQ", "DX", "R9")
	a.op("MOVQ", mem(atUnits, "DI"), "CX")
	a.op("TESTQ", "CX", "CX")
	a.op("JEQ", "weighttail")
	a.op("PCALIGN", imm(32))
	a.label("weight")
	a.weights(t, round, false)
	a.op("ADDQ", imm(rowBytes), "R8")
	a.op("ADDQ", imm(map[bool]int{true: rowBytes / 2, false: rowBytes}[round]), "R9")
	a.op("DECQ", "CX")
	a.op("JNZ", "weight")
	a.label("weighttail")
	a.op("CMPL", mem(atTail, "DI"), imm(0))
	a.op("JEQ", "weighed")
	a.weights(t, round, true)
	a.label("weighed")
	a.load(z(rowSum), z(2))
	a.joinLanes()
	a.op("LEAQ", attendParts, "AX")
	a.op("VMOVSS", x(2), "(AX)(BX*4)")
	a.op("ADDQ", mem(atScoreStep, "DI"), "SI")
	a.op("ADDQ", mem(atWeightStep, "DI"), "DX")
	a.op("INCQ", "BX")
	a.op("CMPQ", "BX", imm(mr))
	a.op("JLT", "weights")
	a.op("MOVQ", attendLs, "SI")
	a.load("(SI)", "Y0")
	a.load(attendFactor, "Y1")
	a.op("VFMADD213PS", attendParts, "Y1", "Y0")
	a.load("Y0", "(SI)")
}

// weights makes NR weights of the scores at R8.
func (a *asm) weights(t terms, round, tail bool) {
	first := func(h int) int { return 4 * h }
	for h := range 2 {
		v := first(h)
		a.load(mem(64*h, "R8"), z(v))
		a.sub(z(v), z(rowTop), z(v))
		if round {
			a.op("VCMPPS", imm(notLess), z(leastWord), z(v), fmt.Sprintf("K%d", 4+h))
		}
		a.power2(v, v+1, v+2, v+3)
		if tail {
			a.op("VMOVUPS.Z", z(v), fmt.Sprintf("K%d", 1+h), z(v))
		}
	}
	for h := range 2 {
		a.add(z(rowSum), z(first(h)), z(rowSum))
	}
	if !round {
		for h := range 2 {
			a.load(z(first(h)), mem(64*h, "R9"))
		}
		return
	}
	for h := range 2 {
		a.op("VMOVUPS.Z", z(first(h)), fmt.Sprintf("K%d", 4+h), z(first(h)))
	}
	t.pack(a, first(0), first(1))
}

// packWords writes two registers of numbers that are not below zero as words at R9, without an instruction for it.
func packWords(a *asm, low, high int) {
	for h, v := range []int{low, high} {
		r, one := z(v+1), z(v+2)
		a.op("VPSRLD", imm(16), z(v), r)
		a.op("VPANDD", bits(1), r, r)
		a.op("VPADDD", bits(0x7fff), r, r)
		a.op("VPADDD", z(v), r, r)
		a.op("VCMPPS", imm(unordered), z(v), z(v), "K6")
		a.op("VMOVUPS", z(v), "K6", r)
		a.op("VPSRLD", imm(16), r, one)
		a.op("VPMOVDW", one, fmt.Sprintf("Y%d", v+1))
		a.load(fmt.Sprintf("Y%d", v+1), mem(32*h, "R9"))
	}
}

// attendValues adds the weighted values.
func (a *asm) attendValues(t terms) {
	a.op("MOVQ", mem(atValuePanels, "DI"), "AX")
	a.op("MOVQ", "AX", attendLeft)
	a.op("MOVQ", mem(atValues, "DI"), "DX")
	a.op("MOVQ", attendSums, "BX")
	a.label("values")
	a.op("MOVQ", "BX", "SI")
	a.op("MOVQ", mem(atSumStep, "DI"), "AX")
	a.op("LEAQ", attendFactor, "CX")
	a.everyRow(func(r int) {
		a.op("VBROADCASTSS", mem(4*r, "CX"), z(16))
		for h := range 2 {
			a.op("VMULPS", mem(64*h, "SI"), z(16), z(2*r+h))
		}
	})
	a.op("MOVQ", mem(atWeights, "DI"), "R8")
	a.op("MOVQ", mem(atWeightStep, "DI"), "AX")
	a.pointRows()
	a.op("MOVQ", mem(atPairs, "DI"), "CX")
	a.op("MOVQ", "DX", "SI")
	t.flushed(a, "value")
	a.op("MOVQ", "SI", "DX")
	a.op("ADDQ", mem(atValuePanel, "DI"), "DX")
	a.op("MOVQ", "BX", "SI")
	a.op("MOVQ", mem(atSumStep, "DI"), "AX")
	a.everyRow(func(r int) {
		for h := range 2 {
			a.load(z(2*r+h), mem(64*h, "SI"))
		}
	})
	a.op("ADDQ", imm(rowBytes), "BX")
	a.op("DECQ", attendLeft)
	a.op("JNZ", "values")
}

// attendWide and attendDot write attention with the terms of two tiers.
func attendWide(a *asm) {
	attend(a, f32Terms(), false)
	attend(a, bf16Terms(), true)
}

func attendDot(a *asm) { attend(a, dotTerms(), true) }
