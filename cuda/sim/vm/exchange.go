package vm

import (
	"math/bits"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
)

func init() {
	register("shfl", buildShuffle)
	register("vote", buildVote)
	register("activemask", func(c *compiler) (instr, error) {
		if _, err := c.typ("b32"); err != nil {
			return instr{}, err
		}
		in := instr{class: Exchange}
		if err := c.args(1); err != nil {
			return in, err
		}
		var err error
		in.d, err = c.dest(0, 32)
		in.run = func(w *warp, in *instr) { w.spread(in.d, w.active) }
		return in, err
	})
	register("redux", buildReduce)
}

// spread puts a value into the active lanes of a register.
func (w *warp) spread(reg int32, v uint32) {
	for m := w.active; m != 0; m &= m - 1 {
		w.r32[reg][bits.TrailingZeros32(m)&31] = v
	}
}

// buildShuffle builds shfl.sync.mode.b32 d[|p], a, b, c, membermask.
func buildShuffle(c *compiler) (instr, error) {
	in := instr{class: Exchange}
	if !c.take("sync") {
		return in, c.fail("shfl wants .sync")
	}
	mode := c.oneOf("up", "down", "bfly", "idx")
	if mode == "" {
		return in, c.fail("%s: unknown mode", c.full())
	}
	if _, err := c.typ("b32"); err != nil {
		return in, err
	}
	if err := c.args(5); err != nil {
		return in, err
	}
	to := c.in.Args[0]
	p := int32(-1)
	var err error
	if to.Kind == ptx.PairArg {
		if p, _, err = c.pred(to.Elems[1]); err != nil {
			return in, err
		}
		to = to.Elems[0]
	}
	if in.d, err = c.destArg(to, 32); err != nil {
		return in, err
	}
	var members int32
	for i, dst := range []*int32{&in.a, &in.b, &in.c, &members} {
		if *dst, err = c.source(i+1, 32); err != nil {
			return in, err
		}
	}
	in.run = func(w *warp, in *instr) { w.shuffle(in, mode, members, p) }
	return in, nil
}

// source lane of a shuffle, and whether it is in range (PTX ISA, shfl.sync).
func shuffleFrom(mode string, lane, b, c int) (int, bool) {
	segment, clamp := c>>8&31, c&31
	top := lane&segment | clamp&^segment
	switch b &= 31; mode {
	case "up":
		j := lane - b
		return j, j >= top
	case "down":
		j := lane + b
		return j, j <= top
	case "bfly":
		j := lane ^ b
		return j, j <= top
	}
	j := lane&segment | b&^segment
	return j, j <= top
}

func (w *warp) shuffle(in *instr, mode string, members, p int32) {
	w.wants(w.r32[members][lowest(w.active)])
	a := w.r32[in.a] // a copy: the result may be the source
	var inRange uint32
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		j, ok := shuffleFrom(mode, i, int(w.r32[in.b][i]), int(w.r32[in.c][i]))
		if !ok {
			j = i
		} else {
			inRange |= 1 << i
		}
		if w.active>>j&1 == 0 {
			w.fault(DivergentLanes, i, "", 0, 0, "it reads lane %d, which is not there", j)
		}
		w.tmp32[i] = a[j]
	}
	w.copyActive(in.d)
	if p >= 0 {
		w.setPred(p, inRange)
	}
}

// copyActive puts the active lanes of tmp32 into a register.
func (w *warp) copyActive(reg int32) {
	for m := w.active; m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m) & 31
		w.r32[reg][i] = w.tmp32[i]
	}
}

// buildVote builds vote.sync.all, any, uni .pred and ballot.b32.
func buildVote(c *compiler) (instr, error) {
	in := instr{class: Exchange}
	if !c.take("sync") {
		return in, c.fail("vote wants .sync")
	}
	mode := c.oneOf("all", "any", "uni", "ballot")
	t := "pred"
	if mode == "ballot" {
		t = "b32"
	}
	if mode == "" {
		return in, c.fail("%s: unknown mode", c.full())
	}
	if _, err := c.typ(t); err != nil {
		return in, err
	}
	if err := c.args(3); err != nil {
		return in, err
	}
	a, not, err := c.predOrConst(c.in.Args[1])
	if err != nil {
		return in, err
	}
	if in.a, err = c.source(2, 32); err != nil {
		return in, err
	}
	if mode == "ballot" {
		in.d, err = c.dest(0, 32)
	} else {
		in.d, _, err = c.pred(c.in.Args[0])
	}
	in.run = func(w *warp, in *instr) {
		w.wants(w.r32[in.a][lowest(w.active)])
		v := w.getPred(a, not) & w.active
		if mode == "ballot" {
			w.spread(in.d, v)
			return
		}
		yes := mode == "any" && v != 0 || mode == "all" && v == w.active || mode == "uni" && (v == 0 || v == w.active)
		if yes {
			w.setPred(in.d, 1<<32-1)
		} else {
			w.setPred(in.d, 0)
		}
	}
	return in, err
}

// buildReduce builds redux.sync of integers.
func buildReduce(c *compiler) (instr, error) {
	if !c.take("sync") {
		return instr{}, c.fail("redux wants .sync")
	}
	op := c.oneOf("add", "min", "max", "and", "or", "xor")
	t, err := c.typ("u32", "s32", "b32")
	if err != nil || op == "" {
		return instr{}, c.fail("%s: unknown", c.full())
	}
	in, err := c.build2(32)
	in.class = Exchange
	f := atomicOps[op]
	it := intType{4, t[0] == 's'}
	in.run = func(w *warp, in *instr) {
		w.wants(w.r32[in.b][lowest(w.active)])
		first := lowest(w.active)
		v := w.read(it, in.a, first)
		for m := w.active & (w.active - 1); m != 0; m &= m - 1 {
			v = f(v, w.read(it, in.a, bits.TrailingZeros32(m)&31), it)
		}
		w.spread(in.d, uint32(v))
	}
	return in, err
}
