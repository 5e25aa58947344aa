package ptx

import "strings"

// labelOrInstruction reads "name:" or an instruction.
func (p *parser) labelOrInstruction() error {
	save, at, line := p.tok, p.lex.at, p.lex.line
	if err := p.advance(); err != nil {
		return err
	}
	if p.is(":") {
		if _, ok := p.kern.Labels[save.s]; ok {
			return p.fail("the label %s stands twice", save.s)
		}
		p.kern.Labels[save.s] = len(p.kern.Code)
		return p.advance()
	}
	p.tok, p.lex.at, p.lex.line = save, at, line
	return p.instruction()
}

// instruction reads [@[!]p] op args;
func (p *parser) instruction() error {
	in := Instr{Line: p.tok.line, Guard: -1}
	guarded, err := p.accept("@")
	if err != nil {
		return err
	}
	if guarded {
		if in.GuardNot, err = p.accept("!"); err != nil {
			return err
		}
		name, err := p.name()
		if err != nil {
			return err
		}
		r, ok := p.register(name)
		if !ok || p.kern.Regs[r].Bits != 1 {
			return p.fail("the guard %s is not a predicate of this scope", name)
		}
		in.Guard = r
	}
	if p.tok.kind != word || p.tok.s[0] == '.' || p.tok.s[0] == '%' {
		return p.fail("want an opcode, have %q", p.tok.s)
	}
	parts := strings.Split(p.tok.s, ".")
	in.Op, in.Mods = parts[0], parts[1:]
	if err := p.advance(); err != nil {
		return err
	}
	for !p.is(";") {
		a, err := p.arg(true)
		if err != nil {
			return err
		}
		if in.Args = append(in.Args, a); len(in.Args) > maxElems {
			return p.fail("%s has more than %d operands", in.Op, maxElems)
		}
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			break
		}
	}
	p.kern.Code = append(p.kern.Code, in)
	return p.expect(";")
}

// arg reads an operand; outer allows vectors, addresses and pairs.
func (p *parser) arg(outer bool) (Arg, error) {
	switch {
	case outer && p.is("{"):
		return p.vector()
	case outer && p.is("["):
		return p.memory()
	case p.is("!"):
		if err := p.advance(); err != nil {
			return Arg{}, err
		}
		if p.is("!") { // no recursion on a long row of them
			return Arg{}, p.fail("! stands twice")
		}
		a, err := p.arg(false)
		if err == nil && (a.Kind != RegArg || p.kern.Regs[a.Reg].Bits != 1) {
			return a, p.fail("! stands before a predicate")
		}
		a.Not = true
		return a, err
	case p.is("_"):
		return Arg{Kind: SinkArg}, p.advance()
	case p.is("-") || p.tok.kind == number:
		return p.constant()
	case p.tok.kind != word || p.tok.s[0] == '.':
		return Arg{}, p.fail("want an operand, have %q", p.tok.s)
	}
	a := Arg{Kind: NameArg, Name: p.tok.s}
	if r, ok := p.register(a.Name); ok {
		a = Arg{Kind: RegArg, Reg: r}
	} else if a.Name[0] == '%' && !special(a.Name) {
		return a, p.fail("the register %s is not declared in this scope", a.Name)
	}
	if err := p.advance(); err != nil {
		return a, err
	}
	if outer && p.is("|") {
		if err := p.advance(); err != nil {
			return a, err
		}
		second, err := p.arg(false)
		return Arg{Kind: PairArg, Elems: []Arg{a, second}}, err
	}
	if a.Kind == NameArg && outer && p.is("+") {
		n, err := p.offset()
		a.Int = n
		return a, err
	}
	return a, nil
}

// special says whether a name is a special register's.
func special(name string) bool {
	base, _, _ := strings.Cut(name[1:], ".")
	switch base {
	case "tid", "ntid", "ctaid", "nctaid", "laneid", "warpid", "nwarpid", "smid", "nsmid", "gridid", "clock", "clock64", "globaltimer",
		"lanemask_eq", "lanemask_lt", "lanemask_le", "lanemask_gt", "lanemask_ge", "dynamic_smem_size", "total_smem_size":
		return true
	}
	return false
}

// constant reads a number with its sign.
func (p *parser) constant() (Arg, error) {
	negative, err := p.accept("-")
	if err != nil {
		return Arg{}, err
	}
	if p.tok.kind != number || negative && p.tok.bits != 0 {
		return Arg{}, p.fail("want a number, have %q", p.tok.s)
	}
	a := Arg{Kind: IntArg, Int: p.tok.n, Bits: p.tok.bits}
	if p.tok.bits != 0 {
		a.Kind = FloatArg
	}
	if negative {
		a.Int = -a.Int
	}
	return a, p.advance()
}

// vector reads {a, b, ...}.
func (p *parser) vector() (Arg, error) {
	v := Arg{Kind: VecArg}
	if err := p.advance(); err != nil {
		return v, err
	}
	for {
		a, err := p.arg(false)
		if err != nil {
			return v, err
		}
		if v.Elems = append(v.Elems, a); len(v.Elems) > maxElems {
			return v, p.fail("a vector has more than %d elements", maxElems)
		}
		if more, err := p.accept(","); err != nil {
			return v, err
		} else if !more {
			return v, p.expect("}")
		}
	}
}

// memory reads [base], [base+offset].
func (p *parser) memory() (Arg, error) {
	m := Arg{Kind: MemArg}
	if err := p.advance(); err != nil {
		return m, err
	}
	base, err := p.arg(false)
	if err != nil {
		return m, err
	}
	if base.Not || base.Kind != RegArg && base.Kind != NameArg && base.Kind != IntArg {
		return m, p.fail("want an address")
	}
	m.Elems = []Arg{base}
	if p.is("+") || p.is("-") {
		if m.Int, err = p.offset(); err != nil {
			return m, err
		}
	}
	return m, p.expect("]")
}

// offset reads +n, +-n or -n.
func (p *parser) offset() (uint64, error) {
	if p.is("+") {
		if err := p.advance(); err != nil {
			return 0, err
		}
	}
	a, err := p.constant()
	if err == nil && a.Kind != IntArg {
		return 0, p.fail("an offset is a whole number")
	}
	return a.Int, err
}
