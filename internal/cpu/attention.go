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
	x      *exec
	in     *program.Instr
	op     *program.Attention
	round  bool
	scale  float32
	attend func(b *kernel.Block)

	d, words, wide int // channels of a head; their words; the channels padded to whole panels
	keys           int // of a block, padded to whole panels
	pairs          int // words of a column of keys
	blocks         int // of keys
	queries        int // tasks along the queries

	q, k, v, out image
	packed       []float32 // for each batch entry of the keys, head and block: key panels, then value panels
	packing      packKeysJob
}

type packKeysJob struct{ *attention }

// up rounds n up to a multiple of m.
func up(n, m int) int { return (n + m - 1) / m * m }

func (x *exec) newAttention(in *program.Instr, op *program.Attention) (*attention, needs) {
	a := &attention{x: x, in: in, op: op, round: op.Prec == program.BF16, scale: float32(op.Scale * math.Log2E), attend: x.tier.F32Attend}
	a.q, a.k, a.out = x.shapeOf(in.In[0]), x.shapeOf(in.In[1]), x.shapeOf(in.Out[0])
	a.d = a.q.c / op.Heads
	a.words = kernel.Words(a.d, a.round)
	if a.round {
		a.attend = x.tier.BF16Attend
	}
	a.wide = up(a.d, kernel.NR)
	a.keys = up(min(a.k.w, kernel.KeyBlock), kernel.NR)
	a.pairs = kernel.Words(a.keys, a.round)
	a.blocks = (a.k.w + kernel.KeyBlock - 1) / kernel.KeyBlock
	a.queries = (a.q.w + queryRows - 1) / queryRows
	a.packing = packKeysJob{a}
	return a, needs{shared: a.k.b * op.Heads * a.blocks * a.block(), worker: max(queryRows*(a.words+a.wide+2)+kernel.BlockScratch(a.keys), kernel.NR*a.words)}
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

// attending is the state of one task.
type attending struct {
	*attention
	w                 *worker
	b, head, q0, rows int
}

func (a *attention) task(w *worker, i int) {
	t := attending{attention: a, w: w, q0: i % a.queries * queryRows, head: i / a.queries % a.op.Heads, b: i / a.queries / a.op.Heads}
	t.rows = min(queryRows, a.q.w-t.q0)
	t.begin()
	kb := t.b
	if a.k.b == 1 {
		kb = 0
	}
	b := &w.block
	for block := range a.blocks {
		k0 := block * kernel.KeyBlock
		if a.op.Causal && k0 > t.q0+t.rows-1 || block > 0 && w.stopped() {
			break
		}
		b.Keys, b.Values = a.packedBlock(kb, t.head, block)
		b.N, b.Last = min(kernel.KeyBlock, a.k.w-k0), t.q0-k0
		a.attend(b)
	}
	for r := range t.rows {
		o := b.Sums[r*a.wide:][:a.d]
		a.x.tier.Divide(o, b.Ls[r])
		to := a.out.at(t.b*a.out.w+t.q0+r, t.head*a.d)
		if a.out.words {
			a.x.tier.Pairs(to[:a.d/2], o)
		} else {
			copy(to, o)
		}
	}
}

// begin readies the worker's block: whole tiles of queries, of which those beyond the last repeat it.
func (t *attending) begin() {
	b, take := &t.w.block, carver(t.w.scratch)
	queries := take.floats(queryRows * t.words)
	b.Rows = up(t.rows, kernel.MR)
	b.Sums, b.SumStep = take.floats(queryRows*t.wide), t.wide
	b.Tops, b.Ls = take.floats(queryRows), take.floats(queryRows)
	b.Scratch = take.floats(kernel.BlockScratch(t.keys))
	b.Words, b.D, b.ValuePanel, b.Scale, b.Causal = t.words, t.d, kernel.NR*t.pairs, t.scale, t.op.Causal
	clear(b.Sums)
	clear(b.Ls)
	for r := range b.Tops {
		b.Tops[r] = float32(math.Inf(-1))
	}
	if (t.q.words || !t.round) && b.Rows == t.rows {
		b.Queries, b.QueryStep = t.q.at(t.b*t.q.w+t.q0, t.head*t.d), t.q.stride
		return
	}
	b.Queries, b.QueryStep = queries, t.words
	for r := range b.Rows {
		q := t.q.at(t.b*t.q.w+t.q0+min(r, t.rows-1), t.head*t.d)
		if t.q.words || !t.round {
			copy(queries[r*t.words:][:t.words], q)
		} else {
			t.x.tier.Pairs(queries[r*t.words:][:t.words], q[:t.d])
		}
	}
}
