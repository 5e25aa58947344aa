package vm

import (
	"fmt"
	"strings"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

// maxCode bounds the instructions of a kernel, maxShared its static shared memory, maxLocal the local memory of a thread.
const (
	maxCode   = 1 << 16
	maxShared = 227 << 10
	maxLocal  = 1 << 16
)

// compiler turns one kernel into instructions.
type compiler struct {
	src       *ptx.Kernel
	k         *Kernel
	globals   map[string]ptx.Var // of the module
	addresses map[string]uint64  // of global and const variables
	offsets   map[string]uint64  // of shared and local variables
	spaces    map[string]ptx.Space
	slots     []int32 // of each register of the text, its number in its file

	in   *ptx.Instr // the instruction at hand
	mods []string   // its modifiers that nobody has taken yet
	line int
}

// builders makes an instruction from a text's, by opcode.
var builders map[string]func(c *compiler) (instr, error)

func (c *compiler) fail(format string, args ...any) error {
	return &ptx.Error{Line: c.line, Msg: fmt.Sprintf(format, args...)}
}

func (c *compiler) compile() error {
	k, src := c.k, c.src
	k.MaxTid, k.Exact, k.Params, k.Regs = src.MaxTid, src.Exact, len(src.Params), len(src.Regs)
	k.const32, k.const64, k.special = map[uint32]int32{}, map[uint64]int32{}, map[string]int32{}
	k.grain = 16
	c.line = src.Line
	if len(src.Code) > maxCode {
		return c.fail("the kernel %s has more than %d instructions", k.Name, maxCode)
	}
	for _, p := range src.Params {
		if p.Bytes > 8 {
			return c.fail("the parameter %s has %d bytes: launches pass 8 at most", p.Name, p.Bytes)
		}
		k.params = append(k.params, param{p.Name, int(p.Bytes)})
	}
	if err := c.layout(); err != nil {
		return err
	}
	c.slots = make([]int32, len(src.Regs))
	for i, r := range src.Regs {
		switch r.Bits {
		case 1:
			c.slots[i] = int32(k.preds)
			k.preds++
		case 64:
			c.slots[i] = int32(k.n64)
			k.n64++
		default:
			c.slots[i] = int32(k.n32)
			k.n32++
		}
	}
	for i := range src.Code {
		if err := c.instruction(&src.Code[i]); err != nil {
			return err
		}
	}
	return c.flow()
}

// layout gives shared and local variables their places.
func (c *compiler) layout() error {
	c.offsets, c.spaces = map[string]uint64{}, map[string]ptx.Space{}
	var shared, local int64
	place := func(v ptx.Var, at *int64) {
		*at = (*at + v.Align - 1) &^ (v.Align - 1)
		c.offsets[v.Name] = uint64(*at)
		if v.Space == ptx.Shared {
			c.offsets[v.Name] += sharedStart
		}
		c.spaces[v.Name] = v.Space
		*at += v.Bytes
	}
	var external []ptx.Var
	for _, v := range c.used() {
		switch {
		case v.Space == ptx.Shared && v.Extern:
			external = append(external, v)
		case v.Space == ptx.Shared:
			place(v, &shared)
		case v.Space == ptx.Local:
			place(v, &local)
		}
		if shared > maxShared || local > maxLocal {
			c.line = v.Line
			return c.fail("the variables of kernel %s have %d bytes of shared and %d of local memory: more than %d or %d",
				c.k.Name, shared, local, maxShared, maxLocal)
		}
	}
	c.k.Shared, c.k.Local = int(shared), int(local)
	for _, v := range external { // all begin at the same place
		c.k.Dynamic = true
		shared = (shared + v.Align - 1) &^ (v.Align - 1)
	}
	for _, v := range external {
		c.offsets[v.Name], c.spaces[v.Name] = uint64(shared)+sharedStart, v.Space
	}
	c.k.dynamicAt = int(shared)
	return nil
}

// used lists the kernel's variables and those shared variables of the module that it names.
func (c *compiler) used() []ptx.Var {
	names := map[string]bool{}
	var note func(a ptx.Arg)
	note = func(a ptx.Arg) {
		if a.Kind == ptx.NameArg {
			names[a.Name] = true
		}
		for _, e := range a.Elems {
			note(e)
		}
	}
	for _, in := range c.src.Code {
		for _, a := range in.Args {
			note(a)
		}
	}
	out := c.src.Vars
	for name := range names {
		if v, ok := c.globals[name]; ok && v.Space == ptx.Shared {
			out = append(out[:len(out):len(out)], v)
		}
	}
	sortVars(out[len(c.src.Vars):])
	return out
}

// instruction builds one.
func (c *compiler) instruction(in *ptx.Instr) error {
	c.in, c.mods, c.line = in, in.Mods, in.Line
	build := builders[in.Op]
	if build == nil {
		return c.fail("the simulator does not know the instruction %s", c.full())
	}
	out, err := build(c)
	if err != nil {
		return err
	}
	if len(c.mods) > 0 {
		return c.fail("%s: the simulator does not know .%s here", c.full(), c.mods[0])
	}
	out.line, out.guard, out.not = int32(in.Line), -1, in.GuardNot
	if in.Guard >= 0 {
		out.guard = c.slots[in.Guard]
	}
	c.k.code = append(c.k.code, out)
	return nil
}

// full is the opcode with its modifiers.
func (c *compiler) full() string {
	return strings.Join(append([]string{c.in.Op}, c.in.Mods...), ".")
}

// take removes the next modifier if it is s.
func (c *compiler) take(s string) bool {
	if len(c.mods) > 0 && c.mods[0] == s {
		c.mods = c.mods[1:]
		return true
	}
	return false
}

// oneOf removes the next modifier if it is in the list, and gives it, else "".
func (c *compiler) oneOf(list ...string) string {
	for _, s := range list {
		if c.take(s) {
			return s
		}
	}
	return ""
}

// typ removes the next modifier, which is a type: one of the list.
func (c *compiler) typ(list ...string) (string, error) {
	if s := c.oneOf(list...); s != "" {
		return s, nil
	}
	return "", c.fail("%s: want one of the types %s", c.full(), strings.Join(list, ", "))
}

// args checks the number of operands.
func (c *compiler) args(n int) error {
	if len(c.in.Args) != n {
		return c.fail("%s takes %d operands, not %d", c.full(), n, len(c.in.Args))
	}
	return nil
}
