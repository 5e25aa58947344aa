package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// rowRead is how much of a mapped table comes into memory where a row of it is read that the system has in its cache.
const rowRead = 64 << 10

// EstimateWeights gives the bytes of weights that are in this process's memory at once while a program runs, from headers
// alone: pages of the model's files and of packed weights that are read, and weights that are made in memory. The options are those of
// Compile; where their source has no sizes, there are none.
func (e *Executor) EstimateWeights(p *program.Program, opt program.Options) int64 {
	src, ok := opt.Weights.(program.SizedSource)
	if !ok {
		return 0
	}
	x := e.exec(p, opt.Threads)
	x.content, _ = opt.Weights.(program.ContentSource)
	if x.prepare() != nil {
		return 0 // Compile will say what is wrong
	}
	c := census{x: x, src: src, packed: x.packedBefore(e.packer), made: make(map[string]int64), mapped: make(map[any]int64)}
	return c.count(opt.LowMemory)
}

// packedBefore says which panels earlier runs have packed, of those that a run would map.
func (x *exec) packedBefore(k *packer) map[panels.ID]bool {
	out := make(map[panels.ID]bool)
	if k == nil {
		return out
	}
	tasks, size := x.tasks(k)
	if size < k.least {
		return out
	}
	for _, t := range tasks {
		if !out[t.id] && k.Store.Has(t.id) {
			out[t.id] = true
		}
	}
	return out
}

// census counts weights once, however many instructions read them.
type census struct {
	x      *exec
	src    program.SizedSource
	packed map[panels.ID]bool
	made   map[string]int64 // by weight
	mapped map[any]int64    // by weight's name or ID of panels
}

// count gives the weights of all instructions, or, where each one's are dropped when it is done, the most of one.
func (c *census) count(drops bool) int64 {
	var most, made int64
	for i := range c.x.p.Instrs {
		c.instr(i)
		if drops {
			most = max(most, total(c.mapped))
			clear(c.mapped)
		}
	}
	for _, n := range c.made {
		made += n
	}
	return made + max(most, total(c.mapped))
}

func total(of map[any]int64) (sum int64) {
	for _, n := range of {
		sum += n
	}
	return sum
}

// instr counts what one instruction reads.
func (c *census) instr(i int) {
	in := &c.x.p.Instrs[i]
	packed := c.panels(i)
	for k, id := range in.In {
		if id == program.None || packed[k] || c.x.p.Value(id).Origin != program.FromWeight {
			continue
		}
		name := c.x.p.Value(id).Name
		bytes, mapped := c.src.Size(name)
		if _, ok := in.Op.(*program.Embed); ok && k == 1 && mapped {
			bytes = min(bytes, rowRead*int64(program.Elems(c.x.p.Shape(in.In[0]))))
		}
		if mapped {
			c.mapped[name] = max(c.mapped[name], bytes)
		} else {
			c.made[name] = bytes
		}
	}
}

// panels counts the packed weights of an instruction, and says which operands are read in no other form.
func (c *census) panels(i int) map[int]bool {
	p, ok := c.x.ops[i].(*product)
	if !ok || len(c.packed) == 0 {
		return nil
	}
	whole := make(map[int]bool)
	for k := range p.segs {
		s := &p.segs[k]
		t, ok := p.keepable(s)
		ok = ok && c.packed[t.id]
		if before, seen := whole[s.W]; !seen || before {
			whole[s.W] = ok
		}
		if ok {
			c.mapped[t.id] = t.id.Size()
		}
	}
	return whole
}
