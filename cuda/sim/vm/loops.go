package vm

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// The loops of the operations that kernels spend their time in; the rest goes through functions of one lane.

func addInt32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = a[i] + b[i]
	}
	w.done32(in.d, d)
}

func subInt32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = a[i] - b[i]
	}
	w.done32(in.d, d)
}

func mulLow32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = a[i] * b[i]
	}
	w.done32(in.d, d)
}

func madLow32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	c := &w.r32[in.c]
	for i := range d {
		d[i] = a[i]*b[i] + c[i]
	}
	w.done32(in.d, d)
}

func addInt64(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r64[in.a]
	b := &w.r64[in.b]
	for i := range d {
		d[i] = a[i] + b[i]
	}
	w.done64(in.d, d)
}

func subInt64(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r64[in.a]
	b := &w.r64[in.b]
	for i := range d {
		d[i] = a[i] - b[i]
	}
	w.done64(in.d, d)
}

func mulLow64(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r64[in.a]
	b := &w.r64[in.b]
	for i := range d {
		d[i] = a[i] * b[i]
	}
	w.done64(in.d, d)
}

func and32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = a[i] & b[i]
	}
	w.done32(in.d, d)
}

func or32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = a[i] | b[i]
	}
	w.done32(in.d, d)
}

func xor32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
	w.done32(in.d, d)
}

func not32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	for i := range d {
		d[i] = ^a[i]
	}
	w.done32(in.d, d)
}

func and64(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r64[in.a]
	b := &w.r64[in.b]
	for i := range d {
		d[i] = a[i] & b[i]
	}
	w.done64(in.d, d)
}

func or64(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r64[in.a]
	b := &w.r64[in.b]
	for i := range d {
		d[i] = a[i] | b[i]
	}
	w.done64(in.d, d)
}

func xor64(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r64[in.a]
	b := &w.r64[in.b]
	for i := range d {
		d[i] = a[i] ^ b[i]
	}
	w.done64(in.d, d)
}

func not64(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r64[in.a]
	for i := range d {
		d[i] = ^a[i]
	}
	w.done64(in.d, d)
}

func shl32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = a[i] << b[i]
	}
	w.done32(in.d, d)
}

func shrU32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = a[i] >> b[i]
	}
	w.done32(in.d, d)
}

func shrS32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = uint32(int32(a[i]) >> b[i])
	}
	w.done32(in.d, d)
}

func move32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	for i := range d {
		d[i] = a[i]
	}
	w.done32(in.d, d)
}

func move64(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r64[in.a]
	for i := range d {
		d[i] = a[i]
	}
	w.done64(in.d, d)
}

func mulWideS32(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = uint64(int64(int32(a[i])) * int64(int32(b[i])))
	}
	w.done64(in.d, d)
}

func mulWideU32(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = uint64(a[i]) * uint64(b[i])
	}
	w.done64(in.d, d)
}

func widenS32(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r32[in.a]
	for i := range d {
		d[i] = uint64(int64(int32(a[i])))
	}
	w.done64(in.d, d)
}

func widenU32(w *warp, in *instr) {
	d := w.out64(in.d)
	a := &w.r32[in.a]
	for i := range d {
		d[i] = uint64(a[i])
	}
	w.done64(in.d, d)
}

func narrow64(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r64[in.a]
	for i := range d {
		d[i] = uint32(a[i])
	}
	w.done32(in.d, d)
}

func addF32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = canonical(float32(math.Float32frombits(a[i]) + math.Float32frombits(b[i])))
	}
	w.done32(in.d, d)
}

func subF32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = canonical(float32(math.Float32frombits(a[i]) - math.Float32frombits(b[i])))
	}
	w.done32(in.d, d)
}

func mulF32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = canonical(float32(math.Float32frombits(a[i]) * math.Float32frombits(b[i])))
	}
	w.done32(in.d, d)
}

func divF32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	for i := range d {
		d[i] = canonical(float32(math.Float32frombits(a[i]) / math.Float32frombits(b[i])))
	}
	w.done32(in.d, d)
}

func fmaF32(w *warp, in *instr) {
	d := w.out32(in.d)
	a := &w.r32[in.a]
	b := &w.r32[in.b]
	c := &w.r32[in.c]
	for i := range d {
		s := float64(math.Float32frombits(a[i]))*float64(math.Float32frombits(b[i])) + float64(math.Float32frombits(c[i]))
		if x := math.Float64bits(s); x&numeric.LowBits != numeric.Halfway && x<<1-1 >= numeric.TinyBits {
			d[i] = canonical(float32(s))
			continue
		}
		d[i] = canonical(numeric.FMAExact(math.Float32frombits(a[i]), math.Float32frombits(b[i]), math.Float32frombits(c[i])))
	}
	w.done32(in.d, d)
}

// canonical is the bits of a result: any NaN is PTX's own.
func canonical(x float32) uint32 {
	if x != x {
		return 0x7fffffff
	}
	return math.Float32bits(x)
}
