//go:build !purego

package kernel

import "golang.org/x/sys/cpu"

// AVX2 is the tier for processors with AVX2, FMA and F16C (Intel since 2013, AMD since 2015).
var AVX2 = Tier{
	Name: "avx2", F32: productF32AVX2, BF16: productBF16AVX2,
	RoundBF16: ofOne(roundBF16AVX2), SiLU: ofOne(siluAVX2), GELU: ofOne(geluAVX2), QuickGELU: ofOne(quickGELUAVX2),
	MulGELU: ofTwo(mulGELUAVX2), Add: ofTwo(addAVX2),
	ScaleMax: scaleMaxInCalls, Exp2Sum: exp2SumInCalls,
	Sum: sumInCalls, Squares: squaresInCalls, Normalize: normalizeInCalls, Scale: scaleInCalls,
	BlockMoments: blockMomentsInCalls, MergeMoments: mergeMomentsInCalls, Transpose: transposeInCalls, Columns: columnsInCalls,
}

func machineTiers() []Tier {
	if cpu.X86.HasAVX2 && cpu.X86.HasFMA && cpu.X86.HasF16C {
		return []Tier{AVX2}
	}
	return nil
}
