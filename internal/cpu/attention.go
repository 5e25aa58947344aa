package cpu

import (
	"context"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// queryRows is the number of queries of one attention task.
const queryRows = 8 * kernel.MR

// attentionScratch is the working memory of one worker: panels of a block of keys
// and of values, rounded queries, scores and outputs of a tile.
func (x *exec) attentionScratch(in *program.Instr, op *program.Attention) int {
	k := x.p.Shape(in.In[1])
	d := k[2]/op.Heads + 1
	keys := (min(k[1], kernel.KeyBlock) + kernel.NR) / kernel.NR * kernel.NR
	wide := (d + kernel.NR - 1) / kernel.NR * kernel.NR
	return keys*d + keys*wide + queryRows*(d+wide) + kernel.MR*keys
}

// attentionTask is some queries of one head of one batch entry.
type attentionTask struct {
	q, k, v, out image
	head, d      int
	even         int // d, padded to even for bf16
	wide         int // d, padded to whole panels
	b, kb        int // batch entry, and that of the keys
	q0, rows     int
	causal       bool
	round        bool
	scale        float32
	dot          kernel.Dot

	keyPanels, valuePanels, queries, sums, scores []float32
	keysWide                                      int
}

func (x *exec) attention(ctx context.Context, in *program.Instr, op *program.Attention) error {
	im := func(id program.ID) image { return imageOf(x.p.Shape(id), x.f32(id)) }
	base := attentionTask{q: im(in.In[0]), k: im(in.In[1]), v: im(in.In[2]), out: im(in.Out[0]), causal: op.Causal,
		round: op.Prec == program.BF16, scale: float32(op.Scale * math.Log2E), dot: x.products.F32}
	base.d = base.q.c / op.Heads
	base.even = base.d
	if base.round {
		base.even += base.d & 1
		base.dot = x.products.BF16
	}
	base.wide = (base.d + kernel.NR - 1) / kernel.NR * kernel.NR
	blocks := (base.q.w + queryRows - 1) / queryRows
	return x.pool.do(ctx, base.q.b*op.Heads*blocks, func(worker, i int) {
		t := base
		t.q0 = i % blocks * queryRows
		t.head = i / blocks % op.Heads
		t.b = i / blocks / op.Heads
		t.rows = min(queryRows, t.q.w-t.q0)
		if t.k.b > 1 {
			t.kb = t.b
		}
		t.run(x.scratch[worker])
	})
}

// run attends for the task's queries over all blocks of keys.
func (t *attentionTask) run(scratch []float32) {
	t.carve(scratch)
	t.loadQueries()
	var soft [queryRows]kernel.Softmax
	for i := range soft {
		soft[i] = kernel.NewSoftmax()
	}
	clear(t.sums)
	for k0 := 0; k0 < t.k.w; k0 += kernel.KeyBlock {
		n := min(kernel.KeyBlock, t.k.w-k0)
		if t.causal && k0 > t.q0+t.rows-1 {
			break
		}
		t.packKeys(k0, n)
		t.packValues(k0, n)
		for r := 0; r < t.rows; r += kernel.MR {
			t.tile(soft[r:], r, min(kernel.MR, t.rows-r), k0, n)
		}
	}
	for r := range t.rows {
		o := t.sums[r*t.wide:][:t.d]
		soft[r].Divide(o)
		copy(t.out.data[(t.b*t.out.w+t.q0+r)*t.out.c+t.head*t.d:], o)
	}
}

// carve divides the worker's memory.
func (t *attentionTask) carve(s []float32) {
	take := func(n int) []float32 {
		part := s[:n:n]
		s = s[n:]
		return part
	}
	keys := min(t.k.w, kernel.KeyBlock)
	t.keysWide = (keys + keys&1 + kernel.NR - 1) / kernel.NR * kernel.NR
	t.keyPanels = take(t.keysWide * t.even)
	t.valuePanels = take(t.keysWide * t.wide)
	t.queries = take(queryRows * t.even)
	t.sums = take(queryRows * t.wide)
	t.scores = take(kernel.MR * t.keysWide)
}

func (t *attentionTask) loadQueries() {
	clear(t.queries)
	for r := range t.rows {
		q := t.q.data[(t.b*t.q.w+t.q0+r)*t.q.c+t.head*t.d:][:t.d]
		dst := t.queries[r*t.even:]
		if t.round {
			kernel.RoundBF16(dst[:t.d], q)
		} else {
			copy(dst, q)
		}
	}
}

// packKeys lays n keys from k0 on as panels of [d][NR].
func (t *attentionTask) packKeys(k0, n int) {
	clear(t.keyPanels)
	for j := range n {
		row := t.k.data[(t.kb*t.k.w+k0+j)*t.k.c+t.head*t.d:][:t.d]
		dst := t.keyPanels[j/kernel.NR*t.even*kernel.NR+j%kernel.NR:]
		for c, v := range row {
			dst[c*kernel.NR] = v
		}
	}
	if t.round {
		kernel.RoundBF16(t.keyPanels, t.keyPanels)
	}
}

// packValues lays the same keys' values as panels of [keys][NR].
func (t *attentionTask) packValues(k0, n int) {
	clear(t.valuePanels)
	for j := range n {
		row := t.v.data[(t.kb*t.v.w+k0+j)*t.v.c+t.head*t.d:][:t.d]
		for c := 0; c < t.d; c += kernel.NR {
			copy(t.valuePanels[c*t.keysWide+j*kernel.NR:][:kernel.NR], row[c:])
		}
	}
	if t.round {
		kernel.RoundBF16(t.valuePanels, t.valuePanels)
	}
}

// tile treats one block of keys for MR queries.
func (t *attentionTask) tile(soft []kernel.Softmax, r0, rows, k0, n int) {
	var taps [1][kernel.MR][]float32
	x := &taps[0]
	for r := range x {
		x[r] = t.queries[min(r0+r, t.rows-1)*t.even:]
	}
	for p := 0; p < n; p += kernel.NR {
		var acc kernel.Tile
		t.dot(&acc, taps[:], t.keyPanels[p*t.even:], t.even, rows)
		for r := range rows {
			copy(t.scores[r*t.keysWide+p:][:kernel.NR], acc[r*kernel.NR:])
		}
	}
	even := n
	if t.round {
		even += n & 1
	}
	for r := range rows {
		t.weigh(&soft[r], t.scores[r*t.keysWide:][:even], t.sums[(r0+r)*t.wide:][:t.wide], t.q0+r0+r-k0, n)
	}
	for r := range x {
		x[r] = t.scores[min(r, rows-1)*t.keysWide:]
	}
	for c := 0; c < t.wide; c += kernel.NR {
		var acc kernel.Tile
		for r := range rows {
			copy(acc[r*kernel.NR:][:kernel.NR], t.sums[(r0+r)*t.wide+c:])
		}
		t.dot(&acc, taps[:], t.valuePanels[c*t.keysWide:], even, rows)
		for r := range rows {
			copy(t.sums[(r0+r)*t.wide+c:][:kernel.NR], acc[r*kernel.NR:])
		}
	}
}

// weigh turns one row's scores into weights and scales what was summed before. last is the last
// key of the block that a causal mask shows.
func (t *attentionTask) weigh(soft *kernel.Softmax, s, sums []float32, last, n int) {
	seen := n
	if t.causal {
		seen = max(0, min(n, last+1))
	}
	clear(s[seen:])
	if seen == 0 {
		return
	}
	factor := soft.Block(s[:seen], t.scale)
	for i := range sums {
		sums[i] *= factor
	}
	if t.round {
		kernel.RoundBF16(s, s)
	}
}
