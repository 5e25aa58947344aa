package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// mostKept is the size in floats (256 MiB) up to which the packed panels of a program's step are kept.
const mostKept = 1 << 26

// keepPanels decides whether the products of the step loop keep their packed weights: in
// programs that are small as a whole.
func (x *exec) keepPanels() {
	if x.p.Steps < 2 {
		return
	}
	var loop []*product
	total := int64(0)
	for i, op := range x.ops {
		if p, ok := op.(*product); ok && x.p.Instrs[i].Stage == program.Each {
			loop = append(loop, p)
			total += int64(p.panels) * int64(p.panel)
		}
	}
	if total > mostKept {
		return
	}
	x.kept = total
	for _, p := range loop {
		p.keep = true
		p.cut()
	}
}

// packJob packs all panels of a product; a task is one panel.
type packJob struct{ *product }

func (p *product) packAll() error {
	p.packed = make([]float32, p.panels*p.panel)
	err := p.x.pool.do(&p.packing, p.panels, len(p.packed))
	if err != nil {
		p.packed = nil
	}
	return err
}

func (j *packJob) task(w *worker, i int) {
	j.pack(j.packed[i*j.panel:], w.scratch[:j.transposing], i)
}

// pack widens the weights of panel i and, where there are any, of its gates; but those that are kept, packed and whole.
func (p *product) pack(dst, scratch []float32, i int) {
	for from := 0; from < p.sums; from += p.out.c {
		for k := range p.segs {
			s := &p.segs[k]
			if s.kept != nil && s.kept.Verify(from/kernel.NR+i) {
				continue
			}
			p.x.tier.Pack(dst[s.panel:], scratch, &s.w, s.WOffset, s.x.c, from+i*kernel.NR, from+p.out.c, p.round)
		}
		dst = dst[p.half:]
	}
}

// roundJob makes words of an operand of a bf16 product, stride for each pixel; a task is some pixels.
type roundJob struct {
	x      *exec
	src    image
	dst    []float32
	stride int
}

const roundPixels = 256

func (j *roundJob) run() error {
	n := j.src.pixels()
	return j.x.pool.do(j, (n+roundPixels-1)/roundPixels, len(j.dst)/4)
}

func (j *roundJob) task(_ *worker, i int) {
	im, lo, hi := &j.src, i*roundPixels, min(j.src.pixels(), (i+1)*roundPixels)
	to := image{c: im.c, stride: j.stride, data: j.dst}
	j.x.pairs(&to, im.data[lo*im.c:hi*im.c], lo)
}

// pairs writes pixels as words from pixel at on.
func (x *exec) pairs(to *image, pixels []float32, at int) {
	n := len(pixels) / to.c
	if to.c%2 == 0 {
		x.tier.Pairs(to.data[at*to.stride:][:n*to.stride], pixels)
		return
	}
	for p := range n {
		x.tier.Pairs(to.data[(at+p)*to.stride:][:to.stride], pixels[p*to.c:(p+1)*to.c])
	}
}
