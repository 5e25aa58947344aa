package program

import "sort"

// MemoryPlan says where each computed value lies in one arena.
type MemoryPlan struct {
	Offset []int64 // by ID, in bytes; -1 for values that are not in the arena (inputs, weights)
	Bytes  int64   // the arena's size
}

// arenaAlign is the alignment of values in the arena: a cache line.
const arenaAlign = 64

// PlanMemory lays the values that instructions compute, and the loop's carried
// values, into an arena so that values alive at the same time do not overlap
// (greedy by size, lowest offset first). A value made before the loop and read
// in it lives until the loop's end. The result of a reshape lies where its operand does.
func PlanMemory(p *Program) MemoryPlan { return PlanMemoryOf(p, nil) }

// PlanMemoryOf is PlanMemory where some values, by ID, are stored in 16 bits a channel, in whole words for each pixel; none shares
// memory with a value that ends where it begins.
func PlanMemoryOf(p *Program, half []bool) MemoryPlan {
	plan := MemoryPlan{Offset: make([]int64, len(p.Values))}
	for i := range plan.Offset {
		plan.Offset[i] = -1
	}
	lives, same, moved := lifetimes(p, half)
	sort.SliceStable(lives, func(i, j int) bool { return lives[i].bytes > lives[j].bytes })
	var placed []life
	for _, l := range lives {
		l.offset = lowestGap(placed, l)
		plan.Offset[l.id] = l.offset + moved[l.id]
		if end := l.offset + l.bytes; end > plan.Bytes {
			plan.Bytes = end
		}
		at := sort.Search(len(placed), func(i int) bool { return placed[i].offset >= l.offset })
		placed = append(placed, life{})
		copy(placed[at+1:], placed[at:])
		placed[at] = l
	}
	for id, root := range same {
		if root != None {
			plan.Offset[id] = plan.Offset[root] - moved[root] + moved[id]
		}
	}
	return plan
}

// life is the stretch of instructions [from,to] during which a value is needed.
type life struct {
	id            ID
	from, to      int
	bytes, offset int64
	slide         int64 // of the bytes: room for chains whose results move
}

// lowestGap finds the lowest offset at which l overlaps nothing in placed,
// which is sorted by offset.
func lowestGap(placed []life, l life) int64 {
	var at int64
	for _, q := range placed {
		if q.to < l.from || l.to < q.from {
			continue
		}
		if at+l.bytes <= q.offset {
			return at
		}
		if end := q.offset + q.bytes; end > at {
			at = end
		}
	}
	return at
}

// lifetimes lists the values that need memory of their own; same gives, by ID, the value whose memory
// another one shares, or None, and moved by how many bytes it lies behind the beginning of that memory.
func lifetimes(p *Program, half []bool) (lives []life, same []ID, moved []int64) {
	n := len(p.Values)
	t := &tenancy{p: p, half: half, same: make([]ID, n), moved: make([]int64, n), index: make([]int, n)}
	t.first, t.last = loopRange(p)
	ends := lastUses(p)
	for _, c := range p.Carries { // a carried value lives from before the loop to its end and beyond
		t.begin(c.Body, max(t.first-1, 0))
		t.use(c.Body, t.last)
	}
	for i := range p.Instrs {
		in := &p.Instrs[i]
		if shares(p, in) && t.index[in.In[0]] != 0 {
			root := t.of(in.In[0]).id
			t.join(in.Out[0], in.In[0], root, t.moved[in.In[0]])
		}
		t.replace(in, inPlace(p, in, ends, i))
		for _, id := range in.Out {
			t.begin(id, i)
		}
		for _, id := range in.In {
			t.use(id, i)
		}
	}
	for _, c := range p.Carries {
		t.use(c.Init, max(t.first-1, 0))
		t.use(c.Next, t.last)
	}
	for _, o := range p.Outputs {
		t.use(o.Value, len(p.Instrs))
	}
	return t.lives, t.same, t.moved
}

// tenancy finds out who needs memory when, an instruction after the other.
type tenancy struct {
	p           *Program
	half        []bool
	first, last int // of the loop
	lives       []life
	same        []ID    // by ID: whose memory it shares
	moved       []int64 // by ID: how far behind the beginning of that memory it lies
	index       []int   // by ID: 1 + index in lives
}

// of is the life of the memory that a value lies in.
func (t *tenancy) of(id ID) *life { return &t.lives[t.index[id]-1] }

// begin gives a value memory of its own from an instruction on, if it has none.
func (t *tenancy) begin(id ID, at int) {
	if t.index[id] != 0 {
		return
	}
	v := t.p.Values[id]
	size := int64(v.Elems()) * int64(v.DType.Size())
	if t.half != nil && t.half[id] {
		c := int64(v.Shape[len(v.Shape)-1])
		size = int64(v.Elems()) / c * ((c + 1) / 2) * 4
	}
	t.lives = append(t.lives, life{id: id, from: at, to: at, bytes: (size + arenaAlign - 1) / arenaAlign * arenaAlign})
	t.index[id] = len(t.lives)
}

// use keeps a value's memory until an instruction, or to the loop's end where it was made before the loop and is read in each step.
func (t *tenancy) use(id ID, at int) {
	if id == None || t.index[id] == 0 {
		return
	}
	l := t.of(id)
	if l.from < t.first && at >= t.first && at <= t.last {
		at = t.last
	}
	l.to = max(l.to, at)
}

// join lays a value into the memory that another lies in.
func (t *tenancy) join(id, other, root ID, moved int64) {
	t.same[id], t.index[id], t.moved[id] = root, t.index[other], moved
}

// replace lays an instruction's result over an operand that ends there, where they may lie as the operand does or all slide the same way.
func (t *tenancy) replace(in *Instr, over ID) {
	if over == None || t.index[over] == 0 {
		return
	}
	out := in.Out[0]
	if t.half != nil && (t.half[out] || t.half[over]) {
		return
	}
	l, slide := t.of(over), slideOf(t.p, in)
	if slide != 0 && l.slide != 0 && l.slide != slide {
		return
	}
	if slide > 0 && l.slide == 0 && t.moved[l.id] == 0 { // the first time, all that lies there moves
		l.slide = slide
		l.bytes += slide
		for id := range t.index {
			if t.index[id] == t.index[over] {
				t.moved[id] += slide
			}
		}
	}
	moved := t.moved[over]
	if slide > 0 {
		moved = slide - moved
	}
	t.join(out, over, l.id, moved)
}

// lastUses gives, by ID, the last instruction that reads a value; none can tell for those that outlive the instructions.
func lastUses(p *Program) []int {
	ends := make([]int, len(p.Values))
	for i := range p.Instrs {
		for _, id := range p.Instrs[i].In {
			ends[id] = i
		}
	}
	for i := range p.Instrs { // a reshape's operand lives as long as its result
		if in := &p.Instrs[len(p.Instrs)-1-i]; shares(p, in) {
			ends[in.In[0]] = len(p.Instrs)
		}
	}
	for _, o := range p.Outputs {
		ends[o.Value] = len(p.Instrs)
	}
	for _, c := range p.Carries {
		ends[c.Init], ends[c.Body], ends[c.Next] = len(p.Instrs), len(p.Instrs), len(p.Instrs)
	}
	return ends
}

// inPlace is the operand in whose memory the result of instruction i may lie, because it ends there; None for none.
func inPlace(p *Program, in *Instr, ends []int, i int) ID {
	id := None
	switch op := in.Op.(type) {
	case *Product:
		if r := op.Epilogue.Residual; r != 0 && op.Epilogue.Act == ActNone && !op.Epilogue.Gated {
			id = in.In[r]
		}
	case *GroupNorm:
		if len(op.Moments) == 1 && op.Moments[0] != 0 {
			id = in.In[2]
		}
	case *Chain:
		if op.Over >= 0 {
			id = in.In[op.Over]
		}
	}
	if id == None || in.Stage != Once || p.Steps > 0 || p.Values[id].Origin != FromOp || ends[id] != i || p.Values[id].Elems() != p.Values[in.Out[0]].Elems() {
		return None
	}
	if op, ok := in.Op.(*Product); ok { // read by nothing but the residual
		for _, s := range op.Segments {
			if in.In[s.X] == id {
				return None
			}
		}
	}
	return id
}

// slideOf is how far a chain's result lies from the operand that it replaces.
func slideOf(p *Program, in *Instr) int64 {
	_, ok := in.Op.(*Chain)
	if !ok {
		return 0
	}
	s := p.Shape(in.Out[0])
	bytes := 4 * Slide * int64(s[2]*s[3])
	return (bytes + arenaAlign - 1) / arenaAlign * arenaAlign
}

// shares says whether an instruction's result is its operand in another shape. A carried value changes
// while the result may live on.
func shares(p *Program, in *Instr) bool {
	_, ok := in.Op.(*Reshape)
	return ok && p.Values[in.In[0]].Origin == FromOp
}

// loopRange gives the first and last instruction of the loop; where it has none, an empty range at the loop's place.
func loopRange(p *Program) (first, last int) {
	for first < len(p.Instrs) && p.Instrs[first].Stage == Once {
		first++
	}
	last = first - 1
	for i := first; i < len(p.Instrs); i++ {
		if p.Instrs[i].Stage == Each {
			last = i
		}
	}
	return first, last
}
