package cpu

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// columns is [program.AttentionColumns]. It packs the keys, finds each query's maximum and sum as attention does, adds up the
// columns of each head, and averages the heads. Scores are made twice and kept never.
type columns struct {
	x     *exec
	in    *program.Instr
	op    *program.AttentionColumns
	round bool
	scale float32
	dot   kernel.Dot

	d, words, keys, blocks int // channels of a head; their words; keys of a block, padded to whole panels; blocks
	q, k                   image
	out                    []float32

	stride int         // of blocks in packed
	packed []float32   // for each batch entry, head and block: panels [words][NR]
	rows   [][]float32 // of each batch entry and head: for each query its maximum, then for each the reciprocal of its sum
	sums   []float32   // [batch, head, keys]

	packing columnsPack
	tops    columnsTops
	adding  columnsAdd
}

type (
	columnsPack struct{ *columns }
	columnsTops struct{ *columns }
	columnsAdd  struct{ *columns }
)

func (x *exec) newColumns(in *program.Instr, op *program.AttentionColumns) (*columns, needs) {
	c, n := x.columnsOf(x.shapeOf(in.In[0]), x.shapeOf(in.In[1]), op)
	c.in, c.stride = in, c.keys*c.words
	n.shared += c.q.b * op.Heads * c.blocks * c.stride
	return c, n
}

// columnsOf prepares columns of queries and keys that are packed elsewhere, by [columns.stride].
func (x *exec) columnsOf(q, k image, op *program.AttentionColumns) (*columns, needs) {
	c := &columns{x: x, op: op, round: op.Prec == program.BF16, scale: float32(op.Scale * math.Log2E), dot: x.tier.F32, q: q, k: k}
	c.d = c.q.c / op.Heads
	c.words = kernel.Words(c.d, c.round)
	if c.round {
		c.dot = x.tier.BF16
	}
	c.keys = up(min(c.k.w, kernel.KeyBlock), kernel.NR)
	c.blocks = (c.k.w + kernel.KeyBlock - 1) / kernel.KeyBlock
	c.rows = make([][]float32, c.q.b*op.Heads)
	c.packing, c.tops, c.adding = columnsPack{c}, columnsTops{c}, columnsAdd{c}
	pairs := c.q.b * op.Heads
	return c, needs{shared: pairs * (2*c.q.w + c.k.w), worker: max(kernel.MR*(c.words+c.keys), kernel.NR*c.words), taps: 1}
}

func (c *columns) run() error {
	c.q, c.k = c.x.image(c.in.In[0]), c.x.image(c.in.In[1])
	pairs := c.q.b * c.op.Heads
	take := carver(c.x.shared)
	c.packed = take.floats(pairs * c.blocks * c.stride)
	c.begin(&take, c.x.f32(c.in.Out[0]))
	tiles := (c.q.w + queryRows - 1) / queryRows
	if err := c.x.pool.do(&c.packing, pairs*c.blocks, len(c.k.data)); err != nil {
		return err
	}
	if err := c.x.pool.do(&c.tops, pairs*tiles, c.cost()); err != nil {
		return err
	}
	return c.add()
}

// begin takes working memory for the rows' maxima and sums and the heads' columns.
func (c *columns) begin(take *carver, out []float32) {
	for i := range c.rows {
		c.rows[i] = take.floats(2 * c.q.w)
	}
	c.sums = take.floats(c.q.b * c.op.Heads * c.k.w)
	clear(c.sums)
	c.out = out
}

// row has, of a batch entry and head, each query's maximum and the reciprocal of its sum.
func (c *columns) row(pair int) (tops, reciprocals []float32) {
	return c.rows[pair][:c.q.w], c.rows[pair][c.q.w:]
}

// cost is about the time in nanoseconds that all scores take.
func (c *columns) cost() int {
	const macsPerNanosecond = 30
	return c.q.pixels() * c.q.c * c.k.w / macsPerNanosecond
}

// add adds the columns up, from the rows' maxima and sums.
func (c *columns) add() error {
	if err := c.x.pool.do(&c.adding, c.q.b*c.op.Heads*c.blocks, c.cost()); err != nil {
		return err
	}
	c.average()
	return nil
}

// average divides the sum over the heads, in order, by their number.
func (c *columns) average() {
	heads := float32(c.op.Heads)
	for b := range c.q.b {
		for j := range c.k.w {
			var s float32
			for h := range c.op.Heads {
				s += c.sums[(b*c.op.Heads+h)*c.k.w+j]
			}
			c.out[b*c.k.w+j] = s / heads
		}
	}
}

// panels are the packed keys of one block of one head.
func (c *columns) panels(pair, block int) []float32 {
	return c.packed[(pair*c.blocks+block)*c.stride:][:c.keys*c.words]
}

// span is where a block's keys begin and how many they are.
func (c *columns) span(block int) (from, n int) {
	from = block * kernel.KeyBlock
	return from, min(kernel.KeyBlock, c.k.w-from)
}

func (j *columnsPack) task(w *worker, i int) {
	c, block, pair := j.columns, i%j.blocks, i/j.blocks
	b, head := pair/c.op.Heads, pair%c.op.Heads
	k0, n := c.span(block)
	packKeys(&c.x.tier, c.panels(pair, block), &c.k, c.k.at(b*c.k.w+k0, head*c.d), c.d, n, c.round, w.scratch)
}

// scores makes the scaled scores of rows queries from q0 on against one block, without the scale: MR rows, c.keys apart.
func (c *columns) scores(w *worker, pair, block, q0, rows int) []float32 {
	b, head := pair/c.op.Heads, pair%c.op.Heads
	take := carver(w.scratch)
	queries, scores := take.floats(kernel.MR*c.words), take.floats(kernel.MR*c.keys)
	taps := w.taps[:1]
	for r := range kernel.MR {
		row := queries[r*c.words:][:c.words]
		src := c.q.at(b*c.q.w+q0+min(r, rows-1), head*c.d)
		if c.q.words || !c.round {
			copy(row, src)
		} else {
			c.x.tier.Pairs(row, src[:c.d])
		}
		taps[0][r] = row
	}
	_, n := c.span(block)
	keys := c.panels(pair, block)
	for p := 0; p < n; p += kernel.NR {
		clear(w.acc[:])
		c.dot(&w.acc, taps, keys[p*c.words:], c.words, rows, min(kernel.NR, n-p))
		for r := range rows {
			*(*[kernel.NR]float32)(scores[r*c.keys+p:]) = [kernel.NR]float32(w.acc[r*kernel.NR:])
		}
	}
	return scores
}

// task finds maximum and sum of some queries over all blocks.
func (j *columnsTops) task(w *worker, i int) {
	c := j.columns
	tiles := (c.q.w + queryRows - 1) / queryRows
	pair, first := i/tiles, i%tiles*queryRows
	tops, sums := c.row(pair)
	for q0 := first; q0 < min(first+queryRows, c.q.w) && !w.stopped(); q0 += kernel.MR {
		rows := min(kernel.MR, c.q.w-q0)
		for r := range rows {
			w.soft[r] = kernel.NewSoftmax()
		}
		for block := range c.blocks {
			_, n := c.span(block)
			scores := c.scores(w, pair, block, q0, rows)
			for r := range rows {
				w.soft[r].Block(&c.x.tier, scores[r*c.keys:][:n], c.scale)
			}
		}
		for r := range rows {
			tops[q0+r], sums[q0+r] = w.soft[r].Row()
		}
	}
}

// task adds one block's columns over all queries, in order.
func (j *columnsAdd) task(w *worker, i int) {
	c, block, pair := j.columns, i%j.blocks, i/j.blocks
	k0, n := c.span(block)
	sums := c.sums[pair*c.k.w+k0:][:n]
	tops, reciprocals := c.row(pair)
	for q0 := 0; q0 < c.q.w && !w.stopped(); q0 += kernel.MR {
		rows := min(kernel.MR, c.q.w-q0)
		scores := c.scores(w, pair, block, q0, rows)
		for r := range rows {
			s := scores[r*c.keys:][:n]
			c.x.tier.ScaleMax(s, c.scale)
			c.x.tier.Exp2Sum(s, tops[q0+r])
			kernel.AddScaled(sums, s, reciprocals[q0+r])
		}
	}
}
