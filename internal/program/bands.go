package program

import "slices"

// Chain runs a few instructions band by band: some rows of each at a time, so that what lies between them is never stored as a whole.
// In has what Body reads from outside, Out what its last instruction gives and is kept. It stands in programs for executors
// that ask for it by [Bands]; the batch is 1.
type Chain struct {
	Body []Instr
	Rows int // of a band, a multiple of 4
	// Over is an index into Instr.In of a value that ends here, and in whose memory the result may lie, moved by [Slide] rows either
	// way; -1 for none.
	Over int
}

// Rows of chains: of a band at most; and how far a result lies from an operand whose memory it takes, which no row reaches that a band
// reads, as these are at most 8 beyond it.
const (
	mostRows = 64
	Slide    = mostRows + 8
)

// Name implements Op.
func (*Chain) Name() string { return "chain" }

// Banding says how [Bands] divides a program; the zero value not at all.
type Banding struct {
	Least   int64 // bytes of a value from which on it is made in bands
	Most    int64 // bytes of an arena above which sums are computed again, several times, rather than stored
	Band    int   // elements of the widest value in a band
	LeastOf int   // rows of a band at least
}

// Banded is a program with chains.
type Banded struct {
	*Program
	Of []int // by instruction: the one of the original program that it completes
}

// Bands joins instructions to chains, in programs with large images: norms that a convolution by Winograd's algorithm reads are never stored;
// where the arena would be larger than asked for, neither are convolutions, which are then made once
// for their moments and again for each reader. No bit of an output changes.
func Bands(p *Program, b Banding) Banded {
	if !worthBands(p, b) {
		same := Banded{Program: p, Of: make([]int, len(p.Instrs))}
		for i := range same.Of {
			same.Of[i] = i
		}
		return same
	}
	again := make(map[ID]bool)
	for {
		f := &bander{newFuser(clone(p)), b, again, make(map[ID]bool)}
		out := f.chains()
		if PlanMemory(out.Program).Bytes <= b.Most {
			return out
		}
		next := f.largestAtPeak(out.Program)
		if next == None {
			return out
		}
		again[next] = true
	}
}

// worthBands says whether a program has a convolution by Winograd's algorithm that is large enough.
func worthBands(p *Program, b Banding) bool {
	return b.Band > 0 && slices.ContainsFunc(p.Instrs, func(in Instr) bool {
		op, ok := in.Op.(*Product)
		return ok && op.Algorithm == Winograd && 4*int64(Elems(p.Shape(in.Out[0]))) >= b.Least
	})
}

// bander makes chains.
type bander struct {
	*fuser
	Banding
	again map[ID]bool // sums that are computed for each reader
	inner map[ID]bool // values that are never stored
}

func (f *bander) bytes(id ID) int64 { return 4 * int64(f.Values[id].Elems()) }

// chains finds what is not stored, then gathers it.
func (f *bander) chains() Banded {
	out := Banded{Program: f.Program}
	var list []Instr
	for i := range f.Instrs {
		if f.hidden(i) {
			f.inner[f.Instrs[i].Out[0]] = true
		}
	}
	for i := range f.Instrs {
		in := f.Instrs[i]
		switch {
		case f.inner[in.Out[0]] && len(in.Out) == 1:
			continue
		case f.inner[in.Out[0]] || slices.ContainsFunc(in.In, func(id ID) bool { return f.inner[id] }):
			list = append(list, f.chain(i))
		default:
			list = append(list, in)
		}
		out.Of = append(out.Of, i)
	}
	f.Instrs = list
	return out
}

// hidden says whether what instruction i gives is not stored.
func (f *bander) hidden(i int) bool {
	in := &f.Instrs[i]
	id := in.Out[0]
	if in.Stage != Once || f.bytes(id) < f.Least || len(f.Shape(id)) != 4 || f.Shape(id)[0] != 1 || !f.readInChains(id) {
		return false
	}
	switch op := in.Op.(type) {
	case *GroupNorm:
		return len(op.Moments) == 1 && op.Moments[0] != 0
	case *Product:
		if op.Algorithm == Winograd {
			return f.again[id]
		}
		s := op.Segments[0] // a shortcut of something that is not stored, or that may end with it
		return len(op.Segments) == 1 && s.KH == 1 && s.KW == 1 && s.Stride == 1 && op.BatchBias < 0 && op.Epilogue == (Epilogue{}) && len(in.Out) == 1 &&
			len(f.Shape(in.In[s.X])) == 4 && f.bytes(in.In[s.X]) > 2*f.Least
	}
	return false
}

// readInChains says whether all readers of a value are a norm, a shortcut or a product by Winograd's algorithm.
func (f *bander) readInChains(id ID) bool {
	for i := range f.Instrs {
		in := &f.Instrs[i]
		if !slices.Contains(in.In, id) {
			continue
		}
		switch op := in.Op.(type) {
		case *Product:
			if op.Algorithm == Winograd || f.again[id] {
				continue
			}
		case *GroupNorm:
			if f.again[id] && f.bytes(in.Out[0]) >= f.Least {
				continue
			}
		}
		return false
	}
	return !slices.ContainsFunc(f.Outputs, func(p Port) bool { return p.Value == id })
}

// chain is instruction i with all before it that is not stored.
func (f *bander) chain(i int) Instr {
	last := f.Instrs[i]
	var steps []int
	var gather func(i int)
	gather = func(i int) {
		for _, id := range f.Instrs[i].In {
			if f.inner[id] {
				gather(f.maker[id])
			}
		}
		if !slices.Contains(steps, i) {
			steps = append(steps, i)
		}
	}
	gather(i)
	op := &Chain{Over: -1}
	out := Instr{Op: op, Out: last.Out, Stage: last.Stage, Scope: last.Scope}
	if f.inner[last.Out[0]] {
		out.Out = last.Out[1:] // for its moments alone
	}
	widest := 1
	for k, j := range steps {
		in := f.Instrs[j]
		if k < len(steps)-1 {
			in.Out = in.Out[:1]
		}
		s := f.Shape(in.Out[0])
		widest = max(widest, s[2]*s[3])
		for _, id := range in.In {
			if id != None && !f.inner[id] && !slices.Contains(out.In, id) {
				out.In = append(out.In, id)
			}
		}
		op.Body = append(op.Body, in)
	}
	op.Rows = min(max(f.Band/widest, f.LeastOf), mostRows, f.Shape(last.Out[0])[1]+3) &^ 3
	op.Over = f.over(i, &out)
	return out
}

// over finds what ends with the chain of instruction i and has its result's shape.
func (f *bander) over(i int, chain *Instr) int {
	y := f.Instrs[i].Out[0]
	if f.inner[y] {
		return -1
	}
	for k, id := range chain.In {
		if f.Values[id].Origin != FromOp || !sameShape(f.Shape(id), f.Shape(y)) || slices.ContainsFunc(f.Outputs, func(p Port) bool { return p.Value == id }) {
			continue
		}
		ends := true
		for j := i + 1; j < len(f.Instrs); j++ {
			ends = ends && !slices.Contains(f.Instrs[j].In, id)
		}
		if ends {
			return k
		}
	}
	return -1
}

// largestAtPeak is the largest value of those alive where a plan needs most memory that may be computed again; None for none.
func (f *bander) largestAtPeak(p *Program) ID {
	lives, _, _ := lifetimes(p, nil)
	var most int64
	var peak int
	for at := range p.Instrs {
		var sum int64
		for _, l := range lives {
			if l.from <= at && at <= l.to {
				sum += l.bytes
			}
		}
		if sum > most {
			most, peak = sum, at
		}
	}
	best := None
	orig := newFuser(p)
	for id := range p.Values {
		id := ID(id)
		i := orig.maker[id]
		if i < 0 || best != None && f.bytes(id) <= f.bytes(best) {
			continue
		}
		from, to := i, i
		for j := range p.Instrs {
			if slices.Contains(p.Instrs[j].In, id) {
				to = j
			}
		}
		if from <= peak && peak <= to && f.mayRepeat(&p.Instrs[i], id) {
			best = id
		}
	}
	return best
}

// mayRepeat says whether a value may be computed again for each reader: a convolution that reads stored values, for a norm.
func (f *bander) mayRepeat(in *Instr, id ID) bool {
	op, ok := in.Op.(*Product)
	if c, is := in.Op.(*Chain); is {
		for _, b := range c.Body[:len(c.Body)-1] {
			if p, again := b.Op.(*Product); again && p.Algorithm == Winograd {
				return false
			}
		}
		op, ok = c.Body[len(c.Body)-1].Op.(*Product)
	}
	if !ok || op.Algorithm != Winograd || len(in.Out) != 2 || in.Out[0] != id || f.again[id] || in.Stage != Once || op.Epilogue.Residual != 0 || f.Shape(id)[0] != 1 {
		return false
	}
	return f.bytes(id) >= f.Least
}
