package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// winograd computes a 3x3 convolution by Winograd's algorithm (docs/numerics.md, Winograd). The weights of all planes are made first.
// A task is some lines of tiles of one image: a few dozen tiles at a time are transformed, multiplied plane by
// plane and transformed back.
type winograd struct {
	x        *exec
	in       *program.Instr
	seg      program.Segment
	src, out image
	biased   []program.ID

	panels              int // of NR outputs
	tilesY, tilesX      int
	first, last         int // lines of tiles that are computed
	lines               int // of a task
	strips              int // tasks of an image
	tiles, group        int // tiles and panels that are treated at a time
	planeIn, planeOut   int // floats from plane to plane of what is transformed, and of its products
	planes              []float32
	biases              []float32
	residual            image
	taken               []float32 // moments [B,H,2,N], or nil
	making              planesJob
	packed, transposing int // floats of a worker's memory for the making
}

// The working set of a task: so many tiles, whose sums of so many panels are transformed back at a time.
const (
	winogradTiles = 64
	winogradGroup = 4
)

// apart keeps planes from beginning at the same place of a cache.
const apart = 16

func (x *exec) newWinograd(in *program.Instr, op *program.Product) (*winograd, needs) {
	p := &winograd{x: x, in: in, seg: op.Segments[0], src: imageOf(x.p.Shape(in.In[op.Segments[0].X]), nil), out: imageOf(x.p.Shape(in.Out[0]), nil)}
	for _, b := range op.Biases {
		p.biased = append(p.biased, in.In[b])
	}
	p.making = planesJob{p}
	p.panels, p.biases = up(p.out.c, kernel.NR)/kernel.NR, make([]float32, p.out.c)
	p.tilesY, p.tilesX = up(p.out.h, kernel.WinogradTile)/kernel.WinogradTile, up(p.out.w, kernel.WinogradTile)/kernel.WinogradTile
	p.cut()
	p.tiles, p.group = up(min(winogradTiles, p.lines*p.tilesX), kernel.MR), min(winogradGroup, p.panels)
	p.planeIn, p.planeOut = p.tiles*p.src.c+apart, p.group*p.tiles*kernel.NR+apart
	p.packed, p.transposing = 9*p.src.c*kernel.NR, kernel.PackScratch(9)
	working := kernel.WinogradScratch + kernel.Planes*(p.src.c+p.planeIn+p.planeOut) + kernel.WinogradTile*kernel.WinogradTile*2*kernel.NR
	return p, needs{shared: p.panels * p.panel(), worker: max(working, p.packed+p.transposing+kernel.WinogradScratch)}
}

// panel is the length of all planes of a panel.
func (p *winograd) panel() int { return kernel.Planes * p.src.c * kernel.NR }

// cut chooses the lines of a task: enough tiles for the weights to be worth reading, and enough tasks to keep the workers busy.
func (p *winograd) cut() {
	p.lines = min(p.tilesY, up(winogradTiles, p.tilesX)/p.tilesX)
	for p.lines > 1 && p.out.b*up(p.tilesY, p.lines)/p.lines < 4*p.x.pool.threads {
		p.lines--
	}
}

func (p *winograd) run() error {
	if err := p.begin(p.x.shared); err != nil {
		return err
	}
	p.place()
	return p.rows(0, p.out.h)
}

// begin adds up the biases and makes the planes of weights, in the memory given.
func (p *winograd) begin(memory []float32) error {
	p.planes = memory[:p.panels*p.panel()]
	clear(p.biases)
	for k, b := range p.biased {
		if k == 0 {
			copy(p.biases, p.x.f32(b))
			continue
		}
		p.x.tier.Add(p.biases, p.biases, p.x.f32(b))
	}
	return p.x.pool.do(&p.making, p.panels, len(p.planes))
}

// place finds the operands.
func (p *winograd) place() {
	p.src, p.out = p.x.image(p.in.In[p.seg.X]), p.x.image(p.in.Out[0])
	p.residual, p.taken = image{}, nil
	op := p.in.Op.(*program.Product)
	if r := op.Epilogue.Residual; r != 0 {
		p.residual = p.x.image(p.in.In[r])
	}
	if len(p.in.Out) == 2 {
		p.taken = p.x.f32(p.in.Out[1])
	}
}

// reads implements banded: a row above and below, but for the residual.
func (p *winograd) reads(k, from, to int) (lo, hi int) {
	if k != p.seg.X {
		return from, to
	}
	lo, hi = from-p.seg.PadTop, to-p.seg.PadTop+2
	if p.seg.Doubled {
		lo, hi = lo>>1, (hi+1)>>1
	}
	return lo, hi
}

// rows computes rows [from,to) of each image, from on a multiple of four.
func (p *winograd) rows(from, to int) error {
	p.first, p.last = from/kernel.WinogradTile, up(to, kernel.WinogradTile)/kernel.WinogradTile
	p.strips = up(p.last-p.first, p.lines) / p.lines
	const macsPerNanosecond = 100
	return p.x.pool.do(p, p.out.b*p.strips, 9*p.out.b*(to-from)*p.out.w*p.out.c/macsPerNanosecond*p.src.c)
}

// planesJob makes the planes of weights; a task is a panel.
type planesJob struct{ *winograd }

func (j *planesJob) task(w *worker, i int) {
	take := carver(w.scratch)
	taps, scratch, tmp := take.floats(j.packed), take.floats(j.transposing), take.floats(kernel.WinogradScratch)
	weight := j.x.weights[j.in.In[j.seg.W]]
	j.x.tier.Pack(taps, scratch, &weight, j.seg.WOffset, j.src.c, i*kernel.NR, j.out.c, false)
	size := j.src.c * kernel.NR
	j.x.tier.WinogradWeights(j.planes[i*j.panel():][:j.panel()], taps, size, size, tmp)
}

// tiling is the state of one task.
type tiling struct {
	*winograd
	w           *worker
	b           int
	tmp         []float32
	frame       []float32 // inputs of a tile on the border: [6][6][C]
	v, m        []float32 // planes of transformed inputs and of sums
	square, add []float32 // results and residual of a tile on the border: [4][4][NR]
}

func (p *winograd) task(w *worker, i int) {
	take := carver(w.scratch)
	t := tiling{winograd: p, w: w, b: i / p.strips}
	t.tmp, t.frame = take.floats(kernel.WinogradScratch), take.floats(kernel.Planes*p.src.c)
	t.v, t.m = take.floats(kernel.Planes*p.planeIn), take.floats(kernel.Planes*p.planeOut)
	t.square, t.add = take.floats(16*kernel.NR), take.floats(16*kernel.NR)
	first := p.first + i%p.strips*p.lines
	last := min(first+p.lines, p.last)
	for n := first * p.tilesX; n < last*p.tilesX; n += p.tiles {
		if w.stopped() {
			return
		}
		t.some(n, min(p.tiles, last*p.tilesX-n))
	}
	if p.taken == nil {
		return
	}
	c := p.out.c
	for y := first * kernel.WinogradTile; y < min(last*kernel.WinogradTile, p.out.h); y++ {
		l := t.b*p.out.h + y
		p.x.tier.RowMoments(p.taken[2*l*c:][:c], p.taken[(2*l+1)*c:][:c], p.out.data[(l-p.out.top)*p.out.w*c:], c, p.out.w)
	}
}

// some treats n tiles from the first on.
func (t *tiling) some(first, n int) {
	for k := range n {
		t.load(first+k, t.v[k*t.src.c:])
	}
	rows := up(n, kernel.MR)
	for from := 0; from < t.panels; from += t.group {
		panels := min(t.group, t.panels-from)
		for p := range kernel.Planes {
			for k := range panels {
				w := t.planes[(from+k)*t.panel()+p*t.src.c*kernel.NR:]
				t.x.tier.Rows(t.m[p*t.planeOut+k*t.tiles*kernel.NR:], t.v[p*t.planeIn:], t.src.c, w, t.src.c, rows)
			}
		}
		for i := range n {
			for k := range panels {
				t.store(first+i, (from+k)*kernel.NR, t.m[(k*t.tiles+i)*kernel.NR:])
			}
		}
	}
}

// load transforms the inputs of a tile.
func (t *tiling) load(tile int, v []float32) {
	im, c := &t.src, t.src.c
	y0, x0 := tile/t.tilesX*kernel.WinogradTile-t.seg.PadTop, tile%t.tilesX*kernel.WinogradTile-t.seg.PadLeft
	const n = kernel.WinogradInput
	if !t.seg.Doubled && y0 >= 0 && x0 >= 0 && y0+n <= im.h && x0+n <= im.w {
		t.x.tier.WinogradIn(v, t.planeIn, im.data[((t.b*im.h+y0-im.top)*im.w+x0)*c:], im.w*c, c, c, t.tmp)
		return
	}
	shift := 0
	if t.seg.Doubled {
		shift = 1
	}
	for i := range kernel.Planes {
		y, x := (y0+i/n)>>shift, (x0+i%n)>>shift
		pixel := t.frame[i*c:][:c]
		if y < 0 || x < 0 || y >= im.h || x >= im.w {
			clear(pixel)
			continue
		}
		copy(pixel, im.data[((t.b*im.h+y-im.top)*im.w+x)*c:])
	}
	t.x.tier.WinogradIn(v, t.planeIn, t.frame, n*c, c, c, t.tmp)
}

// store transforms the sums of a tile back, for a panel of outputs from n0 on.
func (t *tiling) store(tile, n0 int, m []float32) {
	out, c := &t.out, t.out.c
	n := min(kernel.NR, c-n0)
	y0, x0 := tile/t.tilesX*kernel.WinogradTile, tile%t.tilesX*kernel.WinogradTile
	h, w := min(kernel.WinogradTile, out.h-y0), min(kernel.WinogradTile, out.w-x0)
	at, row := ((t.b*out.h+y0-out.top)*out.w+x0)*c+n0, out.w*c
	residual := t.residual.data
	if residual != nil {
		residual = residual[((t.b*out.h+y0-t.residual.top)*out.w+x0)*c+n0:]
	}
	init := t.biases[n0 : n0+n]
	if h == kernel.WinogradTile && w == kernel.WinogradTile {
		t.x.tier.WinogradOut(out.data[at:], residual, row, c, m, t.planeOut, init, t.tmp)
		return
	}
	const wide = kernel.WinogradTile * kernel.NR
	var add []float32
	if residual != nil {
		add = t.add
		for i := range h * w {
			copy(add[i/w*wide+i%w*kernel.NR:][:n], residual[i/w*row+i%w*c:])
		}
	}
	t.x.tier.WinogradOut(t.square, add, wide, kernel.NR, m, t.planeOut, init, t.tmp)
	for i := range h * w {
		copy(out.data[at+i/w*row+i%w*c:][:n], t.square[i/w*wide+i%w*kernel.NR:])
	}
}
