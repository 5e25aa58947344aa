package vm

import (
	"encoding/binary"
	"math"

	"github.com/seed-8af8f8e1/flow/cuda/sim/ptx"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

func init() {
	register("ldmatrix", buildLoadMatrix)
	register("mma", buildMMA)
}

// MMAModel says how mma adds.
type MMAModel uint8

// Models of mma with fp16 or bf16 operands and an fp32 accumulator.
const (
	// Ampere is what an A100 does, as measured by others: 8 exact products and the accumulator are aligned to the greatest
	// exponent among them, cut (not rounded) below 24 bits of fraction, added exactly, and cut to fp32; k=16 is two such steps.
	// Sources: Fasi, Higham, Mikaitis and Pranesh, PeerJ Computer Science 7:e330, 2021; MMA-Sim, arXiv 2511.10909, 2025.
	Ampere MMAModel = iota
	// Rounded adds in float64 and rounds to fp32 after each 8 products: closer to exact, twice as quick.
	Rounded
	// Idle adds nothing and is counted all the same: for launches of which only the counters matter.
	Idle
)

// matrixScratch holds the operands of an mma as rows of A and columns of B.
type matrixScratch struct {
	a, b   [16][16]float64
	ea, eb [16][16]int32 // exponents; noExponent of zero
}

const noExponent = -1 << 14

// buildLoadMatrix builds ldmatrix.sync.aligned.m8n8.x1,x2,x4[.trans].shared.b16.
func buildLoadMatrix(c *compiler) (instr, error) {
	in := instr{class: Matrix, width: 2}
	c.take("sync")
	c.take("aligned")
	if !c.take("m8n8") {
		return in, c.fail("%s: the simulator knows .m8n8", c.full())
	}
	n := map[string]int{"x1": 1, "x2": 2, "x4": 4}[c.oneOf("x1", "x2", "x4")]
	trans := c.take("trans")
	if !c.take("shared") || n == 0 {
		return in, c.fail("%s: want .x1, .x2 or .x4 from .shared", c.full())
	}
	if _, err := c.typ("b16"); err != nil {
		return in, err
	}
	if err := c.args(2); err != nil {
		return in, err
	}
	regs, err := c.fragments(c.in.Args[0], n, true)
	if err != nil {
		return in, err
	}
	in.regs = regs
	in.a, err = c.base(&in, c.in.Args[1])
	c.grain(4)
	in.run = func(w *warp, in *instr) { w.loadMatrix(in, trans) }
	return in, err
}

// fragments gives the registers of a vector of n operands of 32 bits.
func (c *compiler) fragments(a ptx.Arg, n int, dest bool) ([]int32, error) {
	elems := a.Elems
	if a.Kind != ptx.VecArg {
		elems = []ptx.Arg{a}
	}
	if len(elems) != n {
		return nil, c.fail("%s: want %d registers", c.full(), n)
	}
	out := make([]int32, n)
	for i, e := range elems {
		var err error
		if dest {
			out[i], err = c.destArg(e, 32)
		} else {
			out[i], err = c.sourceArg(e, 32)
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// whole faults unless the whole warp runs the instruction.
func (w *warp) whole() {
	if w.active != 1<<32-1 {
		w.fault(DivergentLanes, lowest(w.active), "", 0, 0, "all 32 lanes have to run it; here %#08x", w.active)
	}
}

// loadMatrix reads rows of 8 halves: lane 8*j+r gives the address of row r of matrix j; lane i gets the elements
// 2*(i%4) and the next of row i/4, or of column with trans.
func (w *warp) loadMatrix(in *instr, trans bool) {
	w.whole()
	w.address(in)
	n := len(in.regs)
	acc := &w.blk.worker.count.Matrix
	acc.Requests++
	acc.Bytes += int64(n) * 128
	for j := range n {
		var rows [8][]byte
		for r := range rows {
			lane := 8*j + r
			a := w.addr[lane]
			if a&15 != 0 {
				w.fault(Misaligned, lane, "shared", a, 16, "row %d of matrix %d", r, j)
			}
			rows[r] = w.share(lane, a, 16, false)
		}
		w.countRows(acc, j)
		d := &w.r32[in.regs[j]]
		for i := range lanes {
			g, t := i>>2, i&3
			if trans {
				d[i] = uint32(binary.LittleEndian.Uint16(rows[2*t][2*g:])) | uint32(binary.LittleEndian.Uint16(rows[2*t+1][2*g:]))<<16
			} else {
				d[i] = binary.LittleEndian.Uint32(rows[g][4*t:])
			}
		}
	}
}

// countRows counts the wavefronts of one matrix: rows of 16 bytes that share banks take one each.
func (w *warp) countRows(a *Access, j int) {
	if w.blk.worker.config.Checks&CountAccess == 0 {
		return
	}
	var count [8]int64 // of each group of four banks
	worst := int64(0)
	for r := range 8 {
		at := w.addr[8*j+r]
		same := false
		for q := range r {
			same = same || w.addr[8*j+q] == at
		}
		if !same {
			b := at >> 4 & 7
			count[b]++
			worst = max(worst, count[b])
		}
	}
	a.Units += worst
	a.Least++
}

// buildMMA builds mma.sync.aligned.m16n8k16.row.col.f32.T.T.f32 for f16 and bf16, and m16n8k8.
func buildMMA(c *compiler) (instr, error) {
	in := instr{class: Tensor}
	c.take("sync")
	c.take("aligned")
	shape := c.oneOf("m16n8k16", "m16n8k8", "m16n8k32")
	if !c.take("row") || !c.take("col") {
		return in, c.fail("%s: A is .row and B is .col", c.full())
	}
	c.take("satfinite")
	types := [4]string{}
	for i := range types {
		types[i] = c.oneOf("f32", "f16", "bf16", "s32", "s8", "u8")
	}
	k := map[string]int{"m16n8k16": 16, "m16n8k8": 8, "m16n8k32": 32}[shape]
	ok := types[0] == "f32" && types[3] == "f32" && types[1] == types[2] && (types[1] == "f16" || types[1] == "bf16") && k <= 16
	ints := types[0] == "s32" && types[3] == "s32" && k >= 16 && is8(types[1]) && is8(types[2])
	if !ok && !ints {
		return in, c.fail("%s is not simulated", c.full())
	}
	if err := c.args(4); err != nil {
		return in, err
	}
	words := k / 4 // registers of A
	if ints {
		words = k / 8
	}
	var regs []int32
	for i, n := range [4]int{4, words, words / 2, 4} {
		r, err := c.fragments(c.in.Args[i], n, i == 0)
		if err != nil {
			return in, err
		}
		regs = append(regs, r...)
	}
	in.regs = regs
	in.flops = int32(16*8*k*2) / lanes
	in.imm = uint64(k)
	bf := types[1] == "bf16"
	in.run = func(w *warp, in *instr) { w.mma(in, bf) }
	if ints {
		sa, sb := types[1] == "s8", types[2] == "s8"
		in.run = func(w *warp, in *instr) { w.mmaInt(in, sa, sb) }
	}
	return in, nil
}

func is8(t string) bool { return t == "s8" || t == "u8" }

// exponent is floor(log2 |x|) as the format holds it: of a subnormal, the least normal exponent.
func exponent(x float32, least int32) int32 {
	b := math.Float32bits(x)
	if b<<1 == 0 {
		return noExponent
	}
	return max(int32(b>>23&255)-127, least)
}

// unpack puts the fragments of A and B in rows and columns. Register q of lane 4*g+t holds of A the rows g (q even) or
// g+8 and the columns 2*t, 2*t+1, 8 more for q >= 2; of B the rows 2*t, 2*t+1, 8 more for q = 1, and the column g.
func (w *warp) unpack(in *instr, bf bool) {
	m := &w.blk.worker.matrix
	widen, least := numeric.FromF16, int32(-14)
	if bf {
		widen, least = numeric.FromBF16, -126
	}
	words := int(in.imm) / 4
	for q := range words {
		r := &w.r32[in.regs[4+q]]
		for i := range lanes {
			row, col := i>>2+8*(q&1), 2*(i&3)+8*(q>>1)
			x, y := widen(uint16(r[i])), widen(uint16(r[i]>>16))
			m.a[row][col], m.a[row][col+1] = float64(x), float64(y)
			m.ea[row][col], m.ea[row][col+1] = exponent(x, least), exponent(y, least)
		}
	}
	for q := range words / 2 {
		r := &w.r32[in.regs[4+words+q]]
		for i := range lanes {
			col, row := i>>2, 2*(i&3)+8*q
			x, y := widen(uint16(r[i])), widen(uint16(r[i]>>16))
			m.b[col][row], m.b[col][row+1] = float64(x), float64(y)
			m.eb[col][row], m.eb[col][row+1] = exponent(x, least), exponent(y, least)
		}
	}
}

// mma multiplies: D = A*B + C, 16x8.
func (w *warp) mma(in *instr, bf bool) {
	w.whole()
	if w.blk.worker.config.MMA == Idle {
		return
	}
	w.unpack(in, bf)
	m := &w.blk.worker.matrix
	k := int(in.imm)
	at := 4 + k/4 + k/8
	ampere := w.blk.worker.config.MMA == Ampere
	var out [4][lanes]uint32
	for i := range lanes {
		for q := range 4 {
			row, col := i>>2+8*(q>>1), 2*(i&3)+(q&1)
			acc := math.Float32frombits(w.r32[in.regs[at+q]][i])
			for h := 0; h < k; h += 8 {
				a, b := (*[8]float64)(m.a[row][h:]), (*[8]float64)(m.b[col][h:])
				if ampere {
					acc = dotAmpere(a, b, (*[8]int32)(m.ea[row][h:]), (*[8]int32)(m.eb[col][h:]), acc)
				} else {
					acc = dotRounded(a, b, acc)
				}
			}
			out[q][i] = canonical(acc)
		}
	}
	for q := range 4 {
		w.r32[in.regs[q]] = out[q]
	}
}

// dotRounded adds 8 products and c in float64 and rounds once.
func dotRounded(a, b *[8]float64, c float32) float32 {
	s := float64(c)
	for i := range a {
		s += float64(a[i] * b[i])
	}
	return float32(s)
}

// dotAmpere is the model of the same name.
func dotAmpere(a, b *[8]float64, ea, eb *[8]int32, c float32) float32 {
	top := exponent(c, -126)
	for i := range ea {
		top = max(top, ea[i]+eb[i])
	}
	if top <= noExponent {
		return dotRounded(a, b, c)
	}
	unit := pow2(24 - top) // products in units of the last place that is kept
	sum := int64(0)
	for i := range a {
		p := float64(a[i]*b[i]) * unit
		if p-p != 0 { // an infinity or NaN
			return dotRounded(a, b, c)
		}
		sum += int64(p) // cuts toward zero
	}
	p := float64(c) * unit
	if p-p != 0 {
		return dotRounded(a, b, c)
	}
	sum += int64(p)
	return cutFloat32(float64(sum) * pow2(top-24)) // exact: sum has fewer than 40 bits
}

// pow2 is 2^n for |n| < 1022.
func pow2(n int32) float64 { return math.Float64frombits(uint64(n+1023) << 52) }

// cutFloat32 rounds toward zero; what overflows is an infinity.
func cutFloat32(v float64) float32 {
	b := math.Float64bits(v)
	if math.Abs(v) >= 0x1p-126 {
		return float32(math.Float64frombits(b &^ numeric.LowBits))
	}
	return roundFloat32(v, "rz")
}

// mmaInt multiplies 8-bit integers: register q holds four columns of A in the layout of unpack with 4 for 2.
func (w *warp) mmaInt(in *instr, sa, sb bool) {
	w.whole()
	k := int(in.imm)
	words := k / 8
	var a [16][32]int32
	var b [8][32]int32
	for q := range words {
		for i := range lanes {
			row, col := i>>2+8*(q&1), 4*(i&3)+16*(q>>1)
			for j := range 4 {
				a[row][col+j] = int32(extend(uint64(w.r32[in.regs[4+q]][i]>>(8*j)), 1, sa))
			}
		}
	}
	for q := range words / 2 {
		for i := range lanes {
			for j := range 4 {
				b[i>>2][4*(i&3)+16*q+j] = int32(extend(uint64(w.r32[in.regs[4+words+q]][i]>>(8*j)), 1, sb))
			}
		}
	}
	at := 4 + words + words/2
	var out [4][lanes]uint32
	for i := range lanes {
		for q := range 4 {
			row, col := i>>2+8*(q>>1), 2*(i&3)+(q&1)
			s := int32(w.r32[in.regs[at+q]][i])
			for j := range k {
				s += a[row][j] * b[col][j]
			}
			out[q][i] = uint32(s)
		}
	}
	for q := range 4 {
		w.r32[in.regs[q]] = out[q]
	}
}
