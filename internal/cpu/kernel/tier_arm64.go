//go:build !purego

package kernel

// NEON is the tier of 64-bit processors of Arm, which all have it. Its products of bf16 numbers are fp32 ones, with subnormal numbers zero.
var NEON = func() Tier {
	t := neon
	t.F32Attend, t.BF16Attend = attendBy(&t, false), attendBy(&t, true)
	return t
}()

var neon = Tier{
	Name: "neon", F32: productF32NEON, BF16: productBF16NEON, F32Between: between(productF32NEON, pairsBy(4, pairsNEON)), BF16Between: between(productBF16NEON, pairsBy(4, pairsNEON)),
	Pairs: pairsBy(4, pairsNEON), PairRows: foursOfTwo(pairRowsNEON, pairRows), PairLines: linesBy(pairLinesNEON, pairLines, NR), LineWords: linesBy(lineWordsNEON, lineWords, NR/2),
	SiLU: foursOfOne(siluNEON, silu), GELU: foursOfOne(geluNEON, gelu), QuickGELU: foursOfOne(quickGELUNEON, quickGELU),
	MulGELU: foursOfTwo(mulGELUNEON, mulGELU), Add: foursOfTwo(addNEON, add),
	Divide: divideInVectors, ScaleMax: scaleMaxInVectors, Exp2Sum: exp2SumInVectors,
	Sum: sumInVectors, Squares: squaresInVectors, Normalize: normalizeInVectors, Scale: scaleInVectors,
	BlockMoments: blockMomentsInVectors, MergeMoments: mergeMomentsInVectors, Transpose: transposesNEON.weights, Columns: transposesNEON.columns,
	Rows: rowsBy(between(productF32NEON, nil)), WinogradWeights: winogradWeightsBy(winogradWeightsNEON),
	WinogradIn: winogradInBy(4, winogradInNEON), WinogradOut: winogradOutBy(4, winogradOutNEON, winogradOutAddNEON),
}

func machineTiers() []Tier {
	if !dotsAsDefined(productBF16NEON) {
		return nil
	}
	return []Tier{NEON}
}
