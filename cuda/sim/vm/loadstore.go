package vm

import (
	"encoding/binary"
	"math/bits"
	"strings"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

func init() {
	register("ld", buildLoad)
	register("st", buildStore)
	register("cvta", buildAddress)
}

// grain notes that shared memory is accessed in so many bytes.
func (c *compiler) grain(bytes int) { c.k.grain = min(c.k.grain, bytes) }

// hints passes over cache operators and memory orders, which change no value here.
func (c *compiler) hints() {
	for len(c.mods) > 0 {
		m := c.mods[0]
		switch m {
		case "ca", "cg", "cs", "lu", "cv", "wb", "wt", "nc", "volatile", "relaxed", "acquire", "release", "weak", "gpu", "sys", "cta":
		default:
			if !strings.HasPrefix(m, "L1::") && !strings.HasPrefix(m, "L2::") {
				return
			}
		}
		c.mods = c.mods[1:]
	}
}

// base sets the address of a memory operand: register, whether it has 32 bits (b), offset.
func (c *compiler) base(in *instr, m ptx.Arg) (int32, error) {
	if m.Kind != ptx.MemArg {
		return 0, c.fail("%s: this operand is an address in brackets", c.full())
	}
	e := m.Elems[0]
	in.imm = m.Int
	if e.Kind == ptx.RegArg && c.src.Regs[e.Reg].Bits == 32 {
		in.b = 1
		return c.slots[e.Reg], nil
	}
	return c.sourceArg(e, 64)
}

// space takes the state space; "" is the generic one.
func (c *compiler) space() string {
	c.hints()
	s := c.oneOf("global", "shared", "local", "const", "param")
	if s == "shared" || s == "" {
		c.take("cta")
	}
	c.hints()
	return s
}

// access builds what ld and st share: element size, registers, address.
func (c *compiler) access(data, mem ptx.Arg, store bool) (in instr, space, typ string, err error) {
	space = c.space()
	n := 1
	switch c.oneOf("v2", "v4") {
	case "v2":
		n = 2
	case "v4":
		n = 4
	}
	c.hints()
	if typ, err = c.typ("b8", "u8", "s8", "b16", "u16", "s16", "b32", "u32", "s32", "f32", "b64", "u64", "s64", "f64"); err != nil {
		return
	}
	in.width = int32(ptx.Bits(typ) / 8)
	if in.width*int32(n) > 16 {
		return in, space, typ, c.fail("%s: more than 16 bytes", c.full())
	}
	elems := []ptx.Arg{data}
	if data.Kind == ptx.VecArg {
		elems = data.Elems
	}
	if len(elems) != n || (n > 1) != (data.Kind == ptx.VecArg) {
		return in, space, typ, c.fail("%s: want %d registers", c.full(), n)
	}
	for _, e := range elems {
		r, e := c.element(e, int(in.width)*8, store)
		if e != nil {
			return in, space, typ, e
		}
		in.regs = append(in.regs, r)
	}
	if space == "shared" || space == "" {
		c.grain(int(in.width))
	}
	if space == "param" {
		return in, space, typ, nil
	}
	in.a, err = c.base(&in, mem)
	return in, space, typ, err
}

// element is the register of an element: at least as wide as it; 64-bit registers are marked by their complement.
func (c *compiler) element(a ptx.Arg, bits int, store bool) (int32, error) {
	if a.Kind == ptx.RegArg && !a.Not {
		have := int(c.src.Regs[a.Reg].Bits)
		if have < bits || have == 1 {
			return 0, c.fail("%s: the register %s has %d bits, fewer than %d", c.full(), c.src.Regs[a.Reg].Name, have, bits)
		}
		if have == 64 {
			return ^c.slots[a.Reg], nil
		}
		return c.slots[a.Reg], nil
	}
	wide := 32
	if bits == 64 {
		wide = 64
	}
	var r int32
	var err error
	if store {
		r, err = c.sourceArg(a, wide)
	} else {
		r, err = c.destArg(a, wide)
	}
	if wide == 64 {
		r = ^r
	}
	return r, err
}

func buildLoad(c *compiler) (instr, error) {
	if err := c.args(2); err != nil {
		return instr{}, err
	}
	in, space, typ, err := c.access(c.in.Args[0], c.in.Args[1], false)
	if err != nil {
		return in, err
	}
	in.class = GlobalAccess
	in.c = 0
	if typ[0] == 's' {
		in.c = 1 // signed
	}
	switch space {
	case "param":
		return c.loadParam(in, c.in.Args[1])
	case "shared":
		in.run, in.class = loadShared, SharedAccess
	case "local":
		in.run, in.class = loadLocal, LocalAccess
	case "":
		in.run = loadGeneric
	default:
		in.run = loadGlobal
	}
	return in, nil
}

func buildStore(c *compiler) (instr, error) {
	if err := c.args(2); err != nil {
		return instr{}, err
	}
	in, space, _, err := c.access(c.in.Args[1], c.in.Args[0], true)
	if err != nil {
		return in, err
	}
	in.class = GlobalAccess
	switch space {
	case "param", "const":
		return in, c.fail("%s: this space is read only", c.full())
	case "shared":
		in.run, in.class = storeShared, SharedAccess
	case "local":
		in.run, in.class = storeLocal, LocalAccess
	case "":
		in.run = storeGeneric
	default:
		in.run = storeGlobal
	}
	return in, nil
}

// loadParam makes a move from a register that holds the parameter.
func (c *compiler) loadParam(in instr, mem ptx.Arg) (instr, error) {
	in.class = ParamAccess
	name := ""
	if mem.Kind == ptx.MemArg {
		name = mem.Elems[0].Name
	}
	for i, p := range c.k.params {
		if p.name != name || name == "" {
			continue
		}
		if mem.Int+uint64(in.width)*uint64(len(in.regs)) > uint64(p.bytes) {
			return in, c.fail("the parameter %s has %d bytes", name, p.bytes)
		}
		if len(in.regs) != 1 {
			return in, c.fail("vectors of parameters are not simulated")
		}
		pr := paramReg{param: i, offset: int(mem.Int), bytes: int(in.width), signed: in.c == 1}
		in.run, in.d = move32, in.regs[0]
		if in.d < 0 {
			in.run, in.d, pr.wide = move64, ^in.d, true
			pr.reg = c.scratch(64)
		} else {
			pr.reg = c.scratch(32)
		}
		in.a = pr.reg
		c.k.paramRegs = append(c.k.paramRegs, pr)
		return in, nil
	}
	return in, c.fail("no parameter %q", name)
}

// get reads an element; put writes it into a lane's register.
func get(b []byte, width int32) uint64 {
	switch width {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(binary.LittleEndian.Uint16(b))
	case 4:
		return uint64(binary.LittleEndian.Uint32(b))
	}
	return binary.LittleEndian.Uint64(b)
}

func (w *warp) put(in *instr, lane int, b []byte) {
	for j, r := range in.regs {
		v := get(b[j*int(in.width):], in.width)
		if in.c == 1 {
			v = extend(v, int(in.width), true)
		}
		if r < 0 {
			w.r64[^r][lane] = v
		} else {
			w.r32[r][lane] = uint32(v)
		}
	}
}

// set writes a lane's registers to memory.
func (w *warp) set(in *instr, lane int, b []byte) {
	for j, r := range in.regs {
		var v uint64
		if r < 0 {
			v = w.r64[^r][lane]
		} else {
			v = uint64(w.r32[r][lane])
		}
		p := b[j*int(in.width):]
		switch in.width {
		case 1:
			p[0] = byte(v)
		case 2:
			binary.LittleEndian.PutUint16(p, uint16(v))
		case 4:
			binary.LittleEndian.PutUint32(p, uint32(v))
		default:
			binary.LittleEndian.PutUint64(p, v)
		}
	}
}

// bytes of an access of one lane
func (in *instr) size() int { return int(in.width) * len(in.regs) }

func loadGlobal(w *warp, in *instr) {
	w.address(in)
	size := in.size()
	w.align("global", uint64(size))
	w.countSectors(&w.blk.worker.count.GlobalLoad, uint64(size))
	var last *Region
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		w.put(in, i, w.global(i, int64(size), false, &last))
	}
}

func storeGlobal(w *warp, in *instr) {
	w.address(in)
	size := in.size()
	w.align("global", uint64(size))
	w.countSectors(&w.blk.worker.count.GlobalStore, uint64(size))
	var last *Region
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		w.set(in, i, w.global(i, int64(size), true, &last))
	}
}

func loadShared(w *warp, in *instr) {
	w.address(in)
	size := in.size()
	w.align("shared", uint64(size))
	w.countBanks(&w.blk.worker.count.SharedLoad, uint64(size))
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		w.put(in, i, w.share(i, w.addr[i], size, false))
	}
}

func storeShared(w *warp, in *instr) {
	w.address(in)
	size := in.size()
	w.align("shared", uint64(size))
	w.countBanks(&w.blk.worker.count.SharedStore, uint64(size))
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		w.set(in, i, w.share(i, w.addr[i], size, true))
	}
}
