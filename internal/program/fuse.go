package program

import "slices"

// Fuse joins neighbours, so that values are not written and read again between them: what follows a product and treats
// each element alone (gates, activation, residual) becomes the product's [Epilogue], an activation
// after a group norm becomes part of it, and the moments that a group norm needs are made by the products
// whose results it normalises. Attention over further keys for the same queries, and the columns of its weights, become parts of one. A product by Winograd's algorithm reads an image that is enlarged twice in its small form.
func Fuse(p *Program) *Program {
	f := newFuser(clone(p))
	for i := range f.Instrs {
		switch f.Instrs[i].Op.(type) {
		case *Product:
			f.enlarge(i)
			f.extend(i)
		case *GroupNorm:
			f.activate(i)
		case *Attention:
			f.attend(i)
		}
	}
	for i := range f.Instrs {
		if op, ok := f.Instrs[i].Op.(*GroupNorm); ok {
			f.shareMoments(&f.Instrs[i], op)
		}
	}
	f.Instrs = slices.DeleteFunc(f.Instrs, func(in Instr) bool { return in.Op == nil })
	return f.Program
}

// fuser is a program on its way. An instruction that has become part of another has no operation.
type fuser struct {
	*Program
	maker  []int // by ID: the instruction that computes it, or -1
	uses   []int // by ID: how often it is read
	reader []int // by ID: an instruction that reads it
}

func newFuser(p *Program) *fuser {
	f := &fuser{Program: p, maker: make([]int, len(p.Values)), uses: make([]int, len(p.Values)), reader: make([]int, len(p.Values))}
	for i := range f.maker {
		f.maker[i] = -1
	}
	for i := range p.Instrs {
		for _, id := range p.Instrs[i].Out {
			f.maker[id] = i
		}
		for _, id := range p.Instrs[i].In {
			f.uses[id]++
			f.reader[id] = i
		}
	}
	for _, o := range p.Outputs {
		f.uses[o.Value] += 2 // not for one reader alone
	}
	for _, c := range p.Carries {
		f.uses[c.Init] += 2
		f.uses[c.Next] += 2
	}
	return f
}

// next is the only reader of what instruction i computes, in the same stage; -1 for none.
func (f *fuser) next(i int) int {
	out := f.Instrs[i].Out[0]
	if f.uses[out] != 1 {
		return -1
	}
	if j := f.reader[out]; f.Instrs[j].Stage == f.Instrs[i].Stage {
		return j
	}
	return -1
}

// enlarge has product i read the image that was enlarged for it.
func (f *fuser) enlarge(i int) {
	in := &f.Instrs[i]
	op := *in.Op.(*Product)
	at := op.Segments[0].X
	j := f.maker[in.In[at]]
	if op.Algorithm != Winograd || j < 0 || f.next(j) != i {
		return
	}
	up, ok := f.Instrs[j].Op.(*Upsample)
	small := f.Instrs[j].In[0]
	if s := f.Shape(small); !ok || up.H != 2*s[1] || up.W != 2*s[2] {
		return
	}
	op.Segments = slices.Clone(op.Segments)
	op.Segments[0].Doubled = true
	in.Op, in.In[at] = &op, small
	f.Instrs[j] = Instr{Stage: in.Stage}
	if f.reader[small] == j {
		f.reader[small] = i
	}
}

// extend makes what follows product i its epilogue.
func (f *fuser) extend(i int) {
	for j := f.next(i); j >= 0 && f.absorb(&f.Instrs[i], &f.Instrs[j]); j = f.next(i) {
		f.moveTo(i, j)
		i = j
	}
}

// moveTo puts instruction i, which has become all of j, in j's place.
func (f *fuser) moveTo(i, j int) {
	f.Instrs[j] = f.Instrs[i]
	f.Instrs[i] = Instr{Stage: f.Instrs[j].Stage}
	f.maker[f.Instrs[j].Out[0]] = j
	for _, id := range f.Instrs[j].In {
		if f.reader[id] == i {
			f.reader[id] = j
		}
	}
}

// absorb makes what the next instruction does a part of a product, if it can be.
func (f *fuser) absorb(in, next *Instr) bool {
	op := *in.Op.(*Product)
	e := &op.Epilogue
	from, to := f.Shape(in.Out[0]), f.Shape(next.Out[0])
	last := len(from) - 1
	if _, ok := next.Op.(*Add); !ok && op.Algorithm != Direct {
		return false
	}
	switch n := next.Op.(type) {
	case *GEGLU:
		if *e != (Epilogue{}) {
			return false
		}
		e.Gated = true
	case *Activate:
		if e.Act != ActNone || e.Residual != 0 {
			return false
		}
		e.Act = n.Act
	case *Reshape:
		if f.readsImages(in, &op) || len(to) < 2 || from[0] != to[0] || from[last] != to[len(to)-1] {
			return false
		}
	case *Add:
		if e.Residual != 0 {
			return false
		}
		e.Residual = len(in.In)
		other := next.In[0]
		if other == in.Out[0] {
			other = next.In[1]
		}
		in.In = append(in.In, other)
	default:
		return false
	}
	in.Op, in.Out[0] = &op, next.Out[0]
	return true
}

// readsImages says whether an input of a product is an image, whose pixels are then those of the result.
func (f *fuser) readsImages(in *Instr, op *Product) bool {
	return slices.ContainsFunc(op.Segments, func(s Segment) bool { return len(f.Shape(in.In[s.X])) == 4 })
}

// activate makes an activation after group norm i a part of it.
func (f *fuser) activate(i int) {
	j := f.next(i)
	if j < 0 {
		return
	}
	act, ok := f.Instrs[j].Op.(*Activate)
	op := *f.Instrs[i].Op.(*GroupNorm)
	if !ok || op.Act != ActNone {
		return
	}
	op.Act = act.Act
	f.Instrs[i].Op, f.Instrs[i].Out[0] = &op, f.Instrs[j].Out[0]
	f.moveTo(i, j)
}

// shareMoments has the products that make a group norm's inputs take the moments.
func (f *fuser) shareMoments(in *Instr, old *GroupNorm) {
	op := *old
	inputs := op.Inputs(in)
	if op.Moments != nil || !slices.ContainsFunc(inputs, func(x ID) bool { return f.product(x) != nil }) {
		return
	}
	op.Moments = make([]int, len(inputs))
	for k, x := range inputs {
		maker := f.product(x)
		if maker == nil {
			continue
		}
		if len(maker.Out) == 1 {
			maker.Out = append(maker.Out, f.momentsOf(x))
		}
		op.Moments[k] = len(in.In)
		in.In = append(in.In, maker.Out[1])
	}
	in.Op = &op
}

// product is the product that computes a value; nil for none.
func (f *fuser) product(id ID) *Instr {
	if f.maker[id] < 0 {
		return nil
	}
	in := &f.Instrs[f.maker[id]]
	if _, ok := in.Op.(*Product); !ok {
		return nil
	}
	return in
}

// momentsOf declares the moments of a value.
func (f *fuser) momentsOf(id ID) ID {
	v := f.Values[id]
	rows := 1
	if len(v.Shape) == 4 {
		rows = v.Shape[1]
	}
	v.Shape = []int{v.Shape[0], rows, 2, v.Shape[len(v.Shape)-1]}
	f.Values = append(f.Values, v)
	f.maker = append(f.maker, -1)
	return ID(len(f.Values) - 1)
}
