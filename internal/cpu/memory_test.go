package cpu

import (
	"context"
	"runtime"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// TestPeakBytesIsWhatARunTakes compares what is planned with what compiling and running allocate in all, beside outputs.
func TestPeakBytesIsWhatARunTakes(t *testing.T) {
	m := openCastle(t)
	src, err := m.Weights(sdxl.UNet, sdxl.VAE)
	if err != nil {
		t.Fatal(err)
	}
	step, in, _ := castleDenoise(t, program.BF16, 2)
	decode := sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, 16, 16)
	for name, c := range map[string]struct {
		p  *program.Program
		in map[string]program.Tensor
	}{"denoise": {step, in}, "decode": {decode, randomInputs(decode)}} {
		p := program.Optimize(c.p)
		for _, threads := range []int{1, 4} {
			estimated := New().Estimate(p, threads)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			x, err := New().Compile(p, program.Options{Weights: src, Threads: threads})
			if err != nil {
				t.Fatal(err)
			}
			out, err := x.Run(context.Background(), c.in, program.RunOptions{})
			if err != nil {
				t.Fatal(err)
			}
			runtime.ReadMemStats(&after)
			taken := int64(after.TotalAlloc - before.TotalAlloc)
			for _, v := range out {
				taken -= 4 * int64(len(v.F))
			}
			if peak := x.PeakBytes(); estimated < peak || float64(estimated) > 1.1*float64(peak) || float64(taken) > 1.1*float64(peak) || float64(taken) < 0.9*float64(peak) {
				t.Errorf("%s, %d threads: %d bytes estimated, %d planned, %d allocated", name, threads, estimated, peak, taken)
			}
			if err := x.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
