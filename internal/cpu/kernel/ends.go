package kernel

// Ends are where the accumulators of a row of tiles come from and where their sums go. Steps are in floats.
type Ends struct {
	In             []float32 // row r of tile p begins at p*InTile + r*InStep: with InStep 0 all rows begin as one, such as the biases
	InStep, InTile int
	Out            []float32 // row r of tile p goes to p*Tile + r*Step
	Step, Tile     int
	Words          bool      // Out holds words of two sums, rounded to bf16, and not sums
	Add            []float32 // a residual that is added to each sum before it is stored, at p*AddTile + r*AddStep; nil for none
	AddStep        int
	AddTile        int

	acc    Tile
	call   tileCall
	strips stripWork
}

// Keep gives the ends memory of the size that Tier.Working says, for as long as they live. Without it they allocate what a call needs.
func (e *Ends) Keep(memory []float32) { e.strips.keep(memory) }

// Run is a stretch of taps of as many words each.
type Run struct{ Taps, Words int }

// Terms are what a row of tiles adds up: runs of taps one after the other. W has the weights of each run: those of the first tile,
// then those of the second. Where a tier takes more than MR rows at once ([Tier.Height]), the taps of the next MR rows are Step further in X.
type Terms struct {
	X    [][MR][]float32
	Step int
	Runs []Run
	W    [][]float32
	Laid [][]float32 // of each run of one tap the rows as [Layer] lays them out, if there are more than MR and it has; or nil
}

// Layer lays out rows, a tile's or more, of so many words each for calls of a [Product] with the same rows: its other calls need not do it. X is
// theirs, of one tap. dst has [Tier.LaidLen] floats.
type Layer = func(dst []float32, x [][MR][]float32, words, rows int)

// Product adds terms as a [Dot] does, from In to Out of e: rows rows of cols columns, NR to a tile. There are MR rows at most, or as many as
// its tier takes.
type Product = func(e *Ends, t *Terms, rows, cols int)

// between makes a Product of a Dot; pairs is Tier.Pairs.
func between(dot Dot, pairs func(dst, x []float32)) Product {
	return func(e *Ends, t *Terms, rows, cols int) {
		for p := 0; p*NR < cols; p++ {
			n := min(NR, cols-p*NR)
			e.begin(p, rows, n)
			x, w := t.X, t.W[p*len(t.Runs):]
			for k, run := range t.Runs {
				dot(&e.acc, x[:run.Taps], w[k], run.Words, rows, n)
				x = x[run.Taps:]
			}
			e.end(p, rows, n, pairs)
		}
	}
}

// begin fills the accumulators of tile p.
func (e *Ends) begin(p, rows, cols int) {
	for r := range rows {
		copy(e.acc[r*NR:][:cols], e.In[p*e.InTile+r*e.InStep:])
	}
}

// end stores the sums of tile p.
func (e *Ends) end(p, rows, cols int, pairs func(dst, x []float32)) {
	for r := range rows {
		sums := e.acc[r*NR:][:cols]
		if e.Add != nil {
			for j, v := range e.Add[p*e.AddTile+r*e.AddStep:][:cols] {
				sums[j] += v
			}
		}
		out := e.Out[p*e.Tile+r*e.Step:]
		if e.Words {
			pairs(out[:(cols+1)/2], sums)
		} else {
			copy(out[:cols], sums)
		}
	}
}
