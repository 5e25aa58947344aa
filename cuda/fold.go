package cuda

import "github.com/seed-8af8f8e1/flow/internal/program"

// folded has a program's products of class fp16 read what an [program.Affine] only multiplies, such as LoRAs' small products, and their
// weights take the number instead, as they are rounded to fp16. So there is one rounding and one launch less. It gives the program, whose
// instructions keep their numbers, the scale of each such segment, and which instructions are left out.
func folded(p *program.Program) (*program.Program, map[*program.Segment]float32, map[int]bool) {
	if !program.Uses(p, program.F16) {
		return p, nil, nil
	}
	uses := usesOf(p)
	scales, left := make(map[*program.Segment]float32), make(map[int]bool)
	out := *p
	out.Instrs = append([]program.Instr{}, p.Instrs...)
	maker := make(map[program.ID]int)
	for i := range p.Instrs {
		for _, id := range p.Instrs[i].Out {
			maker[id] = i
		}
	}
	for i := range out.Instrs {
		op := product16(&out.Instrs[i])
		if op == nil {
			continue
		}
		for k := range op.Segments {
			s := &op.Segments[k]
			id := p.Instrs[i].In[s.X]
			m, made := maker[id]
			if !made || uses[id] != 1 || s.X == op.BatchBias || s.X == op.Epilogue.Residual || p.Instrs[m].Stage != p.Instrs[i].Stage {
				continue
			}
			scale, ok := p.Instrs[m].Op.(*program.Affine)
			if !ok || scale.Add != 0 || p.Value(p.Instrs[m].In[0]).Origin != program.FromOp {
				continue
			}
			out.Instrs[i].In = append([]program.ID{}, out.Instrs[i].In...)
			out.Instrs[i].In[s.X] = p.Instrs[m].In[0]
			scales[s], left[m] = scale.Mul, true
		}
	}
	return &out, scales, left
}

// usesOf counts how often each value is read: by instructions, as an output, or as what a loop carries.
func usesOf(p *program.Program) map[program.ID]int {
	uses := make(map[program.ID]int)
	for i := range p.Instrs {
		for _, id := range p.Instrs[i].In {
			uses[id]++
		}
		if op, ok := p.Instrs[i].Op.(*program.Product); ok { // an operand that segments share is one of In
			for k := range op.Segments {
				for j := range k {
					if op.Segments[j].X == op.Segments[k].X {
						uses[p.Instrs[i].In[op.Segments[k].X]]++
					}
				}
			}
		}
	}
	for _, o := range p.Outputs {
		uses[o.Value]++
	}
	for _, c := range p.Carries {
		uses[c.Init]++
		uses[c.Body]++
		uses[c.Next]++
	}
	return uses
}
