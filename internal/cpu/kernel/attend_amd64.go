//go:build !purego

package kernel

// attendCall is what the assembly of a block reads. Steps are in bytes.
type attendCall struct {
	queries    *float32
	queryStep  int
	tiles      int // of MR rows
	keys       *float32
	words      int
	panels     int // of keys
	values     *float32
	valuePanel int
	pairs      int // words of the keys' values
	valuePans  int
	scores     *float32
	scoreStep  int
	weights    *float32
	weightStep int
	sums       *float32
	sumStep    int
	tops, ls   *float32
	units      int // whole NR keys
	tail       int // a bit for each key of the rest
	scale      float32
}

//go:noescape
func f32AVX512attend(c *attendCall)

//go:noescape
func bf16AVX512attend(c *attendCall)

//go:noescape
func bf16DotAVX512attend(c *attendCall)

// attendsBy makes F32Attend or BF16Attend of a loop over tiles; other is for masks and what is too long for one call.
func attendsBy(f func(c *attendCall), round bool, other func(b *Block)) func(b *Block) {
	return func(b *Block) {
		tile := b.N*b.Words/NR + b.D*Words(b.N, round)/NR
		if b.Causal || b.Rows == 0 || b.N == 0 || b.N > KeyBlock || b.Words == 0 || b.D == 0 || tile > 2*mostTerms {
			other(b)
			return
		}
		b.prepare(round)
		c := &b.call
		most := max(1, mostTerms/max(1, tile)) * MR
		for r := 0; r < b.Rows; r += most {
			c.queries, c.sums, c.tops, c.ls = &b.Queries[r*b.QueryStep], &b.Sums[r*b.SumStep], &b.Tops[r], &b.Ls[r]
			c.tiles = min(most, b.Rows-r) / MR
			f(c)
		}
	}
}

// prepare writes the call, and checks what the assembly does not.
func (b *Block) prepare(round bool) {
	keys, wide, pairs := (b.N+NR-1)/NR*NR, (b.D+NR-1)/NR*NR, Words(b.N, round)
	last := b.Rows - 1
	_, _, _ = b.Queries[last*b.QueryStep+b.Words-1], b.Keys[keys*b.Words-1], b.Values[(wide/NR-1)*b.ValuePanel+pairs*NR-1]
	_, _, _, _ = b.Sums[last*b.SumStep+wide-1], b.Tops[last], b.Ls[last], b.Scratch[2*MR*keys-1]
	b.call = attendCall{queryStep: 4 * b.QueryStep, keys: &b.Keys[0], words: b.Words, panels: keys / NR, values: &b.Values[0], valuePanel: 4 * b.ValuePanel,
		pairs: pairs, valuePans: wide / NR, scores: &b.Scratch[0], scoreStep: 4 * keys, weights: &b.Scratch[0], weightStep: 4 * keys,
		sumStep: 4 * b.SumStep, units: b.N / NR, tail: 1<<(b.N%NR) - 1, scale: b.Scale}
	if round {
		b.call.weights, b.call.weightStep = &b.Scratch[MR*keys], 4*keys/2
	}
}
