//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

// AVX2 is the tier for processors with AVX2, FMA and F16C (Intel since 2013, AMD since 2015).
var AVX2 = func() Tier {
	t := avx2
	t.F32Attend, t.BF16Attend = attendBy(&t, false), attendBy(&t, true)
	return t
}()

var avx2 = Tier{
	Name: "avx2", F32: stripDot(false), BF16: stripDot(true), F32Between: strips(false, pairsBy(8, pairsAVX2)), BF16Between: strips(true, pairsBy(8, pairsAVX2)), Panels: 3, Height: blockRows, F32Lay: layer(false), BF16Lay: layer(true), LaidLen: laidLen, Working: stripWorking, Pairs: pairsBy(8, pairsAVX2), PairRows: ofTwo(pairRowsAVX2), PairLines: linesBy(pairLinesAVX2, pairLines, NR), LineWords: linesBy(lineWordsAVX2, lineWords, NR/2),
	SiLU: ofOne(siluAVX2), GELU: ofOne(geluAVX2), QuickGELU: ofOne(quickGELUAVX2),
	MulGELU: ofTwo(mulGELUAVX2), Add: ofTwo(addAVX2),
	Divide: divideBy(divideAVX2), ScaleMax: withNumber(scaleMaxAVX2, scaleMax), Exp2Sum: withNumber(exp2SumAVX2, exp2Sum), Exp2Words: exp2WordsOf,
	Sum: sumBy(sumAVX2), Squares: withNumber(squaresAVX2, squares), Normalize: normalizeBy(normalizeAVX2), Scale: scaleBy(scaleAVX2),
	BlockMoments: blockMomentsInCalls, MergeMoments: mergeMomentsInCalls, Transpose: transposesAVX2.weights, Columns: transposesAVX2.columns,
	Rows: rowsBy(strips(false, nil)), WinogradWeights: winogradWeightsBy(winogradWeightsAVX2), WinogradIn: winogradInBy(1, winogradInAVX2), WinogradOut: winogradOutBy(1, winogradOutAVX2, winogradOutAddAVX2),
}

// AVX512 is the tier for processors with AVX-512 (F, BW, DQ, VL): in vectors of 64 bytes, but for moments and packing, which are
// those of AVX2.
var AVX512 = func() Tier {
	t := AVX2.wide("avx512", productF32AVX512, productBF16AVX512)
	t.F32Between = wholes(f32AVX512tiles, false, t.F32, t.Pairs)
	t.BF16Between = wholes(bf16AVX512tiles, false, t.BF16, t.Pairs)
	t.F32Attend = attendsBy(f32AVX512attend, false, attendBy(&t, false))
	t.BF16Attend = attendsBy(bf16AVX512attend, true, attendBy(&t, true))
	return t
}()

// AVX512BF16 is the tier for processors that have dot products of bf16 pairs too (Intel since 2020, AMD since 2022).
var AVX512BF16 = func() Tier {
	t := AVX2.wide("avx512bf16", productF32AVX512, productBF16Dot)
	t.Pairs, t.PairLines = pairsBy(16, pairsBF16), linesBy(pairLinesBF16, pairLines, NR)
	t.F32Between = wholes(f32AVX512tiles, false, t.F32, t.Pairs)
	t.BF16Between = wholes(bf16DotAVX512tiles, true, t.BF16, t.Pairs)
	t.TransposeWords = transposeWords
	t.F32Attend = attendsBy(f32AVX512attend, false, attendBy(&t, false))
	t.BF16Attend = attendsBy(bf16DotAVX512attend, true, attendBy(&t, true))
	return t
}()

// wide is a tier in vectors of 64 bytes.
func (t Tier) wide(name string, f32, bf16 Dot) Tier {
	t.Name, t.F32, t.BF16, t.Panels, t.Height, t.Working = name, f32, bf16, 1, MR, nil
	t.F32Lay, t.BF16Lay, t.LaidLen = nil, nil, nil
	t.SiLU, t.GELU, t.QuickGELU = ofOne(siluAVX512), ofOne(geluAVX512), ofOne(quickGELUAVX512)
	t.MulGELU, t.Add = ofTwo(mulGELUAVX512), ofTwo(addAVX512)
	t.Divide = divideBy(divideAVX512)
	t.ScaleMax, t.Exp2Sum = withNumber(scaleMaxAVX512, scaleMax), withNumber(exp2SumAVX512, exp2Sum)
	t.Exp2Words = nil
	t.Sum, t.Squares = sumBy(sumAVX512), withNumber(squaresAVX512, squares)
	t.Normalize, t.Scale = normalizeBy(normalizeAVX512), scaleBy(scaleAVX512)
	t.WinogradWeights = winogradWeightsBy(winogradWeightsAVX512)
	t.Rows, t.WinogradIn, t.WinogradOut = rowsF32, winogradInBy(1, winogradInAVX512), winogradOutBy(1, winogradOutAVX512, winogradOutAddAVX512)
	return t
}

func machineTiers() []Tier {
	var tiers []Tier
	x := &cpu.X86
	if !x.HasAVX2 || !x.HasFMA || !x.HasF16C {
		return nil
	}
	tiers = append(tiers, AVX2)
	if !x.HasAVX512F || !x.HasAVX512BW || !x.HasAVX512DQ || !x.HasAVX512VL {
		return tiers
	}
	tiers = append(tiers, AVX512)
	if x.HasAVX512BF16 && dotsAsDefined(productBF16Dot) {
		tiers = append(tiers, AVX512BF16)
	}
	return tiers
}
