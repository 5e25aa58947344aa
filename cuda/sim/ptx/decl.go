package ptx

import (
	"encoding/binary"
	"strings"
)

// typeBits is the size of each fundamental type.
var typeBits = map[string]uint8{
	"pred": 1, "b8": 8, "u8": 8, "s8": 8, "b16": 16, "u16": 16, "s16": 16, "f16": 16, "bf16": 16,
	"b32": 32, "u32": 32, "s32": 32, "f32": 32, "f16x2": 32, "bf16x2": 32, "tf32": 32, "b64": 64, "u64": 64, "s64": 64, "f64": 64,
}

// Bits is the size of a type by its name without the point, 0 for no type.
func Bits(name string) int { return int(typeBits[name]) }

// typ reads a type, as .u32.
func (p *parser) typ() (uint8, error) {
	name, ok := strings.CutPrefix(p.tok.s, ".")
	bits := typeBits[name]
	if p.tok.kind != word || !ok || bits == 0 {
		return 0, p.fail("want a type, have %q", p.tok.s)
	}
	return bits, p.advance()
}

var spaces = map[string]Space{".global": Global, ".const": Const, ".shared": Shared, ".local": Local, ".param": Param}

// variable reads .space [.align n] .type name[n] [= {...}], without the mark behind it.
func (p *parser) variable(extern bool) (v Var, err error) {
	space, ok := spaces[p.tok.s]
	if !ok || p.tok.kind != word {
		return v, p.fail("want a state space, have %q", p.tok.s)
	}
	v = Var{Space: space, Line: p.tok.line, Extern: extern}
	if err = p.advance(); err != nil {
		return v, err
	}
	if v.Align, err = p.align(); err != nil {
		return v, err
	}
	bits, err := p.typ()
	if err != nil {
		return v, err
	}
	if bits < 8 {
		return v, p.fail("a variable cannot be a predicate")
	}
	size := int64(bits / 8)
	v.Align = max(v.Align, size)
	// .param .u64 .ptr .global .align 16 name
	if p.is(".ptr") {
		for p.tok.kind == word && p.tok.s[0] == '.' {
			if p.is(".align") {
				if _, err = p.align(); err != nil {
					return v, err
				}
			} else if err = p.advance(); err != nil {
				return v, err
			}
		}
	}
	if v.Name, err = p.name(); err != nil {
		return v, err
	}
	v.Bytes = size
	for p.is("[") {
		if err = p.dimension(&v); err != nil {
			return v, err
		}
	}
	if ok, err := p.accept("="); err != nil || !ok {
		return v, err
	}
	return v, p.initialiser(&v, int(size))
}

// align reads .align n if it stands there: 1 without.
func (p *parser) align() (int64, error) {
	ok, err := p.accept(".align")
	if err != nil || !ok {
		return 1, err
	}
	n, err := p.count(1 << 12)
	if err == nil && (n == 0 || n&(n-1) != 0) {
		return 1, p.fail("an alignment is a power of two, not %d", n)
	}
	return n, err
}

// dimension reads [n], or [] of an external variable.
func (p *parser) dimension(v *Var) error {
	if err := p.expect("["); err != nil {
		return err
	}
	if p.is("]") {
		if !v.Extern {
			return p.fail("the array %s has no length", v.Name)
		}
		v.Bytes = 0
		return p.advance()
	}
	n, err := p.count(maxBytes)
	if err != nil {
		return err
	}
	if v.Bytes *= n; v.Bytes > maxBytes {
		return p.fail("the variable %s has more than %d bytes", v.Name, maxBytes)
	}
	return p.expect("]")
}

// initialiser reads a number or a flat list of numbers of size bytes each.
func (p *parser) initialiser(v *Var, size int) error {
	list, err := p.accept("{")
	if err != nil {
		return err
	}
	v.Init = make([]byte, 0, v.Bytes)
	for {
		negative, err := p.accept("-")
		if err != nil {
			return err
		}
		if p.tok.kind != number || p.tok.bits != 0 && int(p.tok.bits) != size*8 {
			return p.fail("want a number of %d bytes, have %q", size, p.tok.s)
		}
		n := p.tok.n
		if negative {
			n = -n
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], n)
		v.Init = append(v.Init, b[:size]...)
		if int64(len(v.Init)) > v.Bytes {
			return p.fail("the variable %s has fewer bytes than its initialiser", v.Name)
		}
		if err := p.advance(); err != nil {
			return err
		}
		more := false
		if list {
			if more, err = p.accept(","); err != nil {
				return err
			}
		}
		if !more {
			break
		}
	}
	v.Init = append(v.Init, make([]byte, v.Bytes-int64(len(v.Init)))...)
	if list {
		return p.expect("}")
	}
	return nil
}
