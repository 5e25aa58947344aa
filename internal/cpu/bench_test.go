package cpu

import (
	"context"
	"fmt"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
)

// BenchmarkStep times one guided step of the small model at its own size, on every tier.
func BenchmarkStep(b *testing.B) {
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		for _, tier := range kernel.Tiers() {
			b.Run(fmt.Sprintf("%s/%s", prec, tier.Name), func(b *testing.B) {
				m := openCastle(b)
				d := sdxl.Denoise{UNet: m.UNet, Precision: prec, Batch: 1, Height: 16, Width: 16, Tokens: 77, Pooled: m.Text[1].Projection, Steps: b.N, Guidance: 5}
				p := program.Optimize(d.Program())
				src, err := m.Weights(sdxl.UNet)
				if err != nil {
					b.Fatal(err)
				}
				x, err := WithTier(tier).Compile(p, program.Options{Weights: src, Threads: 1})
				if err != nil {
					b.Fatal(err)
				}
				defer func() { _ = x.Close() }()
				b.ReportAllocs()
				b.ResetTimer()
				if _, err := x.Run(context.Background(), randomInputs(p), program.RunOptions{}); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
