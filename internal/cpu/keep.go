package cpu

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// leastKept is the size in bytes of a segment's panels below which they are packed anew each time: a file would save microseconds.
const leastKept = 256 << 10

// packTask is the packing of one segment's panels for later runs.
type packTask struct {
	id      panels.ID
	name    string        // of the weight
	w       kernel.Weight // without data where the content makes it
	offset  int           // first channel
	c       int           // channels
	n       int           // outputs
	content program.ContentSource
	release func() // of the content
}

// layout says how panels of a segment lie; it is all that decides their bytes beside the weight.
func layout(offset, c, taps int) string {
	return fmt.Sprintf("cpu %d: %d outputs a block, %d taps, words of 2 channels in bf16, channels %d to %d", kernel.PanelVersion, kernel.NR, taps, offset, offset+c)
}

// keepable describes the panels of a segment; not ok where they cannot be kept.
func (p *product) keepable(s *segment) (t packTask, ok bool) {
	w := p.x.p.Value(p.in.In[s.W])
	if !p.round || w.Origin != program.FromWeight || p.x.content == nil || p.op.Epilogue.Gated && p.out.c%kernel.NR != 0 {
		return t, false
	}
	id, ok := p.x.content.Identity(w.Name)
	taps := s.KH * s.KW
	t = packTask{name: w.Name, w: s.w, offset: s.WOffset, c: s.x.c, n: p.sums, content: p.x.content,
		id: panels.ID{Weight: id, Layout: layout(s.WOffset, s.x.c, taps), Blocks: (p.sums + kernel.NR - 1) / kernel.NR, Block: 4 * kernel.PanelLen(s.x.c, taps, true)}}
	if made, is := p.x.content.(program.MadeSource); is && made.Made(w.Name) {
		t.w.Data = nil // asked for when it is packed, not held until then
	}
	return t, ok && t.id.Blocks*t.id.Block >= leastKept
}

// tasks lists the panels of a program that can be kept, and their size in bytes; none for programs that are small as a whole: they pack
// for themselves and keep that from step to step.
func (x *exec) tasks(k *packer) (all []packTask, size int64) {
	if x.content == nil || x.kept > 0 {
		return nil, 0
	}
	for _, p := range x.repeated(k) {
		for i := range p.segs {
			if t, ok := p.keepable(&p.segs[i]); ok {
				all = append(all, t)
				size += t.id.Size()
			}
		}
	}
	return all, size
}

// repeated lists the products of the step loop, or all where a packer keeps those that run once too.
func (x *exec) repeated(k *packer) (list []*product) {
	for i, op := range x.ops {
		if p, ok := op.(*product); ok && (k.All || x.p.Instrs[i].Stage == program.Each) {
			list = append(list, p)
		}
	}
	return list
}

// findPanels maps what earlier runs have packed and has the rest packed for later ones.
func (x *exec) findPanels(k *packer) {
	if k == nil || x.content == nil {
		return
	}
	if _, size := x.tasks(k); size < k.least {
		return
	}
	x.packer = k
	for _, p := range x.repeated(k) {
		x.keptPanels(p)
	}
	if len(x.panels) > 0 {
		guard := x.pool.guard
		x.pool.guard = func(f func() error) error {
			return guard(func() error { return panels.Guard(f, x.panels) })
		}
	}
	if !x.lowMemory {
		for _, t := range x.wanted {
			x.held = append(x.held, t.id.Weight)
		}
		k.hold(x.held...)
	}
	k.add(x.wanted...)
	x.wanted = nil
}

// keptPanels maps the panels of one product.
func (x *exec) keptPanels(p *product) {
	p.mapped = true
	for i := range p.segs {
		s := &p.segs[i]
		t, ok := p.keepable(s)
		if !ok {
			p.mapped = false
			continue
		}
		if s.kept = x.mapPanels(t.id); s.kept != nil {
			continue
		}
		p.mapped = false
		x.wanted = append(x.wanted, t)
	}
	if p.mapped {
		p.chunk = 0 // as before the first cut, so that a task's panels still fit its working memory
		p.cut()
	}
}

// mapPanels maps a file of panels, once for all products that read it: pages of two mappings would count twice. nil where there is none.
func (x *exec) mapPanels(id panels.ID) *panels.Panels {
	for _, p := range x.panels {
		if p.ID() == id {
			return p
		}
	}
	p := x.packer.Store.Open(id)
	if p == nil {
		return nil
	}
	x.panels = append(x.panels, p)
	if x.lowMemory {
		p.Drop() // what the system has mapped around header and table
	}
	return p
}

// dropAll takes all weights out of this process's memory.
func (x *exec) dropAll() {
	for i := range x.ops {
		x.drop(i)
	}
}

// drop takes the weights of instruction i out of this process's memory.
func (x *exec) drop(i int) {
	if x.content == nil {
		return
	}
	for _, id := range x.p.Instrs[i].In {
		if id != program.None && x.weights[id].Data != nil {
			x.content.Drop(x.p.Value(id).Name)
		}
	}
	if p, ok := x.ops[i].(*product); ok {
		for k := range p.segs {
			if s := &p.segs[k]; s.kept != nil {
				s.kept.Drop()
			}
		}
	}
}

// closePanels ends the use of mapped panels. Damaged ones are made anew.
func (x *exec) closePanels() {
	for _, op := range x.ops {
		p, ok := op.(*product)
		if !ok {
			continue
		}
		for i := range p.segs {
			s := &p.segs[i]
			if s.kept != nil && s.kept.Damaged() {
				if t, ok := p.keepable(s); ok {
					x.wanted = append(x.wanted, t)
				}
			}
			s.kept = nil
		}
	}
	for _, p := range x.panels {
		p.Close()
	}
	x.panels = nil
	if x.packer != nil {
		x.packer.release(x.held...)
	}
	x.packer.add(x.wanted...)
	x.wanted, x.held = nil, nil
}
