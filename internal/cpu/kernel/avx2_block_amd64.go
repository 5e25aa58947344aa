//go:build !purego

package kernel

import "unsafe"

// Products of many rows go over the channels in stretches. Of each, the rows are laid out in quads of four, which lie in a second-level cache; then
// three vectors of columns are laid out channel by channel, in fp32, which lie in a first-level cache while all quads pass. So words of two
// channels are taken apart once for all rows, and the loops have nothing but loads and multiplications. Sums wait in fp32
// between stretches, as they are.

const (
	// quad is the number of rows whose sums stay in registers, with those of sliverVectors vectors of columns.
	quad          = 4
	sliverVectors = 3
	// blockRows is the most rows of a block.
	blockRows = 128
	// blockChannels is how many channels a stretch has at most: a sliver of them has 24 KB, which leaves room for a quad in a first-level cache of 32 KB.
	blockChannels = 256

	sliverFloats = sliverVectors * lane * blockChannels
	// blockFloats is the working memory of a block, with what is left out before its slivers begin at a line of a cache.
	blockFloats = cacheLine/4 + sliverFloats + blockRows*blockChannels
	cacheLine   = 64
)

// blockCall is what a loop over quads reads. Steps are in bytes.
type blockCall struct {
	in     *float32 // where the sums of the first row and column begin
	inStep int      // from row to row
	out    *float32 // where they go
	step   int
	x      *float32    // quads: [quads][n][quad]
	w      *float32    // a sliver: [n][vectors][lane]
	n      int         // channels
	quads  int         // behind the first
	words  int         // of a stream
	next   [3]*float32 // streams of the next sliver's words, a line of a cache of each, up to nil
}

// The loops add terms to the sums of quads and so many vectors of columns. Subnormal numbers are zero for the time of one of bf16.

//go:noescape
func f32Block3AVX2(c *blockCall)

//go:noescape
func f32Block2AVX2(c *blockCall)

//go:noescape
func f32Block1AVX2(c *blockCall)

//go:noescape
func bf16Block3AVX2(c *blockCall)

//go:noescape
func bf16Block2AVX2(c *blockCall)

//go:noescape
func bf16Block1AVX2(c *blockCall)

// The first quad's terms are of n words of the panels themselves, of which each vector begins at bytes after its place in w and goes on a
// panel's line further. The sliver is made of them meanwhile.

//go:noescape
func f32First3AVX2(c *blockCall, w **float32, at, n int)

//go:noescape
func f32First2AVX2(c *blockCall, w **float32, at, n int)

//go:noescape
func f32First1AVX2(c *blockCall, w **float32, at, n int)

//go:noescape
func bf16First3AVX2(c *blockCall, w **float32, at, n int)

//go:noescape
func bf16First2AVX2(c *blockCall, w **float32, at, n int)

//go:noescape
func bf16First1AVX2(c *blockCall, w **float32, at, n int)

// quadsAVX2 brings n words, a multiple of 8, of four rows together: of each word the four rows. The rows next are read after them, or the same.
//
//go:noescape
func quadsAVX2(dst *float32, x, next *[4]*float32, n int)

// blockWork is the working memory of blocks.
type blockWork struct {
	sliver, quads []float32
	rows          []float32 // the quads of a stretch
	call          blockCall
}

// keep takes memory of blockFloats.
func (b *blockWork) keep(memory []float32) {
	for uintptr(unsafe.Pointer(&memory[0]))%cacheLine != 0 {
		memory = memory[1:]
	}
	b.sliver, b.quads = memory[:sliverFloats], memory[sliverFloats:]
}

// emptied is the memory without what points to operands.
func (b *blockWork) emptied() blockWork { return blockWork{sliver: b.sliver, quads: b.quads} }

// sumsAt is where sums lie, and the floats from row to row.
type sumsAt struct {
	sums []float32
	step int
}

// blocks is a Product of more than MR rows. The first stretch takes the sums from where they begin and the last one leaves them where they
// go, if whole quads and vectors lie there; between, they wait there, or in own memory where they would crowd.
func (s *stripWork) blocks(e *Ends, t *Terms, rows, cols int, round bool, pairs func(dst, x []float32)) {
	step, stretches := s.ownSums(rows, cols), t.stretches(stretchWords(round))
	own := sumsAt{s.sums, step}
	from, to, there := own, own, false
	whole := rows%quad == 0 && cols%lane == 0 && stretches > 0
	if whole && e.InTile == NR {
		from = sumsAt{e.In[:(rows-1)*e.InStep+cols], e.InStep}
	} else {
		s.begin(e, rows, cols, step)
	}
	if whole && e.Tile == NR && !e.Words && e.Add == nil {
		to, there = sumsAt{e.Out[:(rows-1)*e.Step+cols], e.Step}, true
		if 4*e.Step%crowded != 0 {
			own = to
		}
	}
	later := t.X
	for k, run := range t.Runs {
		x := later
		later = x[run.Taps:]
		if run.Taps == 0 || run.Words == 0 {
			continue
		}
		s.weights(t, k, cols)
		var laid []float32
		if len(t.Laid) > k && t.Laid[k] != nil {
			laid = t.Laid[k][:quadsOf(rows, round)*run.Words]
		} else {
			checkRows(x, t.Step, run, rows)
		}
		for at, all := 0, run.Taps*run.Words; at < all; at += stretchWords(round) {
			into := own
			if stretches--; stretches == 0 {
				into = to
			}
			s.stretch(x, t.Step, run, laid, at, rows, round, from, into)
			from = own
		}
	}
	if !there {
		s.end(e, rows, cols, step, pairs)
	}
}

// crowded is a distance of rows (or a part of it) at which they share so few sets of a second-level cache that they do not stay there.
const crowded = 4096

// quadsOf is the number of floats that a word of so many rows has in quads.
func quadsOf(rows int, round bool) int {
	channels := 1
	if round {
		channels = 2
	}
	return up(rows, quad) * channels
}

// laidLen is Tier.LaidLen.
func laidLen(rows, channels int) int { return up(rows, quad) * up(channels, 2) }

// layer makes a [Layer]: quads, stretch by stretch.
func layer(round bool) Layer {
	return func(dst []float32, x [][MR][]float32, words, rows int) {
		word := quadsOf(rows, round)
		checkRows(x, 1, Run{1, words}, rows)
		dst = dst[:word*words]
		for at := 0; at < words; at += stretchWords(round) {
			lay(dst[word*at:], x, 1, words, at, min(stretchWords(round), words-at), rows, round)
		}
	}
}

// stretchWords is the most words of a stretch.
func stretchWords(round bool) int {
	if round {
		return blockChannels / 2
	}
	return blockChannels
}

// stretches is the number of stretches of at most so many words of all runs.
func (t *Terms) stretches(most int) int {
	n := 0
	for _, run := range t.Runs {
		n += (run.Taps*run.Words + most - 1) / most
	}
	return n
}

// checkRows checks what the assembly does not: that all rows of a run have its words.
func checkRows(x [][MR][]float32, step int, run Run, rows int) {
	for r := 0; r < rows; r += MR {
		for _, tap := range x[r/MR*step:][:run.Taps] {
			for _, row := range tap {
				_ = row[run.Words-1]
			}
		}
	}
}

// stretch adds the terms of a run's words from at on: x has the taps of the first MR rows, step before those of the next, or the quads are laid.
func (s *stripWork) stretch(x [][MR][]float32, step int, run Run, laid []float32, at, rows int, round bool, from, into sumsAt) {
	b, c := &s.block, &s.block.call
	if b.quads == nil {
		b.keep(make([]float32, blockFloats))
	}
	most, all := stretchWords(round), run.Taps*run.Words
	words := min(most, all-at)
	if b.rows = b.quads; laid != nil {
		b.rows = laid[quadsOf(rows, round)*at:]
	} else {
		lay(b.quads, x, step, run.Words, at, words, rows, round)
	}
	c.inStep, c.step, c.quads, c.n = 4*from.step, 4*into.step, up(rows, quad)/quad-1, words*blockChannels/most
	for v := 0; v < len(s.at); {
		n := sliverOf(len(s.at) - v)
		if w := s.at[v+n:]; len(w) > 0 {
			b.fetch(w[:sliverOf(len(w))], NR*at, words)
		} else if at+words < all {
			b.fetch(s.at[:sliverOf(len(s.at))], NR*(at+words), min(most, all-at-words))
		}
		b.sliverTerms(s.at[v:][:n], 4*NR*at, words, round, from, into, v*lane)
		v += n
	}
}

// sliverOf is the number of vectors of the next sliver where n are left: three, but not so that one is left, whose sums are too few to hide
// what a multiplication takes.
func sliverOf(n int) int {
	if n == sliverVectors+1 {
		return 2
	}
	return min(n, sliverVectors)
}

// fetch says what the next sliver is: the words of its first and its last vector lie in all lines that it has.
func (b *blockWork) fetch(w []*float32, at, words int) {
	b.call.words = words
	for i, v := range []*float32{w[0], w[len(w)-1]} {
		b.call.next[i] = (*float32)(unsafe.Add(unsafe.Pointer(v), 4*at))
	}
}

// lay lays out the quads of words [from,from+words) of a run whose taps have n each.
func lay(quads []float32, x [][MR][]float32, step, n, from, words, rows int, round bool) {
	for r := 0; r < rows; r += quad {
		taps, after := x[r/MR*step:], min(r+quad, up(rows, quad)-quad)
		later := x[after/MR*step:]
		for at := from; at < from+words; {
			k := min(n-at%n, from+words-at)
			four, next := taps[at/n][r%MR:][:quad], later[at/n][after%MR:][:quad]
			if round {
				takeApart(quads, four, next, at%n, k)
				quads = quads[2*quad*k:]
			} else {
				bringTogether(quads, four, next, at%n, k)
				quads = quads[quad*k:]
			}
			at += k
		}
	}
}

// bringTogether lays out n words of four rows: of each word the four rows. The rows next are read after them.
func bringTogether(dst []float32, x, next [][]float32, from, n int) {
	whole := n &^ 7
	if whole > 0 {
		quadsAVX2(&dst[:quad*whole][0], fourAt(x, from), fourAt(next, from), whole)
	}
	for k := whole; k < n; k++ {
		for r := range quad {
			dst[quad*k+r] = x[r][from+k]
		}
	}
}

// sliverTerms adds the terms of words words of one sliver to all quads.
func (b *blockWork) sliverTerms(w []*float32, at, words int, round bool, from, into sumsAt, column int) {
	c := &b.call
	c.in, c.out, c.x, c.w = &from.sums[column], &into.sums[column], &b.rows[0], &b.sliver[0]
	kind := len(w)
	if round {
		kind += sliverVectors
	}
	switch kind {
	case 1:
		f32First1AVX2(c, &w[0], at, words)
	case 2:
		f32First2AVX2(c, &w[0], at, words)
	case 3:
		f32First3AVX2(c, &w[0], at, words)
	case sliverVectors + 1:
		bf16First1AVX2(c, &w[0], at, words)
	case sliverVectors + 2:
		bf16First2AVX2(c, &w[0], at, words)
	case sliverVectors + 3:
		bf16First3AVX2(c, &w[0], at, words)
	}
	c.in, c.out, c.x = &from.sums[quad*from.step+column], &into.sums[quad*into.step+column], &b.rows[quad*c.n]
	switch kind {
	case 1:
		f32Block1AVX2(c)
	case 2:
		f32Block2AVX2(c)
	case 3:
		f32Block3AVX2(c)
	case sliverVectors + 1:
		bf16Block1AVX2(c)
	case sliverVectors + 2:
		bf16Block2AVX2(c)
	case sliverVectors + 3:
		bf16Block3AVX2(c)
	}
}
