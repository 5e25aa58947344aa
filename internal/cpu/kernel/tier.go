package kernel

// Tier is the set of inner loops for one kind of processor. The slices of one call
// have one length unless a function says otherwise; dst may be an operand.
type Tier struct {
	Name string
	// F32 adds fp32 terms, one IEEE fused multiply-add each.
	F32 Dot
	// BF16 adds terms of words of two channels, the odd one first; accumulators below 2^-126 are zero before
	// and after each addition.
	BF16 Dot
	// F32Between and BF16Between are the same for a row of tiles, from their beginnings to their places.
	F32Between, BF16Between Product
	// Panels is the number of neighbouring panels that they treat best at once: rows of tiles should have a multiple of it. 0 is 1.
	Panels int
	// Height is the most rows that they take in one call, a multiple of MR, and treat best. 0 is MR.
	Height int
	// F32Lay and BF16Lay lay rows out for them; LaidLen is the number of floats that so many rows of so many channels take. nil: they have no use
	// for it.
	F32Lay, BF16Lay Layer
	LaidLen         func(rows, channels int) int
	// Working is the number of floats that [Ends] keep for themselves while so many rows of so many columns are made ([Ends.Keep]). nil: none.
	Working func(rows, cols int) int
	// F32Attend and BF16Attend add a block of keys to attention.
	F32Attend, BF16Attend func(b *Block)
	// Divide makes o = o / l.
	Divide func(o []float32, l float32)
	// Pairs makes words of neighbouring channels, rounded to bf16: len(dst) = (len(x)+1)/2.
	Pairs func(dst, x []float32)
	// PairRows makes words whose even channels are a and odd ones b.
	PairRows func(dst, a, b []float32)
	// PairLines makes words of k lines of NR channels, step elements apart: dst[i*NR+j] has x[2*i*step+j] and
	// x[(2*i+1)*step+j], or zero where k ends.
	PairLines func(dst, x []float32, step, k int)
	// LineWords does so with lines that are words of neighbouring channels, NR/2 each.
	LineWords func(dst, x []float32, step, k int)
	// SiLU, GELU and QuickGELU are those of package numeric, element by element.
	SiLU, GELU, QuickGELU func(dst, x []float32)
	// MulGELU writes x * GELU(y).
	MulGELU func(dst, x, y []float32)
	// Add writes x + y.
	Add func(dst, x, y []float32)
	// ScaleMax multiplies s by scale and returns the maximum: -Inf for none, NaN where one is NaN.
	ScaleMax func(s []float32, scale float32) float32
	// Exp2Sum makes s = Exp2(s - top) and returns the sum in 16 lanes. No number of s is above top, as greatest scores are; s and top may
	// have NaN.
	Exp2Sum func(s []float32, top float32) float32
	// Exp2Words does so with the first n numbers of s and makes words of them, in the first half of s, whose other words are zero. Of a
	// sum that is NaN the words may all be NaN. len(s) is a multiple of 16. nil where Exp2Sum and Pairs do it.
	Exp2Words func(s []float32, n int, top float32) float32
	// Sum adds up in 16 lanes; Squares adds (x - mean)^2, each by one fused multiply-add.
	Sum     func(x []float32) float32
	Squares func(x []float32, mean float32) float32
	// Normalize writes fma((x-mean)*rstd, gamma, beta).
	Normalize func(dst, x, gamma, beta []float32, mean, rstd float32)
	// Scale writes fma(x, a, b) by channel: x and dst are pixels of len(a) channels, stride apart.
	Scale func(dst []float32, dstStride int, x []float32, xStride int, a, b []float32, pixels int)
	// BlockMoments takes the moments of n <= 8 pixels of len(mean) channels, stride apart,
	// and merges them to mean and m2 by f; the first block replaces what was there.
	BlockMoments func(mean, m2, x []float32, stride, n int, f mergeFactors)
	// MergeMoments merges (meanB, m2B) to (mean, m2).
	MergeMoments func(mean, m2, meanB, m2B []float32, f mergeFactors)
	// Transpose widens n elements from each of NR rows of a weight, step elements apart, the first at
	// element at: dst[e*NR+j] = w[at+j*step+e].
	Transpose func(dst []float32, w *Weight, at, step, n int)
	// TransposeWords does the same for n words of two channels, 2*n elements of each row, rounded to bf16; nil where
	// Transpose and PairLines do it, and false where the format is none of its own.
	TransposeWords func(dst []float32, w *Weight, at, step, n int) bool
	// Columns does what Transpose does, for n elements of the first rows (at most NR) rows of x; the others are zero.
	Columns func(dst, x []float32, step, n, rows int)
	// Rows multiplies rows (a multiple of MR) of n words, step elements apart, by a panel, with sums that begin at +0: out[r*NR+j] is
	// the sum of x[r*step+c] * w[c*NR+j] over c ascending, one fused multiply-add a term.
	Rows func(out, x []float32, step int, w Panel, n, rows int)
	// WinogradWeights makes 36 planes of n weights of nine taps; taps and planes are plane elements apart. tmp has WinogradScratch
	// elements.
	WinogradWeights func(dst, taps []float32, plane, n int, tmp []float32)
	// WinogradIn makes the 36 planes of a tile, plane elements apart, of n channels of 6x6 pixels: pixel (y, x) is at y*row + x*pixel. tmp has
	// WinogradScratch elements.
	WinogradIn func(v []float32, plane int, x []float32, row, pixel, n int, tmp []float32)
	// WinogradOut makes 4x4 pixels of len(init) channels of the sums m in planes, each with its channel's init added and then the pixel
	// of add, which is laid out as out or nil.
	WinogradOut func(out, add []float32, row, pixel int, m []float32, plane int, init, tmp []float32)
}

// Plain is the oracle: plain Go.
var Plain = func() Tier {
	t := plain
	t.F32Attend, t.BF16Attend = attendBy(&t, false), attendBy(&t, true)
	return t
}()

var plain = Tier{
	Name: "go", F32: productF32, BF16: productBF16, F32Between: between(productF32, pairs), BF16Between: between(productBF16, pairs), Pairs: pairs, PairRows: pairRows, PairLines: pairLines, LineWords: lineWords,
	SiLU: silu, GELU: gelu, QuickGELU: quickGELU, MulGELU: mulGELU, Add: add,
	Divide: divide, ScaleMax: scaleMax, Exp2Sum: exp2Sum,
	Sum: sum, Squares: squares, Normalize: normalize, Scale: scale,
	BlockMoments: blockMoments, MergeMoments: mergeMoments, Transpose: transpose, Columns: columns,
	Rows: rowsBy(between(productF32, pairs)), WinogradWeights: winogradWeights, WinogradIn: winogradIn, WinogradOut: winogradOut,
}

// Tiers lists the tiers that this machine can run, the plain one first, the best last.
func Tiers() []Tier { return append([]Tier{Plain}, machineTiers()...) }

// Best is the best tier that FLOW_CPU does not switch off.
func Best() Tier {
	best := Plain
	for _, t := range machineTiers() {
		if !switchedOff(t.Name) {
			best = t
		}
	}
	return best
}
