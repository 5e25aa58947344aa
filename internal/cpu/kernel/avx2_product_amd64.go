//go:build !purego

package kernel

// The AVX2 tier has sixteen registers: products of bf16 keep the sums of four rows and three vectors of eight columns in twelve of them, which
// hides what a multiplication takes. Such strips go on from panel to panel, so that only the last columns of a row of tiles have a narrower one.
// Words of two channels are taken apart once for all columns.

// lane is the number of columns of a vector, half the number of rows that a loop with wider strips has.
const (
	lane = 8
	half = MR / 2
)

// stripWords is how many words of a row are taken apart at once: those of MR rows stay in a first-level cache.
const stripWords = 320

// stripFloats is how many words of fp32 rows a call has at most, for the same reason.
const stripFloats = 640

// stripMost bounds the words of all strips of one call, for which its goroutine cannot be preempted.
const stripMost = 1 << 14

// stripCall is what a loop over strips reads.
type stripCall struct {
	sums     *float32     // of the first row and column
	step     int          // bytes from row to row of sums
	x        [MR]*float32 // rows; of words that were taken apart, four rows in one
	w        **float32    // of each vector of columns, where its weights begin
	at       int          // bytes from there to the first word
	whole, n int          // words, in fours where they were taken apart: those of the unrolled loop, and all
	count    int          // of strips
}

// The loops add terms to the sums of strips of RxC: rows, and vectors of eight columns. Subnormal numbers are zero for the time of one of bf16.

//go:noescape
func f32Strip4x2AVX2(c *stripCall)

//go:noescape
func f32Strip8x1AVX2(c *stripCall)

//go:noescape
func bf16Strip4x3AVX2(c *stripCall)

//go:noescape
func bf16Strip4x2AVX2(c *stripCall)

//go:noescape
func bf16Strip8x1AVX2(c *stripCall)

// apartAVX2 takes n words, a multiple of 8, of four rows apart: of each word the four odd channels, then the four even ones. The rows next are
// read after them, or the same.
//
//go:noescape
func apartAVX2(dst *float32, x, next *[4]*float32, n int)

// stripWork is the working memory of products in strips.
type stripWork struct {
	sums  []float32  // rows of whole vectors
	own   []float32  // sums that do not lie where they go in the end
	at    []*float32 // of each vector of columns
	apart []float32  // [2][words][2][4]: halves of the rows
	rows  [MR]*float32
	call  stripCall
	block blockWork
}

// stripWorking is the working memory of rows rows of tiles of so many columns, in floats.
func stripWorking(rows, cols int) int {
	return 2*MR*stripWords + blockFloats + up(rows, MR)*up(cols, lane)
}

// up rounds n up to a multiple of m.
func up(n, m int) int { return (n + m - 1) / m * m }

// keep takes memory of the size that stripWorking gives.
func (s *stripWork) keep(memory []float32) {
	const apart = 2 * MR * stripWords
	if len(memory) > apart+blockFloats {
		s.apart, s.own = memory[:apart], memory[apart+blockFloats:]
		s.block.keep(memory[apart:][:blockFloats])
		s.at = make([]*float32, 0, len(s.own)/(MR*lane))
	}
}

// emptied is the memory without what points to operands.
func (s *stripWork) emptied() stripWork {
	clear(s.at)
	return stripWork{own: s.own, at: s.at, apart: s.apart, block: s.block.emptied()}
}

// strips makes a Product of loops over strips, of words of two channels or of fp32; pairs is Tier.Pairs.
func strips(round bool, pairs func(dst, x []float32)) Product {
	return func(e *Ends, t *Terms, rows, cols int) {
		if rows <= 0 || cols <= 0 {
			return
		}
		s := &e.strips
		if rows > MR {
			s.blocks(e, t, rows, cols, round, pairs)
			return
		}
		step, there := s.place(e, rows, cols)
		s.call.step = 4 * step
		s.begin(e, rows, cols, step)
		if round && s.apart == nil {
			s.apart = make([]float32, 2*MR*stripWords)
		}
		later := t.X
		for k, run := range t.Runs {
			x := later
			later = x[run.Taps:]
			if run.Taps == 0 || run.Words == 0 {
				continue
			}
			s.weights(t, k, cols)
			s.add(x[:run.Taps], run.Words, rows, round)
		}
		if !there {
			s.end(e, rows, cols, step, pairs)
		}
	}
}

// weights finds where the weights of a run begin, for each vector of columns.
func (s *stripWork) weights(t *Terms, run, cols int) {
	n := t.Runs[run].Taps * t.Runs[run].Words * NR
	s.at = s.at[:0]
	for j := 0; j < cols; j += lane {
		w := t.W[j/NR*len(t.Runs)+run][:n]
		s.at = append(s.at, &w[j%NR])
	}
}

// stripDot makes a Dot of them.
func stripDot(round bool) Dot {
	return func(acc *Tile, x [][MR][]float32, w Panel, n, rows, cols int) {
		rows, cols = min(rows, MR), min(cols, NR)
		if n == 0 || len(x) == 0 || rows <= 0 || cols <= 0 {
			return
		}
		w = w[:len(x)*n*NR]
		var at [NR / lane]*float32
		for v := range at {
			at[v] = &w[v*lane]
		}
		const words = 64 // fewer than in a row of tiles: they lie on the stack
		var apart [2 * MR * words]float32
		sums := *acc // rows that nobody asks for stay as they are
		s := stripWork{sums: sums[:], at: at[:(cols+lane-1)/lane], apart: apart[:]}
		s.call.step = 4 * NR
		s.add(x, n, rows, round)
		copy(acc[:rows*NR], sums[:])
	}
}

// begin fills sums of so many floats a row with their beginnings.
func (s *stripWork) begin(e *Ends, rows, cols, step int) {
	wide := NR
	if e.InTile == NR { // tiles lie side by side
		wide = cols
	}
	for r := range rows {
		row := s.sums[r*step:][:cols]
		if r > 0 && e.InStep == 0 {
			copy(row, s.sums[:cols])
			continue
		}
		for j := 0; j < cols; j += wide {
			copy(row[j:min(j+wide, cols)], e.In[j/NR*e.InTile+r*e.InStep:])
		}
	}
}

// place finds memory for the sums: where they go in the end, if nothing happens to them on the way there.
func (s *stripWork) place(e *Ends, rows, cols int) (step int, there bool) {
	if rows == MR && cols%lane == 0 && e.Tile == NR && !e.Words && e.Add == nil {
		s.sums = e.Out[:(MR-1)*e.Step+cols]
		return e.Step, true
	}
	return s.ownSums(rows, cols), false
}

// ownSums makes the sums lie in own memory.
func (s *stripWork) ownSums(rows, cols int) (step int) {
	step = up(cols, lane)
	if n := up(rows, MR) * step; len(s.own) < n {
		s.own = make([]float32, n)
	}
	s.sums = s.own
	return step
}

// end stores the sums, with the residual.
func (s *stripWork) end(e *Ends, rows, cols, step int, pairs func(dst, x []float32)) {
	wide, words := NR, 1
	if e.Words {
		words = 2
	}
	if e.Tile == NR/words && (e.Add == nil || e.AddTile == NR) {
		wide = cols
	}
	for r := range rows {
		for j := 0; j < cols; j += wide {
			sums, out := s.sums[r*step+j:][:min(wide, cols-j)], e.Out[j/NR*e.Tile+r*e.Step:]
			to := sums
			if !e.Words {
				to = out[:len(sums)]
			}
			if e.Add != nil {
				addInCalls(to, sums, e.Add[j/NR*e.AddTile+r*e.AddStep:][:len(sums)])
			} else if !e.Words {
				copy(to, sums)
			}
			if e.Words {
				pairs(out[:(len(sums)+1)/2], sums)
			}
		}
	}
}

var addInCalls = ofTwo(addAVX2)

// add adds the terms of taps of n words each, whose weights begin at at.
func (s *stripWork) add(x [][MR][]float32, n, rows int, round bool) {
	for t := range x {
		for r := range x[t] {
			_ = x[t][r][n-1]
		}
	}
	if round {
		s.addBF16(x, n, rows)
		return
	}
	c := &s.call
	for t := range x {
		for from := 0; from < n; from += stripFloats {
			words := min(stripFloats, n-from)
			c.at, c.whole, c.n = 4*NR*(t*n+from), words&^3, words
			for r := range s.rows {
				s.rows[r] = &x[t][r][from]
			}
			s.each(rows, words, false)
		}
	}
}

// addBF16 is add for words of two channels; those of neighbouring taps are treated together.
func (s *stripWork) addBF16(x [][MR][]float32, n, rows int) {
	c, most := &s.call, len(s.apart)/(2*MR)
	s.rows[0], s.rows[1] = &s.apart[0], &s.apart[2*half*most]
	for from := 0; from < len(x)*n; from += most {
		words := min(most, len(x)*n-from)
		for h := 0; h*half < rows; h++ {
			apart := s.apart[h*2*half*most:][:2*half*most]
			for at := from; at < from+words; {
				k := min(n-at%n, from+words-at)
				four := x[at/n][h*half:][:half]
				takeApart(apart, four, four, at%n, k)
				apart, at = apart[2*half*k:], at+k
			}
		}
		c.at, c.whole, c.n = 4*NR*from, 4*(words&^1), 4*words
		s.each(rows, words, true)
	}
}

// takeApart takes n words of four rows apart: of each word the four odd channels, then the four even ones. The rows next are read after them.
func takeApart(dst []float32, x, next [][]float32, from, n int) {
	const rows = MR / 2
	whole := n &^ 7
	if whole > 0 {
		apartAVX2(&dst[:2*rows*whole][0], fourAt(x, from), fourAt(next, from), whole)
	}
	for k := whole; k < n; k++ {
		for r := range rows {
			dst[2*rows*k+r], dst[2*rows*k+rows+r] = odd(x[r][from+k]), even(x[r][from+k])
		}
	}
}

// fourAt is where word from of four rows lies.
func fourAt(x [][]float32, from int) *[4]*float32 {
	return &[4]*float32{&x[0][from], &x[1][from], &x[2][from], &x[3][from]}
}

// each calls the loops for all columns of some words.
func (s *stripWork) each(rows, words int, round bool) {
	if round {
		s.eachBF16(rows, words)
	} else {
		s.eachF32(rows, words)
	}
}

// eachBF16 goes by three vectors; what is left is two, or one of all rows.
func (s *stripWork) eachBF16(rows, words int) {
	c := &s.call
	whole := len(s.at) / 3 * 3
	for h := 0; h*half < rows; h++ {
		c.x[0] = s.rows[h]
		for k := 0; k < whole; k += 3 * c.count {
			s.from(h, k, min((whole-k)/3, stripMost/words))
			bf16Strip4x3AVX2(c)
		}
		if len(s.at) == whole+2 {
			s.from(h, whole, 1)
			bf16Strip4x2AVX2(c)
		}
	}
	if len(s.at) == whole+1 {
		c.x = s.rows
		s.from(0, whole, 1)
		bf16Strip8x1AVX2(c)
	}
}

// eachF32 goes by two vectors, a line of a cache: three would read every other line twice. One that is left is of all rows.
func (s *stripWork) eachF32(rows, words int) {
	c := &s.call
	whole := len(s.at) &^ 1
	for h := 0; h*half < rows; h++ {
		copy(c.x[:half], s.rows[h*half:])
		for k := 0; k < whole; k += 2 * c.count {
			s.from(h, k, min((whole-k)/2, stripMost/words))
			f32Strip4x2AVX2(c)
		}
	}
	if len(s.at) > whole {
		c.x = s.rows
		s.from(0, whole, 1)
		f32Strip8x1AVX2(c)
	}
}

// from readies a call for so many strips, one at least, from a vector on, of one half of the rows or of all.
func (s *stripWork) from(h, vector, count int) {
	s.call.sums, s.call.w, s.call.count = &s.sums[h*half*s.call.step/4+lane*vector], &s.at[vector], max(1, count)
}
