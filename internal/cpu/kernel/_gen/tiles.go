package main

// Offsets in tileCall of package kernel.
const (
	callIn = 8 * iota
	callInStep
	callInTile
	callOut
	callStep
	callTile
	callAdd
	callAddStep
	callAddTile
	callX
	callRuns
	callCount
	callW
	callTiles
	callWords
)

// eachRow writes something for each row of a tile, at R8, R9 bytes apart.
func (a *asm) eachRow(row func(r int)) {
	for r := range mr {
		if r > 0 {
			a.op("ADDQ", "R9", "R8")
		}
		row(r)
	}
}

// What moves from tile to tile is in the frame: the collector knows no pointers behind the ends of slices.
const (
	tileIn    = "in-24(SP)"
	tileOut   = "out-32(SP)"
	tileAdd   = "add-40(SP)"
	tileW     = "w-48(SP)"
	tilesLeft = "tiles-56(SP)"
)

// productTiles writes the loop over whole tiles between their ends; see Ends of package kernel.
func productTiles(a *asm, t terms) {
	name := t.name + "tiles"
	a.func_("func "+name+"(c *tileCall)", name, 56, 8)
	tileBegin(a)
	a.label("tile")
	a.op("MOVQ", arg("c", 0), "DI")
	tileSums(a)
	tileRuns(a, &t)
	a.op("MOVQ", arg("c", 0), "DI")
	tileEnd(a, &t)
	tileNext(a)
	a.end()
}

// tileRows begins a walk over the rows of a tile at a place in the frame, whose distance the call has.
func tileRows(a *asm, at string, step int) {
	a.op("MOVQ", at, "R8")
	a.op("MOVQ", mem(step, "DI"), "R9")
}

// tileResidual writes something for each row of what is added, where there is any.
func tileResidual(a *asm, label string, row func(r int)) {
	tileRows(a, tileAdd, callAddStep)
	a.op("TESTQ", "R8", "R8")
	a.op("JEQ", label)
	a.eachRow(row)
	a.label(label)
}

// tileBegin copies what moves from tile to tile into the frame.
func tileBegin(a *asm) {
	a.op("MOVQ", arg("c", 0), "DI")
	for _, v := range [][2]string{{tileIn, mem(callIn, "DI")}, {tileOut, mem(callOut, "DI")}, {tileAdd, mem(callAdd, "DI")}, {tileW, mem(callW, "DI")}, {tilesLeft, mem(callTiles, "DI")}} {
		a.op("MOVQ", v[1], "AX")
		a.op("MOVQ", "AX", v[0])
	}
}

// tileSums loads what a tile's sums begin with, and asks for what its end needs: that comes from far away while the loop runs.
func tileSums(a *asm) {
	touch := func(int) {
		a.op("PREFETCHT0", mem(0, "R8"))
		a.op("PREFETCHT0", mem(64, "R8"))
	}
	tileRows(a, tileOut, callStep)
	a.eachRow(touch)
	tileRows(a, tileIn, callInStep)
	a.eachRow(func(r int) {
		for h := range 2 {
			a.load(mem(64*h, "R8"), z(2*r+h))
		}
	})
	tileResidual(a, "begun", touch)
}

// tileRuns writes the loop over the runs of a tile's terms.
func tileRuns(a *asm, t *terms) {
	a.op("MOVQ", mem(callX, "DI"), "SI")
	a.op("MOVQ", mem(callCount, "DI"), "AX")
	a.op("MOVQ", "AX", "left-16(SP)")
	a.op("MOVQ", mem(callRuns, "DI"), "DI")
	if t.flush {
		flushMode(a)
	}
	t.setup(a)
	a.label("run")
	a.op("MOVQ", tileW, "DX")
	a.op("ADDQ", imm(24), tileW)
	a.op("MOVQ", "(DX)", "DX")
	a.op("MOVQ", "(DI)", "BX")
	a.op("MOVQ", "8(DI)", "CX")
	a.op("ADDQ", imm(16), "DI")
	walk(a, "", mr, 4, func(count int) { t.words(a, count, mr, 2) })
	a.op("DECQ", "left-16(SP)")
	a.op("JNZ", "run")
	if t.flush {
		a.op("LDMXCSR", "saved-8(SP)")
	}
}

// tileEnd adds the residual and stores a tile's sums, as words where they are wanted.
func tileEnd(a *asm, t *terms) {
	tileResidual(a, "store", func(r int) {
		for h := range 2 {
			a.add(z(2*r+h), mem(64*h, "R8"), z(2*r+h))
		}
	})
	tileRows(a, tileOut, callStep)
	if t.round != nil {
		a.op("CMPQ", mem(callWords, "DI"), imm(0))
		a.op("JEQ", "sums")
		a.flushBegin()
		a.eachRow(func(r int) {
			t.round(a, 2*r)
			a.load(z(2*r), mem(0, "R8"))
		})
		a.op("JMP", "stored")
		a.label("sums")
	}
	a.eachRow(func(r int) {
		for h := range 2 {
			a.load(z(2*r+h), mem(64*h, "R8"))
		}
	})
	a.label("stored")
}

// tileNext goes to the next tile.
func tileNext(a *asm) {
	for _, v := range []struct {
		at   string
		step int
	}{{tileIn, callInTile}, {tileOut, callTile}, {tileAdd, callAddTile}} {
		a.op("MOVQ", mem(v.step, "DI"), "AX")
		a.op("ADDQ", "AX", v.at)
	}
	a.op("DECQ", tilesLeft)
	a.op("JNZ", "tile")
}
