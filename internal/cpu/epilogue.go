package cpu

import "github.com/seed-8af8f8e1/flow/internal/cpu/kernel"

// epilogue is what a product does to its sums before it stores them; see program.Epilogue.
type epilogue struct {
	act      func(dst, x []float32) // nil for none
	half     int                    // floats of a packed panel without its gates
	step     int                    // a task's rows are a multiple of it: whole tiles and, for moments, whole lines
	residual []float32              // as the result, or nil
	taken    []float32              // moments [B,H,2,N], or nil
	taking   lateMoments
}

func (p *product) newEpilogue() {
	p.act, p.step = p.x.activation(p.op.Epilogue.Act), kernel.MR
	p.taking.product = p
	if len(p.in.Out) == 2 {
		for p.step%p.out.w != 0 {
			p.step += kernel.MR
		}
	}
}

func (e *epilogue) operands(p *product) {
	if r := p.op.Epilogue.Residual; r != 0 {
		e.residual = p.x.f32(p.in.In[r])
	}
	if len(p.in.Out) == 2 {
		e.taken = p.x.f32(p.in.Out[1])
	}
}

// tiled says whether sums stay in tiles before they are stored: where there is an activation or gates.
func (p *product) tiled() bool { return p.act != nil || p.op.Epilogue.Gated }

// finishTiles computes the tiles of rows rows from r0 on, and turns them into results.
func (t *tiler) finishTiles(r0, rows int) {
	e, tiles := &t.w.ends, t.w.tiles
	tile := t.height * kernel.NR
	e.Out, e.Step, e.Tile = tiles, kernel.NR, tile
	halves := t.halves()
	if t.cols%kernel.NR == 0 || halves == 1 {
		t.dot(e, &t.w.terms, rows, halves*t.cols)
	} else {
		t.eachTile(rows, halves)
	}
	for k := range t.n {
		n0 := (t.first + k) * kernel.NR
		acc, c := tiles[k*halves*tile:][:rows*kernel.NR], min(kernel.NR, t.out.c-n0)
		if halves == 2 {
			t.x.tier.MulGELU(acc, acc, tiles[(k*halves+1)*tile:][:len(acc)])
		} else {
			t.act(acc, acc)
		}
		for r := range rows {
			t.store(r0+r, n0, acc[r*kernel.NR:][:c])
		}
	}
}

// eachTile computes tiles one by one: where the last outputs and the last gates are not whole panels.
func (t *tiler) eachTile(rows, halves int) {
	e, all, runs := t.w.ends, t.w.terms.W, len(t.w.terms.Runs)
	for k := range t.n * halves {
		o := &t.w.ends
		o.In, o.Out, t.w.terms.W = e.In[k*e.InTile:], e.Out[k*e.Tile:], all[k*runs:]
		t.dot(o, &t.w.terms, rows, min(kernel.NR, t.cols-k/halves*kernel.NR))
	}
	t.w.terms.W = all
}

// store ends outputs from n0 on of row r.
func (t *tiler) store(r, n0 int, sums []float32) {
	if t.residual != nil {
		t.x.tier.Add(sums, sums, t.residual[r*t.out.c+n0:][:len(sums)])
	}
	if t.words {
		t.x.tier.Pairs(t.out.data[r*t.out.stride+n0/2:][:(len(sums)+1)/2], sums)
	} else {
		copy(t.out.data[r*t.out.c+n0:], sums)
	}
}

// finish takes the moments of those image lines that end among rows rows from r0 on, of n panels from the first on.
func (p *product) finish(first, n, r0, rows int) {
	from := first * kernel.NR
	part := min(n*kernel.NR, p.out.c-from)
	if p.taken != nil && !p.late() {
		for l := r0 / p.out.w; (l+1)*p.out.w <= r0+rows; l++ {
			p.takeMoments(l, from, part)
		}
	}
}

// takeMoments takes the moments of part channels from one on, of an image line.
func (p *product) takeMoments(line, from, part int) {
	c := p.out.c
	mean, m2 := p.taken[2*line*c+from:][:part], p.taken[(2*line+1)*c+from:][:part]
	p.x.tier.RowMoments(mean, m2, p.out.data[line*p.out.w*c+from:], c, p.out.w)
}

// late says whether moments are taken after all tasks: where a task has few of the channels, many calls for a few
// numbers each cost more than reading the result again.
func (p *product) late() bool {
	const few = 64
	return p.group*kernel.NR < min(p.out.c, few)
}

// lateMoments takes moments of all channels; a task is some lines.
type lateMoments struct {
	*product
	lines int
}

func (j *lateMoments) run() error {
	all := j.out.b * j.out.h
	j.lines = max(1, floats/(j.out.w*j.out.c))
	return j.x.pool.do(j, (all+j.lines-1)/j.lines, j.rows*j.out.c/4)
}

func (j *lateMoments) task(_ *worker, i int) {
	for l := i * j.lines; l < min((i+1)*j.lines, j.out.b*j.out.h); l++ {
		j.takeMoments(l, 0, j.out.c)
	}
}
