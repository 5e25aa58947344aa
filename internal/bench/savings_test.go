package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
)

// sampled is what a sampling run took.
type sampled struct {
	step  float64            // median of the steps after the first
	once  float64            // before the loop
	parts map[string]float64 // instructions before the loop, by savedPart
}

// savedPart names the saving that an instruction before the loop is of.
func savedPart(scope string) string {
	switch {
	case strings.Contains(scope, "attn2"):
		return "keys"
	case strings.Contains(scope, "time_emb"):
		return "time"
	}
	return "other"
}

// sample runs a made-up UNet at 512x512.
func sample(tb testing.TB, guidance float32, steps int, change func(d *sdxl.Denoise)) sampled {
	tb.Helper()
	m, err := MadeUp()
	if err != nil {
		tb.Fatal(err)
	}
	d := sdxl.Denoise{UNet: m.UNet, Precision: program.BF16, Batch: 1, Height: 64, Width: 64, Tokens: 77, Pooled: m.Text[1].Projection, Steps: steps, Guidance: guidance}
	if change != nil {
		change(&d)
	}
	p := program.Optimize(d.Program())
	x, err := cpu.New().Compile(p, program.Options{Weights: NewSynthetic(p)})
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	out := sampled{parts: make(map[string]float64)}
	begun, last := time.Now(), time.Now()
	var took []float64
	_, err = x.Run(tb.Context(), Inputs(p), program.RunOptions{
		OnInstr: func(i int, _ func(program.ID) program.Tensor) {
			if in := &p.Instrs[i]; in.Stage == program.Once {
				out.parts[savedPart(in.Scope)] += time.Since(last).Seconds()
				out.once = time.Since(begun).Seconds()
				last = time.Now()
			}
		},
		OnStep: func(int, func() map[string]program.Tensor) error {
			took = append(took, time.Since(last).Seconds())
			last = time.Now()
			return nil
		}})
	if err != nil {
		tb.Fatal(err)
	}
	took = took[1:]
	slices.Sort(took)
	out.step = took[len(took)/2]
	return out
}

// BenchmarkSavings measures what the exact savings save, on a UNet of SDXL's size at 512x512 in bf16: a minute with AVX512_BF16, four with AVX2, for
//
//	go test ./internal/bench -run XXX -bench Savings -benchtime 1x
func BenchmarkSavings(b *testing.B) {
	const steps, rank = 2, 32
	for b.Loop() {
		guided := sample(b, 5, steps, nil)
		alone := sample(b, 1, steps, nil)
		thirty := sample(b, 5, 30, func(d *sdxl.Denoise) { d.Height, d.Width = 8, 8 })
		adapted := sample(b, 5, steps, func(d *sdxl.Denoise) { d.Patches = everywhere(d, rank, 1) })
		b.ReportMetric(guided.step, "s/step")
		b.ReportMetric(alone.step, "s/step-alone")
		b.ReportMetric(1e3*guided.parts["keys"], "ms-keys")
		b.ReportMetric(1e3*guided.parts["time"], "ms-time-2-steps")
		b.ReportMetric(1e3*thirty.parts["time"], "ms-time-30-steps")
		b.ReportMetric(adapted.step, "s/step-lora")
	}
}
