package cpu

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// queryRows is the number of queries of one attention task.
const queryRows = 8 * kernel.MR

// attention packs keys and values, then attends; a task is some queries of one head of one
// batch entry, over all blocks of keys.
type attention struct {
	x     *exec
	in    *program.Instr
	op    *program.Attention
	round bool
	scale float32
	dot   kernel.Product

	d, words, wide int // channels of a head; their words; the channels padded to whole panels
	keys           int // of a block, padded to whole panels
	pairs          int // words of a column of keys
	blocks         int // of keys
	queries        int // tasks along the queries

	q, k, v, out image
	packed       []float32 // for each batch entry of the keys, head and block: key panels, then value panels
	packing      packKeysJob

	ofKeys, whole, rest [1]kernel.Run // terms of scores; of values, of a block and of the last
}

type packKeysJob struct{ *attention }

// up rounds n up to a multiple of m.
func up(n, m int) int { return (n + m - 1) / m * m }

func (x *exec) newAttention(in *program.Instr, op *program.Attention) (*attention, needs) {
	a := &attention{x: x, in: in, op: op, round: op.Prec == program.BF16, scale: float32(op.Scale * math.Log2E), dot: x.tier.F32Between}
	a.q, a.k, a.out = x.shapeOf(in.In[0]), x.shapeOf(in.In[1]), x.shapeOf(in.Out[0])
	a.d = a.q.c / op.Heads
	a.words = kernel.Words(a.d, a.round)
	if a.round {
		a.dot = x.tier.BF16Between
	}
	a.wide = up(a.d, kernel.NR)
	a.keys = up(min(a.k.w, kernel.KeyBlock), kernel.NR)
	a.pairs = kernel.Words(a.keys, a.round)
	a.blocks = (a.k.w + kernel.KeyBlock - 1) / kernel.KeyBlock
	a.queries = (a.q.w + queryRows - 1) / queryRows
	a.packing = packKeysJob{a}
	a.ofKeys[0] = kernel.Run{Taps: 1, Words: a.words}
	a.whole[0] = kernel.Run{Taps: 1, Words: kernel.Words(min(a.k.w, kernel.KeyBlock), a.round)}
	a.rest[0] = kernel.Run{Taps: 1, Words: kernel.Words(a.k.w%kernel.KeyBlock, a.round)}
	return a, needs{shared: a.k.b * op.Heads * a.blocks * a.block(), worker: max(queryRows*(a.words+a.wide)+kernel.MR*a.keys, kernel.NR*a.words), taps: 1}
}

// block is the length of a packed block.
func (a *attention) block() int { return a.keys*a.words + a.pairs*a.wide }

// packedBlock is where a block's panels of keys and of values lie.
func (a *attention) packedBlock(b, head, block int) (keys, values []float32) {
	at := ((b*a.op.Heads+head)*a.blocks + block) * a.block()
	keys = a.packed[at : at+a.keys*a.words]
	return keys, a.packed[at+a.keys*a.words : at+a.block()]
}

func (a *attention) run() error {
	a.q, a.k, a.v, a.out = a.x.image(a.in.In[0]), a.x.image(a.in.In[1]), a.x.image(a.in.In[2]), a.x.image(a.in.Out[0])
	a.packed = a.x.shared
	if err := a.x.pool.do(&a.packing, a.k.b*a.op.Heads*a.blocks, a.k.pixels()*a.k.c); err != nil {
		return err
	}
	const macsPerNanosecond = 30
	return a.x.pool.do(a, a.q.b*a.op.Heads*a.queries, 2*a.q.pixels()*a.q.c*a.k.w/macsPerNanosecond)
}

// task packs one block of one head: keys as panels of [words][NR], values as panels of [pairs][NR].
func (j *packKeysJob) task(w *worker, i int) {
	a, block, head, b := j.attention, i%j.blocks, i/j.blocks%j.op.Heads, i/j.blocks/j.op.Heads
	k0 := block * kernel.KeyBlock
	n := min(kernel.KeyBlock, a.k.w-k0)
	keys, values := a.packedBlock(b, head, block)
	packKeys(&a.x.tier, keys, &a.k, a.k.at(b*a.k.w+k0, head*a.d), a.d, n, a.round, w.scratch)
	for c := 0; c < a.wide; c += kernel.NR {
		a.packValues(values[c*a.pairs:(c+kernel.NR)*a.pairs], a.v.at(b*a.k.w+k0, head*a.d+c), min(kernel.NR, a.d-c), n)
	}
}

// packKeys packs n keys of d channels, which begin in keys as in im, as panels of [words][NR]; scratch holds NR*words.
func packKeys(t *kernel.Tier, dst []float32, im *image, keys []float32, d, n int, round bool, scratch []float32) {
	words := kernel.Words(d, round)
	for p := 0; p < n; p += kernel.NR {
		panel, rows := dst[p*words:(p+kernel.NR)*words], min(kernel.NR, n-p)
		if im.words || !round {
			t.Columns(panel, keys[p*im.stride:], im.stride, words, rows)
			continue
		}
		for r := range rows {
			t.Pairs(scratch[r*words:(r+1)*words], keys[(p+r)*im.stride:][:d])
		}
		t.Columns(panel, scratch, words, words, rows)
	}
}

// noValue stands for the value after the last of an odd number.
var noValue [kernel.NR]float32

// packValues packs part channels of n values.
func (a *attention) packValues(panel, values []float32, part, n int) {
	if part < kernel.NR || n < a.keys {
		clear(panel)
	}
	if !a.round {
		for k := range n {
			copy(panel[k*kernel.NR:][:part], values[k*a.v.c:])
		}
		return
	}
	if a.v.words {
		a.packWords(panel, values, part, n)
		return
	}
	if part == kernel.NR {
		a.x.tier.PairLines(panel, values, a.v.c, n)
		return
	}
	for k := 0; k < n; k += 2 {
		odd := noValue[:part]
		if k+1 < n {
			odd = values[(k+1)*a.v.c:][:part]
		}
		a.x.tier.PairRows(panel[k/2*kernel.NR:][:part], values[k*a.v.c:][:part], odd)
	}
}

// packWords is packValues for words of neighbouring channels.
func (a *attention) packWords(panel, values []float32, part, n int) {
	if part == kernel.NR {
		a.x.tier.LineWords(panel, values, a.v.stride, n)
		return
	}
	for k := 0; k < n; k += 2 {
		var lines [kernel.NR]float32 // two
		for e := range min(2, n-k) {
			copy(lines[e*kernel.NR/2:][:part/2], values[(k+e)*a.v.stride:])
		}
		a.x.tier.LineWords(panel[k/2*kernel.NR:], lines[:], kernel.NR/2, 2)
	}
}

// noBias is where scores begin.
var noBias [kernel.NR]float32

// attending is the state of one task.
type attending struct {
	*attention
	w                     *worker
	b, head, q0, rows     int
	queries, sums, scores []float32
}

func (a *attention) task(w *worker, i int) {
	t := attending{attention: a, w: w, q0: i % a.queries * queryRows, head: i / a.queries % a.op.Heads, b: i / a.queries / a.op.Heads}
	t.rows = min(queryRows, a.q.w-t.q0)
	take := carver(w.scratch)
	t.queries, t.sums, t.scores = take.floats(queryRows*a.words), take.floats(queryRows*a.wide), take.floats(kernel.MR*a.keys)
	t.load()
	for r := range t.rows {
		w.soft[r] = kernel.NewSoftmax()
	}
	clear(t.sums)
	kb := t.b
	if a.k.b == 1 {
		kb = 0
	}
	for block := range a.blocks {
		k0 := block * kernel.KeyBlock
		if a.op.Causal && k0 > t.q0+t.rows-1 || block > 0 && w.stopped() {
			break
		}
		keys, values := a.packedBlock(kb, t.head, block)
		for r := 0; r < t.rows; r += kernel.MR {
			t.tile(keys, values, r, min(kernel.MR, t.rows-r), k0, min(kernel.KeyBlock, a.k.w-k0))
		}
	}
	for r := range t.rows {
		o := t.sums[r*a.wide:][:a.d]
		w.soft[r].Divide(o)
		to := a.out.at(t.b*a.out.w+t.q0+r, t.head*a.d)
		if a.out.words {
			a.x.tier.Pairs(to[:a.d/2], o)
		} else {
			copy(to, o)
		}
	}
}

// load finds the queries; words are made of them where they are none.
func (t *attending) load() {
	for r := range t.rows {
		q := t.q.at(t.b*t.q.w+t.q0+r, t.head*t.d)
		if t.q.words || !t.round {
			copy(t.queries[r*t.words:][:t.words], q)
		} else {
			t.x.tier.Pairs(t.queries[r*t.words:][:t.words], q[:t.d])
		}
	}
}

// tile treats one block of n keys from k0 on for rows queries from r0 on.
func (t *attending) tile(keys, values []float32, r0, rows, k0, n int) {
	taps, e, terms := t.w.taps[:1], &t.w.ends, &t.w.terms
	for r := range kernel.MR {
		taps[0][r] = t.queries[(r0+min(r, rows-1))*t.words:]
	}
	*terms = kernel.Terms{X: taps, Runs: t.ofKeys[:], W: t.w.panelsOf(keys, kernel.NR*t.words, n)}
	e.In, e.InStep, e.InTile, e.Add, e.Words = noBias[:], 0, 0, nil, false
	e.Out, e.Step, e.Tile = t.scores, t.keys, kernel.NR
	t.dot(e, terms, rows, n)
	for r := range rows {
		t.weigh(&t.w.soft[r0+r], t.scores[r*t.keys:][:n], t.sums[(r0+r)*t.wide:][:t.wide], t.q0+r0+r-k0, n)
	}
	for r := range kernel.MR {
		taps[0][r] = t.scores[min(r, rows-1)*t.keys:]
	}
	sums := t.sums[r0*t.wide:]
	terms.Runs, terms.W = t.ofValues(n), t.w.panelsOf(values, kernel.NR*t.pairs, t.d)
	e.In, e.InStep, e.InTile, e.Out, e.Step, e.Tile = sums, t.wide, kernel.NR, sums, t.wide, kernel.NR
	t.dot(e, terms, rows, t.d)
}

// panelsOf lists the panels of n columns, step floats apart.
func (w *worker) panelsOf(panels []float32, step, n int) [][]float32 {
	w.panels = w.panels[:0]
	for p := 0; p*kernel.NR < n; p++ {
		w.panels = append(w.panels, panels[p*step:])
	}
	return w.panels
}

// ofValues are the terms of n keys' values.
func (a *attention) ofValues(n int) []kernel.Run {
	if n == min(a.k.w, kernel.KeyBlock) {
		return a.whole[:]
	}
	return a.rest[:]
}

// weigh turns one row's scores into weights and scales what was summed before. last is the last
// key of the block that a causal mask shows.
func (t *attending) weigh(soft *kernel.Softmax, s, sums []float32, last, n int) {
	seen := n
	if t.op.Causal {
		seen = max(0, min(n, last+1))
	}
	clear(s[seen:])
	if seen == 0 {
		return
	}
	factor := soft.Block(&t.x.tier, s[:seen], t.scale)
	for i := range sums {
		sums[i] *= factor
	}
	if t.round {
		t.x.tier.Pairs(s[:kernel.Words(n, true)], s)
	}
}
