package lora

import (
	"runtime"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// TestGarbage: what merging leaves behind is collected when it is much, and small models are left alone.
func TestGarbage(t *testing.T) {
	forced := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	s := NewSource(weights.NewBundle())
	before := forced()
	const half = mostGarbage / (8 * 4) / 2
	s.collect(half)
	if n := forced() - before; n != 0 {
		t.Errorf("collected %d times below the bound", n)
	}
	s.collect(half)
	s.collect(half)
	if n := forced() - before; n != 1 {
		t.Errorf("collected %d times, want once", n)
	}
}

// BenchmarkMerge merges a LoRA of rank 32 into a weight of 10240x1280 in fp16.
func BenchmarkMerge(b *testing.B) {
	const out, in, rank = 10240, 1280, 32
	base, sum := make([]float64, out*in), make([]float64, out*in)
	up, down := dense{out, rank, make([]float64, out*rank)}, dense{rank, in, make([]float64, rank*in)}
	w := program.WeightData{Type: program.WF16, Shape: []int{out, in}, Data: make([]byte, 2*out*in)}
	for b.Loop() {
		widen(base, w)
		delta := up.times(down)
		for i, d := range delta.data {
			sum[i] = base[i] + d
		}
	}
}
