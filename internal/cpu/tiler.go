package cpu

import "github.com/seed-8af8f8e1/flow/internal/cpu/kernel"

// tiler is a task at work.
type tiler struct {
	*product
	w              *worker
	first, n, cols int // panels; outputs
	part           int
	last           bool // it is the last part
	entry          int  // whose biases are in the worker's init, or -1
}

// run computes rows [from,to) of one part; false where it was stopped.
func (t *tiler) run(zeros []float32, from, to int) bool {
	rows, passed := 0, 0
	for r := from; r < to; r += rows {
		rows = t.atOnce(r, to)
		if passed += rows; passed > 8*kernel.MR {
			if t.w.stopped() {
				return false
			}
			passed = 0
		}
		for k := 0; k < rows; k += kernel.MR {
			t.point(zeros, r+k, min(kernel.MR, rows-k), t.w.taps[k/kernel.MR*t.taps:])
		}
		t.laidRows(r, rows)
		t.row(r, rows)
		if t.last {
			t.finish(t.first, t.n, r, rows)
		}
	}
	return true
}

// atOnce is how many of the rows from r on one call of the loops takes. Those of a call, if they are more than a tile's, begin at the same
// sums of biases.
func (t *tiler) atOnce(r, to int) int {
	rows := min(t.height, to-r)
	if t.batch != nil && rows > kernel.MR {
		perBatch := t.out.h * t.out.w
		rows = max(kernel.MR, min(rows, (perBatch-r%perBatch)/kernel.MR*kernel.MR))
	}
	return rows
}

// point finds the input pixels of at most MR rows from r on, for the taps of the part.
func (t *tiler) point(zeros []float32, r, rows int, taps [][kernel.MR][]float32) {
	part := &t.parts[t.part]
	for i := range t.segs {
		s := &t.segs[i]
		if lo, hi := max(part.from, s.tap), min(part.to, s.tap+s.KH*s.KW); lo < hi {
			s.point(&t.out, taps, zeros, r, rows, lo-s.tap, hi-s.tap)
		}
	}
}

// weights places the weights of a part: those that are mapped, or of the panels given.
func (t *tiler) weights(panels []float32) {
	part, w := &t.parts[t.part], t.w
	w.panels = w.panels[:0]
	for k := range t.n {
		for from := 0; from < t.sums; from += t.out.c {
			for run, i := range part.segs {
				s := &t.segs[i]
				data := panels[min(s.panel, len(panels)):]
				if s.kept != nil {
					if b := s.kept.Block(from/kernel.NR + t.first + k); b != nil {
						data = b
					}
				}
				w.panels = append(w.panels, data[part.at[run]:])
			}
			panels = panels[min(t.half, len(panels)):]
		}
	}
	w.terms = kernel.Terms{X: w.taps[part.from:], Step: t.taps, Runs: part.runs, W: w.panels, Laid: w.terms.Laid[:0]}
}

// row computes the tiles of some rows.
func (t *tiler) row(r0, rows int) {
	e, n0 := &t.w.ends, t.first*kernel.NR
	at := r0*t.out.c + n0
	e.Words, e.Add = false, nil
	if t.part > 0 {
		e.In, e.InStep, e.InTile = t.out.data[at:], t.out.c, kernel.NR
	} else {
		t.begin(r0, rows)
	}
	if t.tiled() {
		t.finishTiles(r0, rows)
		return
	}
	if t.last && t.residual != nil {
		e.Add, e.AddStep, e.AddTile = t.residual[at:], t.out.c, kernel.NR
	}
	if t.words {
		e.Words, e.Out, e.Step, e.Tile = true, t.out.data[r0*t.out.stride+n0/2:], t.out.stride, kernel.NR/2
	} else {
		e.Out, e.Step, e.Tile = t.out.data[at:], t.out.c, kernel.NR
	}
	t.dot(e, &t.w.terms, rows, t.cols)
}

// begin finds where the accumulators begin: at the biases.
func (t *tiler) begin(r0, rows int) {
	e, n0 := &t.w.ends, t.first*kernel.NR
	e.InStep, e.InTile = 0, kernel.NR
	if len(t.biases) == 1 && t.batch == nil && !t.op.Epilogue.Gated {
		e.In = t.biases[0][n0 : n0+t.cols]
		return
	}
	e.In = t.w.init
	from, to := 0, 0
	if t.batch != nil {
		perBatch := t.out.h * t.out.w
		from, to = r0/perBatch, (r0+rows-1)/perBatch
	}
	step := len(t.w.init) / kernel.MR
	if from == to {
		if from != t.entry {
			t.biasesOf(t.w.init[:step], from)
			t.entry = from
		}
		return
	}
	for r := range rows {
		t.biasesOf(t.w.init[r*step:][:step], (r0+r)/(t.out.h*t.out.w))
	}
	e.InStep, t.entry = step, -1
}

// biasesOf adds up the biases of the task's tiles for a batch entry.
func (t *tiler) biasesOf(dst []float32, entry int) {
	tile := 0
	for n0 := t.first * kernel.NR; n0 < t.first*kernel.NR+t.cols; n0 += kernel.NR {
		for from := n0; from < t.sums; from += t.out.c {
			t.addBiases(dst[tile*kernel.NR:][:min(kernel.NR, t.out.c-n0)], from, entry)
			tile++
		}
	}
}

// addBiases adds up the biases of sums from one on, the batch's last.
func (p *product) addBiases(dst []float32, from, entry int) {
	clear(dst)
	for k, b := range p.biases {
		b = b[from:]
		for j := range dst {
			if k == 0 {
				dst[j] = b[j]
			} else {
				dst[j] += b[j]
			}
		}
	}
	if p.batch == nil {
		return
	}
	for j, v := range p.batch[entry*p.sums+from:][:len(dst)] {
		if len(p.biases) > 0 {
			v = dst[j] + v
		}
		dst[j] = v
	}
}

// point finds the input pixels under taps [lo,hi) of a segment for rows [r0,r0+rows) of the output; zeros on the border.
// Rows beyond repeat the last.
func (s *segment) point(out *image, all [][kernel.MR][]float32, zeros []float32, r0, rows, lo, hi int) {
	taps := all[s.tap : s.tap+s.KH*s.KW]
	if s.linear {
		for r := range kernel.MR {
			taps[0][r] = s.x.data[(r0+min(r, rows-1))*s.x.stride:]
		}
		return
	}
	x := r0 % out.w
	y := r0 / out.w % out.h
	b := r0 / (out.w * out.h)
	first, last := lo/s.KW, (hi-1)/s.KW
	for r := range kernel.MR {
		if r >= rows {
			for k := lo; k < hi; k++ {
				taps[k][r] = taps[k][rows-1]
			}
			continue
		}
		y0, x0 := y*s.Stride-s.PadTop, x*s.Stride-s.PadLeft
		for ky := first; ky <= last; ky++ {
			row := (b*s.x.h + y0 + ky) * s.x.w
			inside := uint(y0+ky) < uint(s.x.h)
			for kx := max(0, lo-ky*s.KW); kx < min(s.KW, hi-ky*s.KW); kx++ {
				if inside && uint(x0+kx) < uint(s.x.w) {
					taps[ky*s.KW+kx][r] = s.x.data[(row+x0+kx)*s.x.stride:]
				} else {
					taps[ky*s.KW+kx][r] = zeros
				}
			}
		}
		if x++; x == out.w {
			x = 0
			if y++; y == out.h {
				y = 0
				b++
			}
		}
	}
}
