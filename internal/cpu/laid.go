package cpu

import "github.com/seed-8af8f8e1/flow/internal/cpu/kernel"

// mostLaid is the size in floats (64 MiB) up to which an operand of a linear layer is laid out as a whole.
const mostLaid = 1 << 24

// layJob lays out the rows of an operand of a linear layer once for all tasks, as the loops of many rows read them; a task is the rows of one call.
type layJob struct {
	*product // nil where each task lays out its own
	seg      *segment
	dst      []float32
}

// canLay says whether the rows of a segment are those of all tasks, and few enough.
func (p *product) canLay(s *segment) bool {
	n := p.x.tier.LaidLen
	return n != nil && s.linear && p.op.BatchBias < 0 && p.rows > kernel.MR && n(p.rows, s.x.c) <= mostLaid
}

// laid says whether all segments are laid out before the tasks.
func (p *product) laid() bool {
	for i := range p.segs {
		if p.segs[i].lay.product == nil {
			return false
		}
	}
	return true
}

// layOut lays out the operands, words of bf16 where the product is one of these.
func (p *product) layOut(take *carver) error {
	for i := range p.segs {
		j := &p.segs[i].lay
		if j.product == nil {
			continue
		}
		j.dst = take.floats(p.x.tier.LaidLen(p.rows, j.seg.x.c))
		if err := p.x.pool.do(j, p.chunks*j.blocks(), len(j.dst)/4); err != nil {
			return err
		}
	}
	return nil
}

// blocks is the number of calls of the rows of a task.
func (j *layJob) blocks() int { return (j.chunk + j.height - 1) / j.height }

func (j *layJob) task(w *worker, i int) {
	p, s := j.product, j.seg
	chunk := i / j.blocks()
	r0 := chunk*p.chunk + i%j.blocks()*p.height
	rows := min(p.height, min((chunk+1)*p.chunk, p.rows)-r0)
	if rows <= kernel.MR {
		return // a call of so few does not go by what is laid out
	}
	taps := w.taps[:(rows+kernel.MR-1)/kernel.MR]
	for r := range len(taps) * kernel.MR {
		taps[r/kernel.MR][r%kernel.MR] = s.x.data[(r0+min(r, rows-1))*s.x.stride:]
	}
	lay := p.x.tier.F32Lay
	if p.round {
		lay = p.x.tier.BF16Lay
	}
	lay(j.at(r0), taps, s.words, rows)
}

// at is where the rows of a call begin.
func (j *layJob) at(r0 int) []float32 { return j.dst[j.x.tier.LaidLen(r0, j.seg.x.c):] }

// laidRows finds what was laid out of the rows of a call, for the runs of the part.
func (t *tiler) laidRows(r0, rows int) {
	w, part := t.w, &t.parts[t.part]
	w.terms.Laid = w.terms.Laid[:0]
	if rows <= kernel.MR {
		return
	}
	for _, i := range part.segs {
		var at []float32
		if j := &t.segs[i].lay; j.product != nil {
			at = j.at(r0)
		}
		w.terms.Laid = append(w.terms.Laid, at)
	}
}
