package cpu

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// postponed lists weights that are computed when they are asked for and that only products read: where earlier runs have packed
// them, nobody asks. nil for none.
func (e *Executor) postponed(p *program.Program, src program.WeightSource) map[program.ID]bool {
	made, ok := src.(program.MadeSource)
	if !ok || e.packer == nil {
		return nil
	}
	out := make(map[program.ID]bool)
	for _, ref := range p.Weights() {
		if _, known := made.Identity(ref.Name); known && made.Made(ref.Name) {
			out[ref.ID] = true
		}
	}
	for i := range p.Instrs {
		in := &p.Instrs[i]
		read := make(map[int]bool) // operands that segments read
		if op, ok := in.Op.(*program.Product); ok {
			for _, s := range op.Segments {
				read[s.W] = true
			}
		}
		for k, id := range in.In {
			if !read[k] {
				delete(out, id)
			}
		}
	}
	return out
}

// makePostponed asks for those of the postponed weights that are not packed as a whole. Their panels are read once for that.
func (x *exec) makePostponed(src program.WeightSource) error {
	missing := make(map[program.ID]bool)
	for id := range x.postponed {
		missing[id] = true
	}
	for id, whole := range x.wholePanels() {
		if whole {
			delete(missing, id)
		}
	}
	for id := range missing {
		v := x.p.Value(id)
		w, err := src.Weight(v.Name)
		if err != nil {
			return &program.BindError{Problems: []string{err.Error()}}
		}
		if len(w.Data) != v.Elems()*w.Type.Size() {
			return &program.BindError{Problems: []string{fmt.Sprintf("%q has shape %v, want %v", v.Name, w.Shape, v.Shape)}}
		}
		w.Shape = v.Shape
		x.weights[id] = weightOf(w)
	}
	for _, op := range x.ops {
		if p, ok := op.(*product); ok {
			for i := range p.segs {
				s := &p.segs[i]
				s.w = x.weights[p.in.In[s.W]]
			}
		}
	}
	return nil
}

// wholePanels says of the postponed weights whether all that products read of them is packed and whole.
func (x *exec) wholePanels() map[program.ID]bool {
	whole := make(map[program.ID]bool)
	for _, op := range x.ops {
		p, ok := op.(*product)
		if !ok {
			continue
		}
		for i := range p.segs {
			s := &p.segs[i]
			id := p.in.In[s.W]
			if !x.postponed[id] {
				continue
			}
			before, seen := whole[id]
			whole[id] = (before || !seen) && s.kept != nil && intact(s.kept)
		}
	}
	return whole
}

// intact checks all blocks.
func intact(p *panels.Panels) bool {
	ok := true
	err := panels.Guard(func() error {
		for i := range p.ID().Blocks {
			ok = p.Verify(i) && ok
		}
		return nil
	}, []*panels.Panels{p})
	return ok && err == nil
}
