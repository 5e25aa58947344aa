package noise

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/curand"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// Philox gives n normal numbers that depend on the seed, the sample's number in a batch and the element alone.
// Elements 4i to 4i+3 come from the counter (i, i>>32, sample, 0): words 0 and 1 give a radius and an angle of
// Box and Muller for the first two, words 2 and 3 for the others. Computed in float64, rounded once.
func Philox(seed uint64, sample, n int) []float32 {
	out := make([]float32, n)
	key := [2]uint32{uint32(seed), uint32(seed >> 32)}
	for i := 0; i < n; i += 4 {
		b := uint64(i / 4)
		words := curand.Philox([4]uint32{uint32(b), uint32(b >> 32), uint32(sample), 0}, key)
		for k := range 2 {
			u1 := (float64(words[2*k]) + 1) * 0x1p-32 // (0,1]
			u2 := float64(words[2*k+1]) * 0x1p-32     // [0,1)
			r := math.Sqrt(-2 * numeric.Log64(u1))
			sin, cos := numeric.SinCos64(2 * math.Pi * u2)
			for j, v := range [2]float64{float64(r * cos), float64(r * sin)} {
				if at := i + 2*k + j; at < n {
					out[at] = float32(v)
				}
			}
		}
	}
	return out
}
