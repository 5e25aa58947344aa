package cpu

import "github.com/seed-8af8f8e1/flow/internal/program"

// findWords finds the values that are stored as words (see package kernel), which their makers write: those that bf16 products and
// attention alone read. They would be rounded before anything else is done with them, so that no bit of a result changes.
func (x *exec) findWords() {
	x.asWords = make([]bool, len(x.p.Values))
	for i := range x.p.Instrs {
		in := &x.p.Instrs[i]
		if rank := len(x.p.Shape(in.Out[0])); rank >= 2 && rank <= 4 && x.makesWords(in) {
			x.asWords[in.Out[0]] = true
		}
	}
	for _, o := range x.p.Outputs {
		x.asWords[o.Value] = false
	}
	for _, c := range x.p.Carries {
		x.asWords[c.Init], x.asWords[c.Body], x.asWords[c.Next] = false, false, false
	}
	for i := len(x.p.Instrs) - 1; i >= 0; i-- { // what is read comes before its readers
		in := &x.p.Instrs[i]
		for k, id := range in.In {
			if id != program.None && !x.readsWords(in, k) {
				x.asWords[id] = false
			}
		}
	}
	for i := range x.p.Instrs { // a reshape whose operand is none
		in := &x.p.Instrs[i]
		if _, ok := in.Op.(*program.Reshape); ok && !x.asWords[in.In[0]] {
			x.asWords[in.Out[0]] = false
		}
	}
}

// makesWords says whether the operation can write words.
func (x *exec) makesWords(in *program.Instr) bool {
	switch op := in.Op.(type) {
	case *program.Product:
		return len(in.Out) == 1
	case *program.Attention:
		return x.evenHeads(in, op.Heads)
	case *program.GroupNorm, *program.LayerNorm:
		return true
	case *program.Reshape:
		from, to := x.p.Shape(in.In[0]), x.p.Shape(in.Out[0])
		return x.p.Value(in.In[0]).Origin == program.FromOp && from[len(from)-1] == to[len(to)-1]
	}
	return false
}

// readsWords says whether operand k of an operation may be words.
func (x *exec) readsWords(in *program.Instr, k int) bool {
	switch op := in.Op.(type) {
	case *program.Product:
		if op.Prec != program.BF16 || op.Epilogue.Residual != 0 && op.Epilogue.Residual == k {
			return false
		}
		for _, s := range op.Segments {
			if s.X == k {
				return true
			}
		}
	case *program.Attention:
		return op.Prec == program.BF16 && x.evenHeads(in, op.Heads)
	case *program.AttentionColumns:
		return op.Prec == program.BF16 && x.evenHeads(in, op.Heads)
	case *program.Reshape:
		return x.asWords[in.Out[0]]
	}
	return false
}

// evenHeads says whether each head of an attention is of whole words.
func (x *exec) evenHeads(in *program.Instr, heads int) bool {
	s := x.p.Shape(in.In[0])
	return s[len(s)-1]/heads%2 == 0
}
