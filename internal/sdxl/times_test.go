package sdxl

import (
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// TestTimesBeforeTheLoop: what the UNet makes of the timestep is computed once for all steps, also by the evaluation of self-attention guidance.
func TestTimesBeforeTheLoop(t *testing.T) {
	m, err := Open("../../examples/castle/model", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = m.Close() }()
	for _, guidance := range []float32{1, 5} {
		d := Denoise{UNet: m.UNet, Prediction: m.Scheduler.Prediction, Batch: 1, Height: 8, Width: 8, Tokens: 77, Pooled: m.Text[1].Projection,
			Steps: 4, Guidance: guidance, SelfAttention: SelfAttention{Scale: 0.75, BlurSigma: 1}}
		p := program.Optimize(d.Program())
		seen := 0
		for i := range p.Instrs {
			in := &p.Instrs[i]
			for _, id := range in.In {
				name := p.Value(id).Name
				if p.Value(id).Origin != program.FromWeight || !strings.Contains(name, "time_emb") && !strings.Contains(name, "add_embedding") {
					continue
				}
				seen++
				if in.Stage != program.Once {
					t.Errorf("guidance %g: %s is read in each step", guidance, name)
				}
			}
		}
		if seen < 40 {
			t.Errorf("guidance %g: %d operands are weights of embeddings", guidance, seen)
		}
	}
}
