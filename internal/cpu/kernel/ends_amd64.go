//go:build !purego

package kernel

// tileCall is what a loop over whole tiles reads. Steps are in bytes.
type tileCall struct {
	in             *float32
	inStep, inTile int
	out            *float32
	step, tile     int
	add            *float32 // or nil
	addStep        int
	addTile        int
	x              *[]float32
	runs           *Run
	count          int // of runs
	w              *[]float32
	tiles          int
	words          int // 1 to store words
}

// The functions below are loops over whole tiles; none writes words but the last.

//go:noescape
func f32AVX512tiles(c *tileCall)

//go:noescape
func bf16AVX512tiles(c *tileCall)

//go:noescape
func bf16DotAVX512tiles(c *tileCall)

// wholes makes a Product of a loop over whole tiles and a Dot, which does the others and long sums; words says that the loop
// writes words.
func wholes(f func(c *tileCall), words bool, dot Dot, pairs func(dst, x []float32)) Product {
	other := between(dot, pairs)
	return func(e *Ends, t *Terms, rows, cols int) {
		if rows != MR || cols%NR != 0 || e.Words && !words || !e.prepare(t, cols/NR) {
			other(e, t, rows, cols)
			return
		}
		c := &e.call
		most := mostTerms / t.words()
		for k, n := 0, cols/NR; k < n; k += most {
			if k > 0 {
				c.in, c.out, c.w = &e.In[k*e.InTile], &e.Out[k*e.Tile], &t.W[k*len(t.Runs)]
				if e.Add != nil {
					c.add = &e.Add[k*e.AddTile]
				}
			}
			c.tiles = min(n-k, most)
			f(c)
		}
	}
}

// words is the number of words of a panel.
func (t *Terms) words() int {
	n := 0
	for _, run := range t.Runs {
		n += run.Taps * run.Words
	}
	return n
}

// prepare writes the call for so many whole tiles, and checks what the assembly does not. It is false where one call is not enough
// for a tile, and where there is nothing to add.
func (e *Ends) prepare(t *Terms, tiles int) bool {
	taps, words := 0, 0
	for k, run := range t.Runs {
		if run.Taps == 0 || run.Words == 0 {
			return false
		}
		for tap := range t.X[taps:][:run.Taps] {
			x := &t.X[taps+tap]
			for r := range x {
				_ = x[r][run.Words-1]
			}
		}
		taps += run.Taps
		words += run.Taps * run.Words
		for p := range tiles {
			_ = t.W[p*len(t.Runs)+k][run.Taps*run.Words*NR-1]
		}
	}
	if tiles == 0 || words == 0 || words > mostTerms {
		return false
	}
	const last = MR - 1
	_ = e.In[(tiles-1)*e.InTile+last*e.InStep+NR-1]
	wide := NR
	if e.Words {
		wide = NR / 2
	}
	_ = e.Out[(tiles-1)*e.Tile+last*e.Step+wide-1]
	c := &e.call
	*c = tileCall{in: &e.In[0], inStep: 4 * e.InStep, inTile: 4 * e.InTile, out: &e.Out[0], step: 4 * e.Step, tile: 4 * e.Tile,
		x: &t.X[0][0], runs: &t.Runs[0], count: len(t.Runs), w: &t.W[0]}
	if e.Words {
		c.words = 1
	}
	if e.Add != nil {
		_ = e.Add[(tiles-1)*e.AddTile+last*e.AddStep+NR-1]
		c.add, c.addStep, c.addTile = &e.Add[0], 4*e.AddStep, 4*e.AddTile
	}
	return true
}
