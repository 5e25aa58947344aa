package vm

import "math/bits"

// buildAddress converts between a space's addresses and generic ones.
func buildAddress(c *compiler) (instr, error) {
	to := c.take("to")
	space := c.oneOf("global", "shared", "local", "const", "param")
	if c.take("u32") {
		return instr{}, c.fail("%s: addresses have 64 bits", c.full())
	}
	if !c.take("u64") {
		return instr{}, c.fail("%s: want .u64", c.full())
	}
	in, err := c.build1(64)
	in.class, in.run = Integer, addWide
	switch space {
	case "shared":
		in.imm = sharedWindow
	case "local":
		in.imm = localWindow
	case "global", "const":
		in.run = move64
	default:
		return in, c.fail("%s: unknown space", c.full())
	}
	if to {
		in.imm = -in.imm
	}
	return in, err
}

func addWide(w *warp, in *instr) {
	d, a := w.out64(in.d), &w.r64[in.a]
	for i := range d {
		d[i] = a[i] + in.imm
	}
	w.done64(in.d, d)
}

// stack gives the bytes at an address of a lane's local memory.
func (w *warp) stack32(lane int, a uint64, size int, write bool) []byte {
	n := uint64(w.blk.kernel.Local)
	if a > n || a+uint64(size) > n {
		w.fault(OutOfBounds, lane, "local", a, size, "the thread has %d bytes", n)
	}
	at := uint64(lane)*n + a
	marks := w.wrote[at : at+uint64(size)]
	for i := range marks {
		if write {
			marks[i] = 1
		} else if marks[i] == 0 {
			w.fault(Uninitialised, lane, "local", a, size, "its byte %d", i)
		}
	}
	return w.local[at : at+uint64(size)]
}

func loadLocal(w *warp, in *instr) {
	w.address(in)
	w.align("local", uint64(in.size()))
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		w.put(in, i, w.stack32(i, w.addr[i], in.size(), false))
	}
}

func storeLocal(w *warp, in *instr) {
	w.address(in)
	w.align("local", uint64(in.size()))
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		w.set(in, i, w.stack32(i, w.addr[i], in.size(), true))
	}
}

// window gives the space that all active lanes' generic addresses lie in, and makes them addresses of it.
func (w *warp) window(in *instr) (base uint64) {
	w.address(in)
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		b := uint64(0)
		switch w.addr[i] &^ (windowBytes - 1) {
		case sharedWindow:
			b = sharedWindow
		case localWindow:
			b = localWindow
		}
		if m == w.active {
			base = b
		} else if b != base {
			w.fault(OutOfBounds, i, "generic", w.addr[i], in.size(), "lanes use several spaces in one access, which is not simulated")
		}
	}
	return base
}

func loadGeneric(w *warp, in *instr)  { w.generic(in, loadGlobal, loadShared, loadLocal) }
func storeGeneric(w *warp, in *instr) { w.generic(in, storeGlobal, storeShared, storeLocal) }

// generic runs an access in the space of its addresses.
func (w *warp) generic(in *instr, global, shared, local func(*warp, *instr)) {
	base := w.window(in)
	in2 := *in
	in2.imm -= base
	switch base {
	case sharedWindow:
		shared(w, &in2)
	case localWindow:
		local(w, &in2)
	default:
		global(w, in)
	}
}
