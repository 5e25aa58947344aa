//go:build !purego

package kernel

// NEON is the tier of 64-bit processors of Arm, which all have it. Packing, moments, divisions and the transforms of Winograd's algorithm are those of
// plain Go; its products of bf16 numbers are fp32 ones, with subnormal numbers zero.
var NEON = func() Tier {
	t := neon
	t.F32Attend, t.BF16Attend = attendBy(&t, false), attendBy(&t, true)
	return t
}()

var neon = Tier{
	Name: "neon", F32: productF32NEON, BF16: productBF16NEON, F32Between: between(productF32NEON, pairsInVectors), BF16Between: between(productBF16NEON, pairsInVectors),
	Pairs: pairsInVectors, PairRows: foursOfTwo(pairRowsNEON, pairRows), PairLines: linesInVectors, LineWords: lineWords,
	SiLU: foursOfOne(siluNEON, silu), GELU: foursOfOne(geluNEON, gelu), QuickGELU: foursOfOne(quickGELUNEON, quickGELU),
	MulGELU: foursOfTwo(mulGELUNEON, mulGELU), Add: foursOfTwo(addNEON, add),
	Divide: divide, ScaleMax: scaleMaxInVectors, Exp2Sum: exp2SumInVectors,
	Sum: sumInVectors, Squares: squaresInVectors, Normalize: normalizeInVectors, Scale: scaleInVectors,
	BlockMoments: blockMoments, MergeMoments: mergeMoments, Transpose: transpose, Columns: columns,
	Rows: rowsBy(between(productF32NEON, nil)), WinogradWeights: winogradWeights, WinogradIn: winogradIn, WinogradOut: winogradOut,
}

func machineTiers() []Tier {
	if !dotsAsDefined(productBF16NEON) {
		return nil
	}
	return []Tier{NEON}
}
