package program

// MACs counts the multiply-adds of a program's products and attention over all steps, convolutions in their direct form.
func MACs(p *Program) int64 { return count(p, InstrMACs) }

// Multiplications counts those that are done: Winograd's algorithm multiplies 36 numbers for 16 pixels, where the direct form has 144.
func Multiplications(p *Program) int64 { return count(p, InstrMultiplications) }

// InstrMultiplications counts those of one run of an instruction.
func InstrMultiplications(p *Program, in *Instr) int64 {
	n := InstrMACs(p, in)
	if op, ok := in.Op.(*Product); ok && op.Algorithm == Winograd {
		n /= 4
	}
	return n
}

// count adds up something of all instructions over all steps.
func count(p *Program, of func(p *Program, in *Instr) int64) int64 {
	var total int64
	for i := range p.Instrs {
		in := &p.Instrs[i]
		n := of(p, in)
		if in.Stage == Each {
			n *= int64(p.Steps)
		}
		total += n
	}
	return total
}

// InstrMACs counts those of one run of an instruction.
func InstrMACs(p *Program, in *Instr) int64 {
	switch op := in.Op.(type) {
	case *Product:
		var terms int64
		for _, s := range op.Segments {
			x := p.Shape(in.In[s.X])
			terms += int64(x[len(x)-1]) * int64(s.KH*s.KW)
		}
		if op.Epilogue.Gated {
			terms *= 2
		}
		return terms * int64(Elems(p.Shape(in.Out[0])))
	case *Chain:
		var n int64
		for i := range op.Body {
			n += InstrMACs(p, &op.Body[i])
		}
		return n
	case *Attention:
		keys, all := int64(p.Shape(in.In[1])[1]), int64(Elems(p.Shape(in.Out[0])))
		n := 2 * all * keys
		for _, s := range op.Second {
			n += 2 * all * int64(p.Shape(in.In[s.K])[1])
		}
		if op.Columns > 0 {
			n += all / int64(p.Shape(in.In[0])[0]) * int64(op.Columns) * keys
		}
		return n
	case *AttentionColumns:
		return 2 * int64(Elems(p.Shape(in.In[0]))) * int64(p.Shape(in.In[1])[1])
	}
	return 0
}
