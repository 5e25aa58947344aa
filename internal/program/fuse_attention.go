package program

import "slices"

// attend makes parts of attention i what else is made of its queries: further keys whose result is added to its own, and the columns of
// its weights.
func (f *fuser) attend(i int) {
	for j := f.second(i); j >= 0; j = f.second(i) {
		f.moveTo(i, j)
		i = j
	}
	f.columns(i)
}

// second joins attention i with another over the same queries, whose result, perhaps scaled, is added to its own. It returns
// the addition, which it has become, or -1.
func (f *fuser) second(i int) int {
	in := &f.Instrs[i]
	j := f.next(i)
	if j < 0 {
		return -1
	}
	add := &f.Instrs[j]
	if _, ok := add.Op.(*Add); !ok || add.In[0] != in.Out[0] || in.Op.(*Attention).Columns != 0 {
		return -1
	}
	m := f.maker[add.In[1]]
	if m < 0 || f.next(m) != j {
		return -1
	}
	scale, affine := float32(1), -1
	if a, ok := f.Instrs[m].Op.(*Affine); ok && a.Add == 0 {
		scale, affine, m = a.Mul, m, f.maker[f.Instrs[m].In[0]]
		if m < 0 || f.next(m) != affine {
			return -1
		}
	}
	if !f.sameQueries(i, m) {
		return -1
	}
	op := *in.Op.(*Attention)
	op.Second = append(slices.Clone(op.Second), Second{K: len(in.In), V: len(in.In) + 1, Scale: scale})
	for _, id := range f.Instrs[m].In[1:] {
		in.In = append(in.In, id)
		f.reader[id] = i
	}
	in.Op, in.Out[0] = &op, add.Out[0]
	f.uses[in.In[0]]--
	f.Instrs[m] = Instr{Stage: in.Stage}
	if affine >= 0 {
		f.Instrs[affine] = Instr{Stage: in.Stage}
	}
	return j
}

// sameQueries says whether instruction m attends with the queries of attention i and nothing more.
func (f *fuser) sameQueries(i, m int) bool {
	op, other := f.Instrs[i].Op.(*Attention), (*Attention)(nil)
	if a, ok := f.Instrs[m].Op.(*Attention); ok {
		other = a
	}
	return other != nil && m != i && f.Instrs[m].In[0] == f.Instrs[i].In[0] && f.Instrs[m].Stage == f.Instrs[i].Stage && !op.Causal && !other.Causal &&
		other.Heads == op.Heads && other.Scale == op.Scale && other.Prec == op.Prec && other.Second == nil && other.Columns == 0
}

// columns has attention i make the columns that another instruction after it makes of the same queries and keys, or of the first
// entries of theirs: with the maxima and sums that it knows, the weights are made once more, not twice.
func (f *fuser) columns(i int) {
	in := &f.Instrs[i]
	op := *in.Op.(*Attention)
	if op.Causal || op.Columns != 0 || f.Shape(in.In[0])[0] != f.Shape(in.In[1])[0] {
		return
	}
	for j := i + 1; j < len(f.Instrs); j++ {
		c, ok := f.Instrs[j].Op.(*AttentionColumns)
		if !ok || f.Instrs[j].Stage != in.Stage || c.Heads != op.Heads || c.Scale != op.Scale || c.Prec != op.Prec {
			continue
		}
		q, k := f.Instrs[j].In[0], f.Instrs[j].In[1]
		if !f.begins(q, in.In[0]) || !f.begins(k, in.In[1]) {
			continue
		}
		out := f.Instrs[j].Out[0]
		op.Columns = f.Shape(q)[0]
		in.Op, in.Out = &op, append(in.Out, out)
		f.maker[out] = i
		f.Instrs[j] = Instr{Stage: in.Stage}
		f.unread(q)
		f.unread(k)
		return
	}
}

// begins says whether x is all, or the first batch entries of it.
func (f *fuser) begins(x, all ID) bool {
	if x == all {
		return true
	}
	if f.maker[x] < 0 {
		return false
	}
	s, ok := f.Instrs[f.maker[x]].Op.(*Slice)
	return ok && s.Axis == 0 && s.Start == 0 && f.Instrs[f.maker[x]].In[0] == all
}

// unread notes that a value has one reader less; a slice that nothing reads goes.
func (f *fuser) unread(x ID) {
	f.uses[x]--
	m := f.maker[x]
	if m < 0 || f.uses[x] > 0 {
		return
	}
	if _, ok := f.Instrs[m].Op.(*Slice); ok {
		f.uses[f.Instrs[m].In[0]]--
		f.Instrs[m] = Instr{Stage: f.Instrs[m].Stage}
	}
}
