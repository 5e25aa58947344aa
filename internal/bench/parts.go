package bench

import (
	"slices"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// parts collects what the time of a job goes into, by sort of operation. A nil *parts collects nothing.
type parts struct {
	job   job
	names []string             // of the sorts, in the order of the program
	took  map[string][]float64 // seconds of each step or run, the last one unfinished
	flops map[string]float64   // of a step or run
	bytes map[string]float64   // of what is read and written, in fp32
	began time.Time
}

// newParts makes them for a job, if they are asked for.
func (r *runner) newParts(j job) *parts {
	if !slices.Contains(r.Groups, Parts) {
		return nil
	}
	c := &parts{job: j, took: make(map[string][]float64), flops: make(map[string]float64), bytes: make(map[string]float64)}
	p := j.program
	for i := range p.Instrs {
		in := &p.Instrs[i]
		if p.Steps > 0 && in.Stage != program.Each {
			continue
		}
		name := Sort(p, in)
		if _, ok := c.took[name]; !ok {
			c.names = append(c.names, name)
			c.took[name] = []float64{0}
		}
		c.flops[name] += 2 * float64(program.InstrMACs(p, in))
		for _, v := range slices.Concat(in.In, in.Out) {
			if v != program.None {
				c.bytes[name] += 4 * float64(program.Elems(p.Shape(v)))
			}
		}
	}
	return c
}

// Sort names the sort of an instruction.
func Sort(p *program.Program, in *program.Instr) string {
	switch op := in.Op.(type) {
	case *program.Product:
		for _, s := range op.Segments {
			if s.KH*s.KW > 1 {
				return "convolutions"
			}
		}
		return "linear layers"
	case *program.Attention:
		if q, k := p.Shape(in.In[0]), p.Shape(in.In[1]); q[1] != k[1] {
			return "attention to prompts"
		}
		return "self-attention"
	}
	return in.Op.Name()
}

// begin says that an instruction begins.
func (c *parts) begin() {
	if c != nil {
		c.began = time.Now()
	}
}

// end says that instruction i has ended. What runs once before or after the loop is not counted.
func (c *parts) end(i int) {
	if c == nil {
		return
	}
	p := c.job.program
	if in := &p.Instrs[i]; p.Steps == 0 || in.Stage == program.Each {
		list := c.took[Sort(p, in)]
		list[len(list)-1] += time.Since(c.began).Seconds()
	}
}

// next says that a step or a run has ended.
func (c *parts) next() {
	if c == nil {
		return
	}
	for name := range c.took {
		c.took[name] = append(c.took[name], 0)
	}
	c.begin()
}

// report adds the rows, without the first step or run. Sorts that multiply are a share of arithmetic; those that do not are measured in the
// bytes of their operands and results, of which some lie in registers, caches or as bf16.
func (c *parts) report(r *runner) {
	if c == nil {
		return
	}
	for _, name := range c.names {
		row := Row{Group: Parts, Name: c.job.name + ": " + name, Unit: Bytes, Work: c.bytes[name]}
		if c.flops[name] > 0 {
			row.Unit, row.Work, row.Limit = FLOP, c.flops[name], r.arithmetic(c.job.precision, r.Threads)
		}
		for _, s := range c.took[name][1 : len(c.took[name])-1] {
			row.Seconds = append(row.Seconds, max(s, 1e-9))
		}
		r.report.add(row)
	}
}
