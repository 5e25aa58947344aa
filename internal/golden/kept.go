package golden

import (
	"math"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// Near gives what a kept step may have been: kept steps are in fp16, so of all values that round to what is kept it takes the nearest to now.
// What is measured against it is the least difference there can have been, and the rounding alone exceeds no bound. Arrays of another shape stay.
func Near(kept, now map[string]nodes.Tensor) map[string]nodes.Tensor {
	out := make(map[string]nodes.Tensor, len(kept))
	for name, k := range kept {
		n, ok := now[name]
		if !ok || len(n.Data) != len(k.Data) {
			out[name] = k
			continue
		}
		data := make([]float32, len(k.Data))
		for i, x := range k.Data {
			data[i] = near(x, n.Data[i])
		}
		out[name] = nodes.Tensor{Shape: k.Shape, Data: data}
	}
	return out
}

// near is the value nearest to now of those that round to kept in fp16.
func near(kept, now float32) float32 {
	const most = 65504 // of fp16
	if math.IsInf(float64(kept), 0) {
		if math.Signbit(float64(kept)) == math.Signbit(float64(now)) && math.Abs(float64(now)) > most {
			return now
		}
		return kept
	}
	_, exp := math.Frexp(float64(kept))
	half := math.Ldexp(1, max(exp, -13)-12) // half a unit in the last of 11 bits; subnormal numbers have that of 2^-14
	return float32(min(max(float64(now), float64(kept)-half), float64(kept)+half))
}
