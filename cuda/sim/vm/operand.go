package vm

import (
	"cmp"
	"slices"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

func sortVars(vars []ptx.Var) {
	slices.SortFunc(vars, func(a, b ptx.Var) int { return cmp.Compare(a.Line, b.Line) })
}

// dest is the register of result i, which has bits 16 (in the file of 32), 32 or 64.
func (c *compiler) dest(i, bits int) (int32, error) { return c.destArg(c.in.Args[i], bits) }

func (c *compiler) destArg(a ptx.Arg, bits int) (int32, error) {
	if a.Kind == ptx.SinkArg {
		return c.scratch(bits), nil
	}
	if a.Kind != ptx.RegArg || a.Not {
		return 0, c.fail("%s: the result goes to a register", c.full())
	}
	if err := c.fits(a.Reg, bits); err != nil {
		return 0, err
	}
	return c.slots[a.Reg], nil
}

// fits checks a register's size: exact, as PTX wants of all but ld, st and cvt.
func (c *compiler) fits(reg, bits int) error {
	if have := int(c.src.Regs[reg].Bits); have != bits {
		return c.fail("%s: the register %s has %d bits, not %d", c.full(), c.src.Regs[reg].Name, have, bits)
	}
	return nil
}

// scratch is a new register that nobody reads.
func (c *compiler) scratch(bits int) int32 {
	if bits == 64 {
		c.k.n64++
		return int32(c.k.n64 - 1)
	}
	c.k.n32++
	return int32(c.k.n32 - 1)
}

// source is the register of operand i of so many bits; constants get registers of their own.
func (c *compiler) source(i, bits int) (int32, error) { return c.sourceArg(c.in.Args[i], bits) }

func (c *compiler) sourceArg(a ptx.Arg, bits int) (int32, error) {
	switch a.Kind {
	case ptx.RegArg:
		if a.Not {
			return 0, c.fail("%s: ! stands before a predicate", c.full())
		}
		if err := c.fits(a.Reg, bits); err != nil {
			return 0, err
		}
		return c.slots[a.Reg], nil
	case ptx.FloatArg:
		if int(a.Bits) != bits {
			return 0, c.fail("%s: a constant of %d bits where %d are wanted", c.full(), a.Bits, bits)
		}
		return c.constant(a.Int, bits), nil
	case ptx.IntArg:
		return c.constant(a.Int, bits), nil
	case ptx.NameArg:
		return c.named(a, bits)
	}
	return 0, c.fail("%s: this operand is not a register or constant", c.full())
}

// constant is the register that holds a value in all lanes.
func (c *compiler) constant(v uint64, bits int) int32 {
	if bits == 64 {
		if r, ok := c.k.const64[v]; ok {
			return r
		}
		r := c.scratch(64)
		c.k.const64[v] = r
		return r
	}
	x := uint32(v)
	if bits < 32 {
		x &= 1<<bits - 1
	}
	if r, ok := c.k.const32[x]; ok {
		return r
	}
	r := c.scratch(32)
	c.k.const32[x] = r
	return r
}

// address is what a name stands for: the address of a variable in its own space.
func (c *compiler) address(a ptx.Arg) (uint64, ptx.Space, bool) {
	if off, ok := c.offsets[a.Name]; ok {
		return off + a.Int, c.spaces[a.Name], true
	}
	if at, ok := c.addresses[a.Name]; ok {
		return at + a.Int, c.globals[a.Name].Space, true
	}
	return 0, 0, false
}

// specials are the registers with a name that the simulator fills.
var specials = []string{"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y", "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y",
	"%nctaid.z", "%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le", "%lanemask_gt", "%lanemask_ge",
	"%dynamic_smem_size", "%total_smem_size"}

// named is the register of a special register or of a variable's address.
func (c *compiler) named(a ptx.Arg, bits int) (int32, error) {
	if at, _, ok := c.address(a); ok {
		return c.constant(at, bits), nil
	}
	if bits == 32 && slices.Contains(specials, a.Name) && a.Int == 0 {
		if r, ok := c.k.special[a.Name]; ok {
			return r, nil
		}
		r := c.scratch(32)
		c.k.special[a.Name] = r
		return r, nil
	}
	return 0, c.fail("%s: the simulator does not know the name %s with %d bits", c.full(), a.Name, bits)
}

// pred is the predicate register of an operand, and whether ! stands before it.
func (c *compiler) pred(a ptx.Arg) (int32, bool, error) {
	if a.Kind == ptx.SinkArg {
		c.k.preds++
		return int32(c.k.preds - 1), false, nil
	}
	if a.Kind != ptx.RegArg {
		return 0, false, c.fail("%s: this operand is a predicate", c.full())
	}
	if err := c.fits(a.Reg, 1); err != nil {
		return 0, false, err
	}
	return c.slots[a.Reg], a.Not, nil
}

// build1 and build2, build3 make an instruction with a result and so many sources, all of the same size.
func (c *compiler) build1(bits int) (instr, error) { return c.build(bits, bits) }
func (c *compiler) build2(bits int) (instr, error) { return c.build(bits, bits, bits) }
func (c *compiler) build3(bits int) (instr, error) { return c.build(bits, bits, bits, bits) }

// build makes an instruction with a result and sources of given sizes.
func (c *compiler) build(dest int, sources ...int) (in instr, err error) {
	if err = c.args(1 + len(sources)); err != nil {
		return in, err
	}
	if in.d, err = c.dest(0, dest); err != nil {
		return in, err
	}
	to := [3]*int32{&in.a, &in.b, &in.c}
	for i, bits := range sources {
		if *to[i], err = c.source(i+1, bits); err != nil {
			return in, err
		}
	}
	return in, nil
}
