package program

import "slices"

// Optimize applies all passes: [Prune], [Hoist], [Fuse]. No pass changes a bit of
// an output. The program given is left as it is.
func Optimize(p *Program) *Program { return Fuse(Hoist(Prune(p))) }

// clone copies a program so that a pass may change instructions and values.
func clone(p *Program) *Program {
	q := *p
	q.Values = slices.Clone(p.Values)
	q.Instrs = slices.Clone(p.Instrs)
	for i := range q.Instrs {
		q.Instrs[i].In = slices.Clone(q.Instrs[i].In)
		q.Instrs[i].Out = slices.Clone(q.Instrs[i].Out)
	}
	return &q
}

// Prune drops the instructions that no output needs, such as a text encoder's last layer
// where only the one before it is read.
func Prune(p *Program) *Program {
	q := clone(p)
	needed := make([]bool, len(p.Values))
	for _, o := range p.Outputs {
		needed[o.Value] = true
	}
	for _, c := range p.Carries {
		needed[c.Init], needed[c.Next] = true, true
	}
	keep := make([]bool, len(p.Instrs))
	for i := len(p.Instrs) - 1; i >= 0; i-- {
		in := &p.Instrs[i]
		if !slices.ContainsFunc(in.Out, func(id ID) bool { return needed[id] }) {
			continue
		}
		keep[i] = true
		for _, id := range in.In {
			needed[id] = true
		}
	}
	q.Instrs = q.Instrs[:0]
	for i := range p.Instrs {
		if keep[i] {
			q.Instrs = append(q.Instrs, p.Instrs[i])
		}
	}
	return q
}

// Hoist moves out of the loop what is the same in each step: the keys and values
// of the prompt, the embedding of the time ids.
func Hoist(p *Program) *Program {
	q := clone(p)
	varies := make([]bool, len(p.Values))
	for _, c := range p.Carries {
		varies[c.Body] = true
	}
	for i := range q.Instrs {
		in := &q.Instrs[i]
		if in.Stage != Each {
			continue
		}
		_, step := in.Op.(*StepRow)
		if step || slices.ContainsFunc(in.In, func(id ID) bool { return varies[id] }) {
			for _, id := range in.Out {
				varies[id] = true
			}
			continue
		}
		in.Stage = Once
	}
	slices.SortStableFunc(q.Instrs, func(a, b Instr) int { return int(a.Stage) - int(b.Stage) })
	return q
}
