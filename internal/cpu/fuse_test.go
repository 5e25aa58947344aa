package cpu

import (
	"context"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// TestFusedBits compares the castle's programs before and after fusing, on every tier and several numbers of threads.
func TestFusedBits(t *testing.T) {
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		p, in, src := castleDenoise(t, prec, 2)
		compareFused(t, "denoise/"+prec.String(), p, in, src)
	}
	m := openCastle(t)
	src, err := m.Weights(sdxl.VAE)
	if err != nil {
		t.Fatal(err)
	}
	decode := sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, 3, 5)
	compareFused(t, "decode", decode, randomInputs(decode), src)
	encode := sdxl.EncodeProgram(m.VAE, edition.Diffusers.ResnetEps, 2, 24, 40)
	compareFused(t, "encode", encode, randomInputs(encode), src)
}

func compareFused(t *testing.T, name string, p *program.Program, in map[string]program.Tensor, src program.WeightSource) {
	fused := program.Fuse(p)
	for _, tier := range kernel.Tiers() {
		want := runOn(t, tier, 2, p, in, src)
		for _, threads := range []int{1, 2, 3, 7} {
			if tier.Name == kernel.Plain.Name && threads > 1 {
				continue // the slow tier: once is enough
			}
			got := runOn(t, tier, threads, fused, in, src)
			for port, w := range want {
				for i, v := range w.F {
					if math.Float32bits(v) != math.Float32bits(got[port].F[i]) {
						t.Fatalf("%s, %s, %d threads: %s[%d] is %v, was %v", name, tier.Name, threads, port, i, got[port].F[i], v)
					}
				}
			}
		}
	}
}

func runOn(t testing.TB, tier kernel.Tier, threads int, p *program.Program, in map[string]program.Tensor, src program.WeightSource) map[string]program.Tensor {
	t.Helper()
	x, err := WithTier(tier).Compile(p, program.Options{Weights: src, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	out, err := x.Run(context.Background(), in, program.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// randomSource makes weights of any name and shape.
type randomSource struct{ shapes map[string][]int }

func newRandomSource(p *program.Program) randomSource {
	s := randomSource{make(map[string][]int)}
	for _, w := range p.Weights() {
		s.shapes[w.Name] = w.Shape
	}
	return s
}

// Weight implements program.WeightSource.
func (s randomSource) Weight(name string) (program.WeightData, error) {
	r := rand.New(rand.NewPCG(5, uint64(len(name))))
	w := program.WeightData{Type: program.WF32, Shape: s.shapes[name]}
	scale := 1 / math.Sqrt(float64(program.Elems(w.Shape[1:])))
	for range program.Elems(w.Shape) {
		w.Data = binary.LittleEndian.AppendUint32(w.Data, math.Float32bits(float32(r.NormFloat64()*scale)))
	}
	return w, nil
}

// Guard implements program.WeightSource.
func (randomSource) Guard(f func() error) error { return f() }

// BenchmarkFuse times the castle's guided steps and an evaluation of a wider UNet, before and after fusing.
func BenchmarkFuse(b *testing.B) {
	wide := &config.UNet{InChannels: 4, OutChannels: 4, BlockChannels: []int{160, 320}, Attention: []bool{false, true}, UpAttention: []bool{true, false},
		LayersPerBlock: []int{1, 1}, TransformerLayers: []int{0, 2}, Heads: []int{5, 5}, CrossAttentionDim: 256, NormGroups: 32, NormEps: 1e-5,
		Act: program.SiLU, LinearProjection: true, FlipSinToCos: true, DownsamplePadding: 1}
	m := openCastle(b)
	castle, err := m.Weights(sdxl.UNet)
	if err != nil {
		b.Fatal(err)
	}
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		d := sdxl.Denoise{UNet: m.UNet, Precision: prec, Batch: 1, Height: 16, Width: 16, Tokens: 77, Pooled: m.Text[1].Projection, Steps: 10, Guidance: 5}
		benchmarkFuse(b, "castle/"+prec.String(), d.Program(), castle)
		p := sdxl.EvaluateProgram(wide, prec, 2, 32, 32, 77, 0, nil)
		benchmarkFuse(b, "wide/"+prec.String(), p, newRandomSource(p))
	}
	decode := sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, 32, 32)
	src, err := m.Weights(sdxl.VAE)
	if err != nil {
		b.Fatal(err)
	}
	benchmarkFuse(b, "decode/fp32", decode, src)
}

// benchmarkFuse runs both in turn, since other load changes with time, and reports the quickest run of each.
func benchmarkFuse(b *testing.B, name string, p *program.Program, src program.WeightSource) {
	before := program.Hoist(program.Prune(p))
	in := randomInputs(p)
	b.Run(name, func(b *testing.B) {
		var best [2]time.Duration
		var execs [2]program.Exec
		for i, p := range []*program.Program{before, program.Fuse(before)} {
			x, err := New().Compile(p, program.Options{Weights: src, Threads: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = x.Close() }()
			execs[i], best[i] = x, time.Hour
			b.ReportMetric(float64(x.PeakBytes())/1e6, []string{"MB-apart", "MB-fused"}[i])
		}
		for range b.N {
			for i, x := range execs {
				start := time.Now()
				if _, err := x.Run(context.Background(), in, program.RunOptions{}); err != nil {
					b.Fatal(err)
				}
				best[i] = min(best[i], time.Since(start))
			}
		}
		b.ReportMetric(best[0].Seconds()*1e3, "ms-apart")
		b.ReportMetric(best[1].Seconds()*1e3, "ms-fused")
	})
}
