package kinds

import (
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// TestPlannedTypes: plans know of which type each weight will be, LoRAs beside it or merged into it, and a GPU's plan is what the run will take.
func TestPlannedTypes(t *testing.T) {
	base := open(t, LoadModel(), map[string]any{"weights": nodes.File{Path: castleModel}}, nil)
	defer func() { _ = base.Close() }()
	planner := cuda.Planner(driver.Info{TotalBytes: 1 << 40})
	peaks := make(map[string]int64)
	for what, m := range map[string]*model{"plain": base, "beside": addedLoRA(t, base, "sci-fi", 1), "merged": loraOn(t, base, "sci-fi", 1, true)} {
		p := program.Optimize(sdxl.EvaluateProgram(m.base.UNet, program.F32, 1, 4, 4, 77, 96, m.additions(sdxl.UNet)))
		src, err := m.weights(sdxl.UNet)
		if err != nil {
			t.Fatal(err)
		}
		types := m.types(p)
		for _, w := range p.Weights() {
			data, err := src.Weight(w.Name)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := types.TypeOf(w.Name); !ok || got != data.Type {
				t.Errorf("%s: %s is planned as %v, %v, and is %v", what, w.Name, got, ok, data.Type)
			}
		}
		x, err := planner.Compile(p, program.Options{Weights: src})
		if err != nil {
			t.Fatal(err)
		}
		if peaks[what] = m.cost(&nodes.Env{Executor: planner}, p).peak; peaks[what] != x.PeakBytes() {
			t.Errorf("%s: planned %d, compiled %d", what, peaks[what], x.PeakBytes())
		}
	}
	if peaks["merged"] <= peaks["plain"] {
		t.Errorf("merged weights are fp32, and take %d bytes where the model takes %d", peaks["merged"], peaks["plain"])
	}
}
