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

// BenchmarkFuseAttention times attention of SDXL's size in bf16 with what is made of the same queries, apart and in one: an image prompt of 16
// tokens beside a prompt of 77, and the columns of the middle block's first entry.
func BenchmarkFuseAttention(b *testing.B) {
	for _, c := range []struct {
		name               string
		tokens, keys, wide int
		heads              int
	}{{"image prompt, 4096 tokens", 4096, 77, 640, 10}, {"image prompt, 1024 tokens", 1024, 77, 1280, 20}} {
		p := program.NewBuilder("prompts", program.BF16)
		q, k, v := p.Input("q", program.Float32, 2, c.tokens, c.wide), p.Input("k", program.Float32, 2, c.keys, c.wide), p.Input("v", program.Float32, 2, c.keys, c.wide)
		ik, iv := p.Input("ik", program.Float32, 2, 16, c.wide), p.Input("iv", program.Float32, 2, 16, c.wide)
		p.Output("y", p.Add(p.Attention(q, k, v, c.heads, 0.125, false), p.Affine(p.Attention(q, ik, iv, c.heads, 0.125, false), 0.6, 0)))
		benchmarkFuse(b, c.name, p.Program(), nil)
	}
	p := program.NewBuilder("columns", program.BF16)
	q, k, v := p.Input("q", program.Float32, 2, 1024, 1280), p.Input("k", program.Float32, 2, 1024, 1280), p.Input("v", program.Float32, 2, 1024, 1280)
	p.Output("y", p.Attention(q, k, v, 20, 0.125, false))
	p.Output("columns", p.AttentionColumns(p.Slice(q, 0, 0, 1), p.Slice(k, 0, 0, 1), 20, 0.125))
	benchmarkFuse(b, "columns, 1024 tokens", p.Program(), nil)
}
