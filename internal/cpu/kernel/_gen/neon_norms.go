package main

// normsNEON writes the parts of group norm and layer norm.
func normsNEON(a *asm) {
	none := func() {}
	a.lanesNEON("sumNEON", "", none, func(sum int) {
		a.ldrNext(0, 0)
		a.v3("fadd", sum, sum, 0)
	})
	a.lanesNEON("squaresNEON", "mean", none, func(sum int) {
		a.ldrNext(0, 0)
		a.v3("fsub", 0, 0, 1)
		a.v3("fmla", sum, 0, 0)
	})

	a.func_("func normalizeNEON(dst, x, gamma, beta *float32, n int, mean, rstd float32)", "normalizeNEON", 0, 48)
	for i, name := range []string{"dst", "x", "gamma", "beta", "n"} {
		a.op("MOVD", arg(name, 8*i), xr(i))
	}
	a.argNumber(1, "mean", 40)
	a.argNumber(2, "rstd", 44)
	a.loop("loop", 4, 4, func() {
		a.ldrNext(0, 1)
		a.ldrNext(3, 2)
		a.ldrNext(4, 3)
		a.v3("fsub", 0, 0, 1)
		a.v3("fmul", 0, 0, 2)
		a.v3("fmla", 4, 0, 3)
		a.strNext(4, 0)
	})
	a.op("RET")
	scaleNEON(a)
	momentsNEON(a)
}

// scaleNEON writes fma(x, a, b) by channel, for pixels a stride in floats apart.
func scaleNEON(a *asm) {
	a.begin("scaleNEON", "(dst, x *float32, dstStride, xStride int, a, b *float32, n, pixels int)", "dst", "x", "dstStride", "xStride", "a", "b", "n", "pixels")
	a.loop("pixel", 7, 1, func() {
		for i, r := range []int{0, 1, 4, 5, 6} {
			a.op("MOVD", xr(r), xr(10+i))
		}
		a.loop("loop", 14, 4, func() {
			a.ldrNext(0, 11)
			a.ldrNext(1, 12)
			a.ldrNext(2, 13)
			a.v3("fmla", 2, 0, 1)
			a.strNext(2, 10)
		})
		a.op("ADD", xr(2)+"<<2", xr(0), xr(0))
		a.op("ADD", xr(3)+"<<2", xr(1), xr(1))
	})
	a.op("RET")
}

// Registers of moments: the share and the weight of a merge.
const (
	neonShare  = 28
	neonWeight = 29
)

// mergeNEON joins the moments (mean b, M2 mb) to (mean, m2); it spoils b.
func (a *asm) mergeNEON(mean, m2, b, mb int) {
	a.v3("fsub", b, b, mean) // delta
	a.v3("fmla", mean, b, neonShare)
	a.v3("fmul", b, b, b)
	a.v3("fmul", b, b, neonWeight)
	a.v3("fadd", m2, m2, mb)
	a.v3("fadd", m2, m2, b)
}

// momentsNEON writes the statistics of a whole block of pixels, four channels side by side, and their merge.
func momentsNEON(a *asm) {
	const inv, mean, m2, ownMean, ownM2 = 30, 16, 17, 18, 19
	a.func_("func blockMomentsNEON(mean, m2, x *float32, n, stride int, share, weight float32, first bool)", "blockMomentsNEON", 0, 49)
	for i, name := range []string{"mean", "m2", "x", "n", "stride"} {
		a.op("MOVD", arg(name, 8*i), xr(i))
	}
	a.constants()
	a.number(inv, 1.0/blockPixels)
	a.argNumber(neonShare, "share", 40)
	a.argNumber(neonWeight, "weight", 44)
	a.op("MOVBU", arg("first", 48), xr(5))
	steps := a.multiples(4, 11)
	a.op("ADD", xr(4), xr(steps[4]), xr(16))
	a.op("ADD", xr(4), xr(16), xr(17))
	a.loop("loop", 3, 4, func() {
		a.six(2, steps)
		a.ldrPlus(6, 2, 16)
		a.ldrPlus(7, 2, 17)
		a.v3("fadd", ownMean, 0, 1)
		for i := 2; i < blockPixels; i++ {
			a.v3("fadd", ownMean, ownMean, i)
		}
		a.v3("fmul", ownMean, ownMean, inv)
		a.zero(ownM2)
		for i := range blockPixels {
			a.v3("fsub", i, i, ownMean)
			a.v3("fmla", ownM2, i, i)
		}
		a.op("CBZ", xr(5), "merge")
		a.vmov(mean, ownMean)
		a.vmov(m2, ownM2)
		a.op("B", "put")
		a.label("merge")
		a.ldr(mean, 0, 0)
		a.ldr(m2, 1, 0)
		a.mergeNEON(mean, m2, ownMean, ownM2)
		a.label("put")
		a.strNext(mean, 0)
		a.strNext(m2, 1)
		a.op("ADD", imm(16), xr(2), xr(2))
	})
	a.op("RET")

	a.func_("func mergeMomentsNEON(mean, m2, meanB, m2B *float32, n int, share, weight float32)", "mergeMomentsNEON", 0, 48)
	for i, name := range []string{"mean", "m2", "meanB", "m2B", "n"} {
		a.op("MOVD", arg(name, 8*i), xr(i))
	}
	a.argNumber(neonShare, "share", 40)
	a.argNumber(neonWeight, "weight", 44)
	a.loop("loop", 4, 4, func() {
		a.ldr(mean, 0, 0)
		a.ldr(m2, 1, 0)
		a.ldrNext(ownMean, 2)
		a.ldrNext(ownM2, 3)
		a.mergeNEON(mean, m2, ownMean, ownM2)
		a.strNext(mean, 0)
		a.strNext(m2, 1)
	})
	a.op("RET")
}

// blockPixels is that of package kernel.
const blockPixels = 8
