package lora

import (
	"runtime"
	"testing"

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
