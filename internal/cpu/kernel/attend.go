package kernel

import "github.com/seed-8af8f8e1/flow/internal/numeric"

// Block is one block of keys against some queries of a head: what [Tier].F32Attend and BF16Attend read and write. Words are those of the
// class.
type Block struct {
	Queries   []float32 // row r is at r*QueryStep
	QueryStep int
	Rows      int // of queries, a multiple of MR of which some may be idle

	Keys  []float32 // panels of [Words][NR]
	Words int       // of a query and a key
	N     int       // keys, at most KeyBlock

	Values     []float32 // panels of [Words of N][NR], ValuePanel floats apart
	ValuePanel int
	D          int // channels of a value

	Sums     []float32 // row r, of whole panels, is at r*SumStep: the weighted sum of values so far
	SumStep  int
	Tops, Ls []float32 // of each row: the greatest score and the sum of weights so far, -Inf and 0 at first
	Scale    float32   // of scores, times log2(e)
	Causal   bool      // row r sees keys 0 to Last+r
	Last     int
	Scratch  []float32 // BlockScratch(N) floats
	panels   [][]float32
	x        [1][MR][]float32
	run      [1]Run
	ends     Ends
	terms    Terms
	call     attendCall
}

// BlockScratch is the working memory of a block of n keys.
func BlockScratch(n int) int { return 2 * MR * ((n + NR - 1) / NR * NR) }

// attendBy makes F32Attend or BF16Attend of a tier's other loops.
func attendBy(t *Tier, round bool) func(b *Block) {
	dot := t.F32Between
	if round {
		dot = t.BF16Between
	}
	parts := *t
	return func(b *Block) {
		for r := 0; r < b.Rows; r += MR {
			b.attend(&parts, dot, r, round)
		}
	}
}

// attend treats MR rows from r0 on.
func (b *Block) attend(t *Tier, dot Product, r0 int, round bool) {
	keys := (b.N + NR - 1) / NR * NR
	scores := b.Scratch[:MR*keys]
	for r := range MR {
		b.x[0][r] = b.Queries[(r0+r)*b.QueryStep:]
	}
	b.multiply(dot, b.Keys, NR*b.Words, b.Words, noChannel[:], 0, scores, keys, b.N)
	sums := b.Sums[r0*b.SumStep:]
	for r := range MR {
		if factor := b.weigh(t, scores[r*keys:][:keys], r0+r, round); factor != 1 {
			t.ScaleMax(sums[r*b.SumStep:][:(b.D+NR-1)/NR*NR], factor)
		}
		b.x[0][r] = scores[r*keys:]
	}
	b.multiply(dot, b.Values, b.ValuePanel, Words(b.N, round), sums, b.SumStep, sums, b.SumStep, b.D)
}

// multiply adds the products of the rows in x and panels of n words, from in to out.
func (b *Block) multiply(dot Product, panels []float32, step, n int, in []float32, inStep int, out []float32, outStep, cols int) {
	b.panels = b.panels[:0]
	for p := 0; p*NR < cols; p++ {
		b.panels = append(b.panels, panels[p*step:])
	}
	b.run[0] = Run{1, n}
	b.terms = Terms{X: b.x[:], Runs: b.run[:], W: b.panels}
	e := &b.ends
	e.In, e.InStep, e.InTile, e.Out, e.Step, e.Tile = in, inStep, NR, out, outStep, NR
	if inStep == 0 {
		e.InTile = 0
	}
	dot(e, &b.terms, MR, cols)
}

// weigh turns row r's scores into weights, or words of them, and gives the factor for what was summed before.
func (b *Block) weigh(t *Tier, s []float32, r int, round bool) float32 {
	seen := b.N
	if b.Causal {
		seen = max(0, min(seen, b.Last+r+1))
	}
	clear(s[seen:])
	if seen == 0 {
		return 1
	}
	soft := Softmax{b.Tops[r], b.Ls[r]}
	factor := soft.rise(t.ScaleMax(s[:seen], b.Scale))
	var sum float32
	switch {
	case !round:
		sum = t.Exp2Sum(s[:seen], soft.max)
	case t.Exp2Words == nil:
		sum = t.Exp2Sum(s[:seen], soft.max)
		t.Pairs(s[:Words(b.N, true)], s[:b.N])
	default:
		sum = t.Exp2Words(s, seen, soft.max)
	}
	b.Tops[r], b.Ls[r] = soft.max, numeric.FMA(soft.sum, factor, sum)
	return factor
}

// divide ends a row whose weights have the sum l.
func divide(o []float32, l float32) {
	for i, v := range o {
		o[i] = v / l
	}
}
