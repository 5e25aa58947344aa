package ptx

import (
	"strconv"
	"strings"
)

// entry reads .entry name(params) directives { body }.
func (p *parser) entry() error {
	k := &Kernel{Line: p.tok.line, Labels: map[string]int{}}
	if err := p.advance(); err != nil {
		return err
	}
	var err error
	if k.Name, err = p.name(); err != nil {
		return err
	}
	p.kern = k
	if p.is("(") {
		if err := p.params(); err != nil {
			return err
		}
	}
	for !p.is("{") {
		if err := p.tuning(); err != nil {
			return err
		}
	}
	if err := p.advance(); err != nil {
		return err
	}
	p.scopes = []map[string][2]int{{}}
	for len(p.scopes) > 0 {
		if err := p.statement(); err != nil {
			return err
		}
	}
	p.mod.Kernels = append(p.mod.Kernels, k)
	return nil
}

func (p *parser) params() error {
	if err := p.advance(); err != nil {
		return err
	}
	for !p.is(")") {
		v, err := p.variable(false)
		if err != nil {
			return err
		}
		if v.Space != Param {
			return p.fail("a parameter is .param, not .%s", v.Space)
		}
		if p.kern.Params = append(p.kern.Params, v); len(p.kern.Params) > maxParam {
			return p.fail("more than %d parameters", maxParam)
		}
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			break
		}
	}
	return p.expect(")")
}

// tuning reads .maxntid and its kin.
func (p *parser) tuning() error {
	d := p.tok.s
	if p.tok.kind != word {
		return p.fail("want the kernel's body, have %q", d)
	}
	switch d {
	case ".maxntid", ".reqntid", ".minnctapersm", ".maxnctapersm", ".maxnreg":
	case ".pragma":
		if err := p.advance(); err != nil {
			return err
		}
		for !p.is(";") && p.tok.kind == text {
			if err := p.advance(); err != nil {
				return err
			}
		}
		return p.expect(";")
	default:
		return p.fail("unknown directive %q of a kernel", d)
	}
	if err := p.advance(); err != nil {
		return err
	}
	dims := [3]int{1, 1, 1}
	for i := range dims {
		n, err := p.count(1 << 20)
		if err != nil {
			return err
		}
		dims[i] = int(n)
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			break
		}
	}
	if d == ".maxntid" || d == ".reqntid" {
		p.kern.MaxTid, p.kern.Exact = dims, d == ".reqntid"
	}
	return nil
}

// statement reads a declaration, label, scope or instruction of the body.
func (p *parser) statement() error {
	switch {
	case p.is("{"):
		if len(p.scopes) >= maxDepth {
			return p.fail("more than %d scopes", maxDepth)
		}
		p.scopes = append(p.scopes, map[string][2]int{})
		return p.advance()
	case p.is("}"):
		p.scopes = p.scopes[:len(p.scopes)-1]
		return p.advance()
	case p.is(";"):
		return p.advance()
	case p.is("@"):
		return p.instruction()
	case p.tok.kind != word:
		return p.fail("want an instruction, have %q", p.tok.s)
	case p.tok.s[0] != '.':
		return p.labelOrInstruction()
	}
	switch p.tok.s {
	case ".reg":
		return p.registers()
	case ".shared", ".local":
		v, err := p.variable(false)
		if err != nil {
			return err
		}
		p.kern.Vars = append(p.kern.Vars, v)
		return p.expect(";")
	case ".loc", ".file":
		return p.skipLine()
	case ".pragma":
		return p.tuning()
	}
	return p.fail("unknown directive %q", p.tok.s)
}

// registers reads .reg .type %a, %b<10>;
func (p *parser) registers() error {
	if err := p.advance(); err != nil {
		return err
	}
	bits, err := p.typ()
	if err != nil {
		return err
	}
	scope := p.scopes[len(p.scopes)-1]
	for {
		name, err := p.name()
		if err != nil {
			return err
		}
		n, key := int64(1), name
		if ok, err := p.accept("<"); err != nil {
			return err
		} else if ok {
			if n, err = p.count(maxRegs); err != nil {
				return err
			}
			if err = p.expect(">"); err != nil {
				return err
			}
			key = name + "<"
		}
		if len(p.kern.Regs)+int(n) > maxRegs {
			return p.fail("more than %d registers", maxRegs)
		}
		if _, ok := scope[key]; ok {
			return p.fail("the register %s is declared twice", name)
		}
		scope[key] = [2]int{len(p.kern.Regs), int(n)}
		for i := range int(n) {
			r := Reg{name, bits}
			if key != name {
				r.Name += strconv.Itoa(i)
			}
			p.kern.Regs = append(p.kern.Regs, r)
		}
		if more, err := p.accept(","); err != nil {
			return err
		} else if !more {
			return p.expect(";")
		}
	}
}

// register finds a register by name, the innermost scope first.
func (p *parser) register(name string) (int, bool) {
	stem := strings.TrimRight(name, "0123456789")
	digits := name[len(stem):]
	for i := len(p.scopes) - 1; i >= 0; i-- {
		if r, ok := p.scopes[i][name]; ok {
			return r[0], true
		}
		// of a name such as %r2x10 the range %r2x<..> is meant, of %r10 the range %r<..>
		r, ok := p.scopes[i][stem+"<"]
		if !ok || digits == "" || digits[0] == '0' && len(digits) > 1 {
			continue
		}
		if n, err := strconv.Atoi(digits); err == nil && n < r[1] {
			return r[0] + n, true
		}
	}
	return 0, false
}
