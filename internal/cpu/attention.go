package cpu

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// queryRows is the number of queries of one attention task.
const queryRows = 8 * kernel.MR

// attention packs keys and values, then attends; a task is some queries of one head of one
// batch entry, over all blocks of keys: those of the first set, then those of each further one, whose results are added before
// the tile is stored. Where the columns of the weights are wanted, the maxima and sums of the rows are kept for them.
type attention struct {
	x      *exec
	in     *program.Instr
	op     *program.Attention
	round  bool
	scale  float32
	attend func(b *kernel.Block)

	d, words, wide int // channels of a head; their words; the channels padded to whole panels
	queries        int // tasks along the queries

	q, out  image
	sets    []keySet
	columns *columns // of the first set's weights, or nil
}

// keySet is one set of keys and values.
type keySet struct {
	*attention
	kAt, vAt int     // operands
	scale    float32 // of the result
	keys     int     // of a block, padded to whole panels
	pairs    int     // words of a column of keys
	blocks   int     // of keys
	k, v     image
	packed   []float32 // for each batch entry of the keys, head and block: key panels, then value panels
}

// up rounds n up to a multiple of m.
func up(n, m int) int { return (n + m - 1) / m * m }

func (x *exec) newAttention(in *program.Instr, op *program.Attention) (*attention, needs) {
	a := &attention{x: x, in: in, op: op, round: op.Prec == program.BF16, scale: float32(op.Scale * math.Log2E), attend: x.tier.F32Attend}
	a.q, a.out = x.shapeOf(in.In[0]), x.shapeOf(in.Out[0])
	a.d = a.q.c / op.Heads
	a.words = kernel.Words(a.d, a.round)
	if a.round {
		a.attend = x.tier.BF16Attend
	}
	a.wide = up(a.d, kernel.NR)
	a.queries = (a.q.w + queryRows - 1) / queryRows
	a.sets = []keySet{a.newSet(1, 2, 1)}
	for _, s := range op.Second {
		a.sets = append(a.sets, a.newSet(s.K, s.V, s.Scale))
	}
	var n needs
	widest := 0
	for i := range a.sets {
		n.shared += a.sets[i].floats()
		widest = max(widest, a.sets[i].keys)
	}
	n.worker = max(queryRows*(a.words+2*a.wide+2)+kernel.BlockScratch(widest), kernel.NR*a.words)
	if op.Columns > 0 {
		q, k := a.q, x.shapeOf(in.In[1])
		q.b, k.b = op.Columns, op.Columns
		var more needs
		a.columns, more = x.columnsOf(q, k, &program.AttentionColumns{Heads: op.Heads, Scale: op.Scale, Prec: op.Prec})
		a.columns.stride = a.sets[0].block()
		n.shared += more.shared
		n.worker, n.taps = max(n.worker, more.worker), more.taps
	}
	return a, n
}

func (a *attention) newSet(k, v int, scale float32) keySet {
	s := keySet{attention: a, kAt: k, vAt: v, scale: scale, k: a.x.shapeOf(a.in.In[k])}
	s.keys = up(min(s.k.w, kernel.KeyBlock), kernel.NR)
	s.pairs = kernel.Words(s.keys, a.round)
	s.blocks = (s.k.w + kernel.KeyBlock - 1) / kernel.KeyBlock
	return s
}

// block is the length of a packed block.
func (a *keySet) block() int { return a.keys*a.words + a.pairs*a.wide }

// floats is the length of all packed blocks.
func (a *keySet) floats() int { return a.k.b * a.op.Heads * a.blocks * a.block() }

// packedBlock is where a block's panels of keys and of values lie.
func (a *keySet) packedBlock(b, head, block int) (keys, values []float32) {
	at := ((b*a.op.Heads+head)*a.blocks + block) * a.block()
	keys = a.packed[at : at+a.keys*a.words]
	return keys, a.packed[at+a.keys*a.words : at+a.block()]
}

func (a *attention) run() error {
	a.q, a.out = a.x.image(a.in.In[0]), a.x.image(a.in.Out[0])
	take, keys := carver(a.x.shared), 0
	for i := range a.sets {
		s := &a.sets[i]
		s.k, s.v, s.packed = a.x.image(a.in.In[s.kAt]), a.x.image(a.in.In[s.vAt]), take.floats(s.floats())
		if err := a.x.pool.do(s, s.k.b*a.op.Heads*s.blocks, s.k.pixels()*s.k.c); err != nil {
			return err
		}
		keys += s.k.w
	}
	if c := a.columns; c != nil {
		c.q, c.k, c.packed = a.q, a.sets[0].k, a.sets[0].packed
		c.q.b, c.k.b = a.op.Columns, a.op.Columns
		c.begin(&take, a.x.f32(a.in.Out[1]))
	}
	const macsPerNanosecond = 30
	if err := a.x.pool.do(a, a.q.b*a.op.Heads*a.queries, 2*a.q.pixels()*a.q.c*keys/macsPerNanosecond); err != nil || a.columns == nil {
		return err
	}
	return a.columns.add()
}

// task packs one block of one head: keys as panels of [words][NR], values as panels of [pairs][NR].
func (a *keySet) task(w *worker, i int) {
	block, head, b := i%a.blocks, i/a.blocks%a.op.Heads, i/a.blocks/a.op.Heads
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
func (a *keySet) packValues(panel, values []float32, part, n int) {
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
func (a *keySet) packWords(panel, values []float32, part, n int) {
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
	sums, more        []float32 // tiles [queryRows,wide]: of the first set, and of a further one
}

func (a *attention) task(w *worker, i int) {
	t := attending{attention: a, w: w, q0: i % a.queries * queryRows, head: i / a.queries % a.op.Heads, b: i / a.queries / a.op.Heads}
	t.rows = min(queryRows, a.q.w-t.q0)
	t.begin()
	for i := range a.sets {
		s := &a.sets[i]
		into := t.sums
		if i > 0 {
			into = t.more
		}
		if !t.over(s, into) {
			return
		}
		switch {
		case i > 0:
			t.add(s.scale)
		case a.columns != nil && t.b < a.op.Columns:
			tops, reciprocals := a.columns.row(t.b*a.op.Heads + t.head)
			for r := range t.rows {
				tops[t.q0+r], reciprocals[t.q0+r] = w.block.Tops[r], 1/w.block.Ls[r]
			}
		}
	}
	for r := range t.rows {
		o := t.sums[r*a.wide:][:a.d]
		to := a.out.at(t.b*a.out.w+t.q0+r, t.head*a.d)
		if a.out.words {
			a.x.tier.Pairs(to[:a.d/2], o)
		} else {
			copy(to, o)
		}
	}
}

// over attends over one set of keys: rows of into are its results. It says whether it came to an end.
func (t *attending) over(s *keySet, into []float32) bool {
	b := &t.w.block
	b.Sums, b.ValuePanel = into, kernel.NR*s.pairs
	clear(b.Sums)
	clear(b.Ls)
	for r := range b.Tops {
		b.Tops[r] = float32(math.Inf(-1))
	}
	kb := t.b
	if s.k.b == 1 {
		kb = 0
	}
	for block := range s.blocks {
		k0 := block * kernel.KeyBlock
		if t.op.Causal && k0 > t.q0+t.rows-1 {
			break
		}
		if block > 0 && t.w.stopped() {
			return false
		}
		b.Keys, b.Values = s.packedBlock(kb, t.head, block)
		b.N, b.Last = min(kernel.KeyBlock, s.k.w-k0), t.q0-k0
		t.attend(b)
	}
	for r := range t.rows {
		t.x.tier.Divide(into[r*t.wide:][:t.d], b.Ls[r])
	}
	return true
}

// add adds a further set's results, multiplied by scale.
func (t *attending) add(scale float32) {
	for r := range t.rows {
		o, more := t.sums[r*t.wide:][:t.d], t.more[r*t.wide:][:t.d]
		if scale != 1 {
			for i, v := range more {
				more[i] = float32(v*scale) + 0 // as Affine: -0 becomes 0
			}
		}
		t.x.tier.Add(o, o, more)
	}
}

// begin readies the worker's block: whole tiles of queries, of which those beyond the last repeat it.
func (t *attending) begin() {
	b, take := &t.w.block, carver(t.w.scratch)
	queries := take.floats(queryRows * t.words)
	b.Rows = up(t.rows, kernel.MR)
	t.sums, b.SumStep = take.floats(queryRows*t.wide), t.wide
	t.more = take.floats(queryRows * t.wide)
	b.Tops, b.Ls = take.floats(queryRows), take.floats(queryRows)
	b.Scratch = take
	b.Words, b.D, b.Scale, b.Causal = t.words, t.d, t.scale, t.op.Causal
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
