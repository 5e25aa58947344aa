package main

// Registers of the constants of Winograd's transforms: the points' squares, the points, and what else a line asks for.
const (
	neonSquares = 16 // b², a²
	neonPoints  = 18 // a, b
	neonSum     = 20 // a² + b²
	neonProduct = 21 // a²b²
	neonCubes   = 22 // a³, b³
)

// winogradNEON writes the transforms of a tile, on a multiple of four channels.
func winogradNEON(a *asm) {
	a.begin("winogradInNEON", "(v *float32, plane int, x *float32, row, pixel, n int, tmp *float32)", "v", "plane", "x", "row", "pixel", "n", "tmp")
	a.winogradConstants()
	lines := a.multiples(3, 10)  // of x
	planes := a.multiples(1, 14) // of v
	a.op("LSL", imm(2), xr(4), xr(4))
	a.op("ADD", xr(1)+"<<1", xr(1), xr(19))
	a.op("LSL", imm(1), xr(19), xr(19)) // six planes
	a.loop("loop", 5, 4, func() {
		a.op("MOVD", xr(2), xr(7))
		for j := range 6 {
			a.six(7, lines)
			a.inputLineNEON(func(i, from int) { a.str(from, 6, 16*(6*i+j)) })
			a.op("ADD", xr(4), xr(7), xr(7))
		}
		a.op("MOVD", xr(0), xr(8))
		for i := range 6 {
			for j := range 6 {
				a.ldr(j, 6, 16*(6*i+j))
			}
			a.inputLineNEON(func(j, from int) { a.strAmong(from, 8, planes, j) })
			a.op("ADD", xr(19), xr(8), xr(8))
		}
		a.op("ADD", imm(16), xr(2), xr(2))
		a.op("ADD", imm(16), xr(0), xr(0))
	})
	a.op("RET")
	winogradOutNEON(a, false)
	winogradOutNEON(a, true)
	winogradWeightsNEON(a)
}

// winogradOutNEON writes the way back, with a residual or without.
func winogradOutNEON(a *asm, residual bool) {
	name, more := "winogradOutNEON", ""
	args := []string{"out", "row", "pixel", "m", "plane", "init", "n", "tmp"}
	if residual {
		name, more, args = "winogradOutAddNEON", ", add", append(args, "add")
	}
	a.begin(name, "(out *float32, row, pixel int, m *float32, plane int, init *float32, n int, tmp"+more+" *float32)", args...)
	a.winogradConstants()
	for _, r := range []int{1, 2, 4} {
		a.op("LSL", imm(2), xr(r), xr(r))
	}
	a.op("ADD", xr(4)+"<<1", xr(4), xr(10))
	a.op("LSR", imm(1), xr(10), xr(10)) // six planes, of which multiples makes bytes
	lines := a.multiples(10, 11)
	a.loop("loop", 6, 4, func() {
		a.op("MOVD", xr(3), xr(17))
		for j := range 6 {
			a.six(17, lines)
			a.outputLineNEON(func(i, from int) { a.str(from, 7, 16*(6*i+j)) })
			a.op("ADD", xr(4), xr(17), xr(17))
		}
		a.ldrNext(9, 5)
		a.op("MOVD", "$0", xr(16))
		for i := range 4 {
			for j := range 6 {
				a.ldr(j, 7, 16*(6*i+j))
			}
			a.op("MOVD", xr(16), xr(15))
			a.outputLineNEON(func(j, from int) {
				a.v3("fadd", from, from, 9)
				if residual {
					a.ldrPlus(10, 8, 15)
					a.v3("fadd", from, from, 10)
				}
				a.strPlus(from, 0, 15)
				a.op("ADD", xr(2), xr(15), xr(15))
			})
			a.op("ADD", xr(1), xr(16), xr(16))
		}
		for _, r := range []int{3, 0, 8} {
			if r != 8 || residual {
				a.op("ADD", imm(16), xr(r), xr(r))
			}
		}
	})
	a.op("RET")
}

// winogradConstants loads the constants.
func (a *asm) winogradConstants() {
	a.constants()
	for i, v := range []float32{wb2, wa2, wa, wb, wa2 + wb2, wa2 * wb2, wa2 * wa, wb2 * wb} {
		a.number(neonSquares+i, v)
	}
}

// multiples makes bytes of a step in floats in register x, and puts two to five of them into the registers from to on.
func (a *asm) multiples(x, to int) (of [5]int) {
	a.op("LSL", imm(2), xr(x), xr(x))
	of[0] = x
	for i := 1; i < len(of); i++ {
		of[i] = to + i - 1
		a.op("ADD", xr(x), xr(of[i-1]), xr(of[i]))
	}
	return of
}

// six loads v0 to v5 at an address and multiples of a step from it on.
func (a *asm) six(x int, steps [5]int) {
	a.ldr(0, x, 0)
	for i, step := range steps {
		a.ldrPlus(1+i, x, step)
	}
}

// strAmong stores at an address and so many steps.
func (a *asm) strAmong(from, x int, steps [5]int, i int) {
	if i == 0 {
		a.str(from, x, 0)
		return
	}
	a.strPlus(from, x, steps[i-1])
}

// inputLineNEON transforms v0 to v5 and gives each result to put; it spoils v6 to v8.
func (a *asm) inputLineNEON(put func(i, from int)) {
	for i := range 2 {
		other, point := neonSquares+i, neonPoints+i
		a.vmov(6, 4)
		a.v3("fmls", 6, 2, other)
		a.vmov(7, 3)
		a.v3("fmls", 7, 1, other)
		a.vmov(8, 6)
		a.v3("fmla", 8, 7, point)
		put(2*i+1, 8)
		a.v3("fmls", 6, 7, point)
		put(2*i+2, 6)
	}
	for i := range 2 { // x4 and x5 are not read again
		a.v3("fmls", 4+i, 2+i, neonSum)
		a.v3("fmla", 4+i, i, neonProduct)
		put(5*i, 4+i)
	}
}

// outputLineNEON transforms v0 to v5 back and gives each of four results to put; it spoils all up to v8.
func (a *asm) outputLineNEON(put func(i, from int)) {
	wb2, wa2, wa, wb := neonSquares, neonSquares+1, neonPoints, neonPoints+1
	a.v3("fadd", 6, 1, 2) // s
	a.v3("fsub", 1, 1, 2) // d
	a.v3("fadd", 7, 3, 4) // p
	a.v3("fsub", 3, 3, 4) // q
	a.v3("fadd", 0, 0, 6)
	a.v3("fadd", 0, 0, 7)
	put(0, 0)
	a.v3("fmul", 8, 1, wa)
	a.v3("fmla", 8, 3, wb)
	put(1, 8)
	a.v3("fmul", 6, 6, wa2)
	a.v3("fmla", 6, 7, wb2)
	put(2, 6)
	a.v3("fmla", 5, 1, neonCubes)
	a.v3("fmla", 5, 3, neonCubes+1)
	put(3, 5)
}

// winogradWeightsNEON writes the transform of weights, two at a time in float64. Constants are a², a, b², b in v16 to v19 and a factor a plane.
func winogradWeightsNEON(a *asm) {
	a.begin("winogradWeightsNEON", "(dst, taps *float32, plane, n int, constants *float64, tmp *float32)", "dst", "taps", "plane", "n", "constants", "tmp")
	for i := range 4 {
		a.repeatNextDouble(16+i, 4)
	}
	planes := a.multiples(2, 10)
	three := planes[2]
	a.op("ADD", xr(three), xr(three), xr(14))
	six := 14
	a.op("MOVD", "$0", xr(15))
	a.loop("loop", 3, 2, func() {
		a.op("MOVD", xr(1), xr(7))
		for j := range 3 {
			for i, step := range []int{15, three, six} {
				a.ldrHalf(i, 7, step)
				a.f32ToF64(i, i)
			}
			a.weightLineNEON(func(i, from int) { a.str(from, 5, 16*(3*i+j)) })
			a.op("ADD", xr(2), xr(7), xr(7))
		}
		a.op("MOVD", xr(0), xr(7))
		a.op("MOVD", xr(4), xr(8))
		for i := range 6 {
			for j := range 3 {
				a.ldr(j, 5, 16*(3*i+j))
			}
			a.weightLineNEON(func(j, from int) { a.vmov(20+j, from) })
			for j := range 6 {
				a.repeatNextDouble(7, 8)
				a.v3d("fmul", 7, 20+j, 7)
				a.f64ToF32(7, 7)
				step := 15
				if j > 0 {
					step = planes[j-1]
				}
				a.strHalf(7, 7, step)
			}
			a.op("ADD", xr(six), xr(7), xr(7))
		}
		a.op("ADD", imm(8), xr(0), xr(0))
		a.op("ADD", imm(8), xr(1), xr(1))
	})
	a.op("RET")
}

// weightLineNEON transforms v0 to v2 in float64 and gives each result to put; it spoils v3 to v6.
func (a *asm) weightLineNEON(put func(i, from int)) {
	put(0, 0)
	for i := range 2 {
		a.v3d("fmul", 3, 2, 16+2*i)
		a.v3d("fadd", 3, 0, 3)
		a.v3d("fmul", 4, 1, 17+2*i)
		a.v3d("fadd", 5, 3, 4)
		a.v3d("fsub", 6, 3, 4)
		put(2*i+1, 5)
		put(2*i+2, 6)
	}
	put(5, 2)
}
