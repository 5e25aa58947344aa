package sdxl

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// refinersTensor reads a tensor of a golden: latents [1,C,H,W] become [1,H,W,C].
func refinersTensor(t *testing.T, f *weights.File, name string) program.Tensor {
	t.Helper()
	raw, ok := f.Tensor(name)
	if !ok || raw.DType != "F32" {
		t.Fatalf("no fp32 tensor %q", name)
	}
	v := make([]float32, len(raw.Data)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw.Data[4*i:]))
	}
	if len(raw.Shape) != 4 {
		return program.Tensor{Shape: raw.Shape, F: v}
	}
	c, n := raw.Shape[1], raw.Shape[2]*raw.Shape[3]
	out := program.Tensor{Shape: []int{1, raw.Shape[2], raw.Shape[3], c}, F: make([]float32, len(v))}
	for i := range out.F {
		out.F[i] = v[i%c*n+i/c]
	}
	return out
}

// TestDegradeRefiners degrades the latents of each step of Refiners' whole pipeline at SDXL's size as its SAGAdapter did, from its own attention
// and its own unconditional prediction; internal/tools/goldens/refiners_pipeline.py made the golden.
func TestDegradeRefiners(t *testing.T) {
	f, err := weights.OpenFile("testdata/refiners/sag.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const steps = 3
	base := &config.Scheduler{TrainSteps: 1000, BetaStart: 0.00085, BetaEnd: 0.012, BetaSchedule: "scaled_linear", Spacing: "leading", StepsOffset: 1}
	table, err := solver.DDIM(base, steps, edition.Refiners)
	if err != nil {
		t.Fatal(err)
	}
	coefficients := SolverInputs(table)[InCoefficients]
	for step := range steps {
		in := map[string]program.Tensor{
			"x": refinersTensor(t, f, fmt.Sprintf("latents.%d", step)), "e": refinersTensor(t, f, fmt.Sprintf("unconditional.%d", step)),
			"columns": refinersTensor(t, f, fmt.Sprintf("columns.%d", step)), "row": {Shape: []int{1, 4}, F: coefficients.F[4*step : 4*step+4]},
		}
		want := refinersTensor(t, f, fmt.Sprintf("degraded.%d", step))
		b := program.NewBuilder("degrade", program.F32)
		ids := make(map[string]program.ID)
		for _, name := range []string{"x", "e", "columns", "row"} {
			ids[name] = b.Input(name, program.Float32, in[name].Shape...)
		}
		b.Output("out", b.Degrade(ids["x"], ids["e"], ids["columns"], ids["row"], program.Degrade{MapH: 8, MapW: 8, Taps: gaussian(1)}))
		exec, err := cpu.New().Compile(b.Program(), program.Options{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Run(t.Context(), in, program.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if err := exec.Close(); err != nil {
			t.Fatal(err)
		}
		var worst, largest, blurred float64
		x := in["x"].F
		for i, v := range out["out"].F {
			worst = max(worst, math.Abs(float64(v-want.F[i])))
			largest = max(largest, math.Abs(float64(want.F[i])))
			blurred = max(blurred, math.Abs(float64(v-x[i])))
		}
		t.Logf("step %d: %.2g of the largest magnitude; the blur changes %.2g", step, worst/largest, blurred/largest)
		if !(worst <= 1e-5*largest) {
			t.Errorf("step %d: off by %.2g of the largest magnitude", step, worst/largest)
		}
		if blurred < 1e-3*largest {
			t.Errorf("step %d: nothing was blurred", step)
		}
	}
}
