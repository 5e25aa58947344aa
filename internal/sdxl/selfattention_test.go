package sdxl

import (
	"math"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// denoiseOf is a sampling run of the small model at 128x128.
func denoiseOf(t *testing.T, guidance float32, self SelfAttention) *program.Program {
	t.Helper()
	m, err := Open("../../examples/castle/model", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	d := Denoise{UNet: m.UNet, Prediction: m.Scheduler.Prediction, Batch: 1, Height: 16, Width: 16, Tokens: 77, Pooled: 96, Steps: 10, Guidance: guidance, SelfAttention: self}
	return program.Optimize(d.Program())
}

// TestSelfAttentionCost: scale 0 costs nothing; otherwise a third evaluation is all there is, but for the columns of one layer.
func TestSelfAttentionCost(t *testing.T) {
	plain, none := denoiseOf(t, 5, SelfAttention{}), denoiseOf(t, 5, SelfAttention{BlurSigma: 2})
	if len(plain.Instrs) != len(none.Instrs) || program.MACs(plain) != program.MACs(none) {
		t.Errorf("scale 0 makes %d instructions of %d", len(none.Instrs), len(plain.Instrs))
	}
	for _, guidance := range []float32{1, 5} {
		base, one := program.MACs(denoiseOf(t, guidance, SelfAttention{})), program.MACs(denoiseOf(t, 1, SelfAttention{}))
		with := program.MACs(denoiseOf(t, guidance, SelfAttention{Scale: 0.75, BlurSigma: 1}))
		if extra := float64(with-base) / float64(one); extra < 0.99 || extra > 1.01 {
			t.Errorf("guidance %v: self-attention guidance costs %.3f evaluations", guidance, extra)
		}
	}
}

// TestGaussian holds the taps to the values that Refiners' kernel has at sigma 1.
func TestGaussian(t *testing.T) {
	want := []float32{.00013383062461474175, .0044318616200312655, .0539911274207044, .24197144565660073, .3989434693560978}
	for i, tap := range gaussian(1) {
		if d := math.Abs(float64(tap - want[min(i, 8-i)])); d > 1e-8 {
			t.Errorf("tap %d is %v", i, tap)
		}
	}
	for _, sigma := range []float64{0.01, 0.3, 4, 100} {
		var sum float64
		for _, tap := range gaussian(sigma) {
			sum += float64(tap)
		}
		if math.Abs(sum-1) > 1e-6 {
			t.Errorf("sigma %v: taps add up to %v", sigma, sum)
		}
	}
}
