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
}

type packKeysJob struct{ *attention }

// up rounds n up to a multiple of m.
func up(n, m int) int { return (n + m - 1) / m * m }

func (x *exec) newAttention(in *program.Instr, op *program.Attention) (*attention, needs) {
	a := &attention{x: x, in: in, op: op, round: op.Prec == program.BF16, scale: float32(op.Scale * math.Log2E), dot: x.tier.F32Between}
	a.q, a.k = imageOf(x.p.Shape(in.In[0]), nil), imageOf(x.p.Shape(in.In[1]), nil)
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
	if err := a.x.pool.do(&a.packing, a.k.b*a.op.Heads*a.blocks, len(a.k.data)); err != nil {
		return err
	}
	const macsPerNanosecond = 30
	return a.x.pool.do(a, a.q.b*a.op.Heads*a.queries, 2*len(a.q.data)*a.k.w/macsPerNanosecond)
}

// task packs one block of one head: keys as panels of [words][NR], values as panels of [pairs][NR].
func (j *packKeysJob) task(w *worker, i int) {
	a, block, head, b := j.attention, i%j.blocks, i/j.blocks%j.op.Heads, i/j.blocks/j.op.Heads
	k0 := block * kernel.KeyBlock
	n := min(kernel.KeyBlock, a.k.w-k0)
	keys, values := a.packedBlock(b, head, block)
	from := (b*a.k.w+k0)*a.k.c + head*a.d
	packKeys(&a.x.tier, keys, a.k.data[from:], a.k.c, a.d, n, a.round, w.scratch)
	for c := 0; c < a.wide; c += kernel.NR {
		a.packValues(values[c*a.pairs:(c+kernel.NR)*a.pairs], a.v.data[from+c:], min(kernel.NR, a.d-c), n)
	}
}

// packKeys packs n keys of d channels, step elements apart, as panels of [words][NR]; scratch holds NR*words.
func packKeys(t *kernel.Tier, dst, keys []float32, step, d, n int, round bool, scratch []float32) {
	words := kernel.Words(d, round)
	for p := 0; p < n; p += kernel.NR {
		panel, rows := dst[p*words:(p+kernel.NR)*words], min(kernel.NR, n-p)
		if !round {
			t.Columns(panel, keys[p*step:], step, d, rows)
			continue
		}
		for r := range rows {
			t.Pairs(scratch[r*words:(r+1)*words], keys[(p+r)*step:][:d])
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
		copy(a.out.data[(t.b*a.out.w+t.q0+r)*a.out.c+t.head*a.d:], o)
	}
}

// load copies the queries, as words.
func (t *attending) load() {
	for r := range t.rows {
		q := t.q.data[(t.b*t.q.w+t.q0+r)*t.q.c+t.head*t.d:][:t.d]
		dst := t.queries[r*t.words:][:t.words]
		if t.round {
			t.x.tier.Pairs(dst, q)
		} else {
			copy(dst, q)
		}
	}
}

// tile treats one block of n keys from k0 on for rows queries from r0 on.
func (t *attending) tile(keys, values []float32, r0, rows, k0, n int) {
	taps, e := t.w.taps[:1], &t.w.ends
	for r := range kernel.MR {
		taps[0][r] = t.queries[(r0+min(r, rows-1))*t.words:]
	}
	e.In, e.InStep, e.Add, e.Step = noBias[:], 0, nil, t.keys
	for p := 0; p < n; p += kernel.NR {
		e.Out = t.scores[p:]
		t.dot(e, taps, keys[p*t.words:], t.words, rows, min(kernel.NR, n-p))
	}
	for r := range rows {
		t.weigh(&t.w.soft[r0+r], t.scores[r*t.keys:][:n], t.sums[(r0+r)*t.wide:][:t.wide], t.q0+r0+r-k0, n)
	}
	for r := range kernel.MR {
		taps[0][r] = t.scores[min(r, rows-1)*t.keys:]
	}
	e.InStep, e.Step = t.wide, t.wide
	for c := 0; c < t.wide; c += kernel.NR {
		sums := t.sums[r0*t.wide+c:]
		e.In, e.Out = sums, sums
		t.dot(e, taps, values[c*t.pairs:], kernel.Words(n, t.round), rows, min(kernel.NR, t.d-c))
	}
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
