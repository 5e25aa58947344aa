package ptx

import (
	"fmt"
	"strings"
)

// Bounds of a text.
const (
	maxText  = 16 << 20 // bytes
	maxRegs  = 1 << 16  // registers of a kernel
	maxBytes = 1 << 26  // of a variable
	maxElems = 8        // of a vector operand
	maxParam = 256      // parameters of a kernel
	maxDepth = 64       // scopes
)

type parser struct {
	lex  lexer
	tok  token
	mod  *Module
	kern *Kernel
	// scopes of register names in the kernel's body; a name with "<" behind it is a range: its first register and length
	scopes []map[string][2]int
}

// Parse reads a module.
func Parse(src string) (*Module, error) {
	if len(src) > maxText {
		return nil, &Error{1, fmt.Sprintf("the text has %d bytes, more than %d", len(src), maxText)}
	}
	p := &parser{lex: lexer{src: src, line: 1}, mod: &Module{Lines: strings.Split(src, "\n")}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.tok.kind != endToken {
		if err := p.top(); err != nil {
			return nil, err
		}
	}
	if p.mod.Major == 0 {
		return nil, &Error{1, "no .version"}
	}
	if p.mod.Target == "" {
		return nil, &Error{1, "no .target"}
	}
	return p.mod, nil
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{p.tok.line, fmt.Sprintf(format, args...)}
}

func (p *parser) advance() (err error) {
	p.tok, err = p.lex.next()
	return err
}

// is says whether the token is this punctuation or word.
func (p *parser) is(s string) bool {
	return (p.tok.kind == punct || p.tok.kind == word) && p.tok.s == s
}

// expect passes over a punctuation or word.
func (p *parser) expect(s string) error {
	if !p.is(s) {
		return p.fail("want %q, have %q", s, p.tok.s)
	}
	return p.advance()
}

// accept passes over the token if it is s.
func (p *parser) accept(s string) (bool, error) {
	if !p.is(s) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) name() (string, error) {
	if p.tok.kind != word || p.tok.s[0] == '.' {
		return "", p.fail("want a name, have %q", p.tok.s)
	}
	s := p.tok.s
	return s, p.advance()
}

// count reads a whole number up to most.
func (p *parser) count(most uint64) (int64, error) {
	if p.tok.kind != number || p.tok.bits != 0 || p.tok.n > most {
		return 0, p.fail("want a whole number up to %d, have %q", most, p.tok.s)
	}
	n := int64(p.tok.n)
	return n, p.advance()
}

// top reads one directive outside kernels.
func (p *parser) top() error {
	if p.tok.kind != word {
		return p.fail("want a directive, have %q", p.tok.s)
	}
	d := p.tok.s
	switch d {
	case ".version":
		return p.version()
	case ".target":
		if err := p.advance(); err != nil {
			return err
		}
		t, err := p.name()
		p.mod.Target = t
		for err == nil && p.is(",") { // options such as texmode, debug
			if err = p.advance(); err == nil {
				_, err = p.name()
			}
		}
		return err
	case ".address_size":
		if err := p.advance(); err != nil {
			return err
		}
		n, err := p.count(64)
		if err == nil && n != 64 {
			return p.fail("addresses of %d bits: want 64", n)
		}
		return err
	case ".file", ".loc", ".pragma":
		return p.skipLine()
	case ".visible", ".weak", ".extern", ".common":
		extern := d == ".extern"
		if err := p.advance(); err != nil {
			return err
		}
		return p.global(extern)
	case ".entry", ".shared", ".global", ".const":
		return p.global(false)
	case ".func":
		return p.fail("functions are not supported: inline them")
	}
	return p.fail("unknown directive %q", d)
}

// skipLine passes over the rest of the line, as .file and .loc have no end mark.
func (p *parser) skipLine() error {
	line := p.tok.line
	for p.tok.kind != endToken && p.tok.line == line {
		if err := p.advance(); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) version() error {
	rest := p.lex.src[p.lex.at:]
	if i := strings.IndexByte(rest, '\n'); i >= 0 {
		rest = rest[:i]
	}
	if _, err := fmt.Sscanf(strings.TrimSpace(rest), "%d.%d", &p.mod.Major, &p.mod.Minor); err != nil {
		return p.fail("want .version MAJOR.MINOR, have %.40q", rest)
	}
	if p.mod.Major < 1 || p.mod.Major > 99 || p.mod.Minor < 0 || p.mod.Minor > 99 {
		return p.fail("unknown version %.40q", rest)
	}
	p.lex.at += len(rest)
	return p.advance()
}

// global reads a kernel or a variable of the module.
func (p *parser) global(extern bool) error {
	if p.is(".entry") {
		if extern {
			return p.fail("an external kernel cannot be linked")
		}
		return p.entry()
	}
	if p.is(".func") {
		return p.fail("functions are not supported: inline them")
	}
	v, err := p.variable(extern)
	if err != nil {
		return err
	}
	if v.Space == Local || v.Space == Param {
		return &Error{v.Line, "a variable of the module cannot be ." + v.Space.String()}
	}
	if extern && v.Space != Shared {
		return &Error{v.Line, "an external variable cannot be linked: " + v.Name}
	}
	p.mod.Vars = append(p.mod.Vars, v)
	return p.expect(";")
}
