package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

// BenchmarkProducts is the rate of the inner loops on operands that lie in the first caches.
func BenchmarkProducts(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	f := func() float32 { return float32(r.NormFloat64()) }
	for _, tier := range Tiers() {
		for _, round := range []bool{false, true} {
			const channels = 640
			dot, g := tier.F32, f
			n := channels
			if round {
				dot, g, n = tier.BF16, words(f), channels/2
			}
			b.Run(fmt.Sprintf("%s/bf16=%v", tier.Name, round), func(b *testing.B) {
				c := newDotCase(1, n, MR, g, g, f)
				for b.Loop() {
					dot(&c.acc, c.x, c.w, n, MR, NR)
				}
				b.ReportMetric(2*channels*MR*NR*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

// BenchmarkPack is the rate of packing, in weights, of a matrix and of a 3x3 convolution.
func BenchmarkPack(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	for _, tier := range Tiers() {
		for _, taps := range []int{1, 9} {
			for _, round := range []bool{false, true} {
				b.Run(fmt.Sprintf("%s/taps=%d/bf16=%v", tier.Name, taps, round), func(b *testing.B) {
					const c = 320
					w := randomWeight(r, F16, NR, c, taps)
					dst, scratch := make(Panel, PanelLen(c, taps, round)), make([]float32, PackScratch(taps))
					for b.Loop() {
						tier.Pack(dst, scratch, w, 0, c, 0, NR, round)
					}
					b.ReportMetric(float64(c*taps*NR)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gweights/s")
				})
			}
		}
	}
}
