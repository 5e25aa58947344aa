package vae

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/ref"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/noise"
)

// block is the golden of a residual block: weights and input are drawn from seeds, torch.randn * factor + add.
type block struct {
	Channels, Side int
	Seed           uint64
	Factor         float64
	Weights        map[string]struct {
		Shape       []int
		Seed        uint64
		Factor, Add float64
	}
	Diffusers, Refiners string
}

func readBlock(t *testing.T) block {
	t.Helper()
	data, err := os.ReadFile("../edition/testdata/editions.json")
	if err != nil {
		t.Fatal(err)
	}
	var g struct{ ResnetEps block }
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g.ResnetEps
}

func drawn(seed uint64, n int, factor, add float64) []float32 {
	out := noise.TorchCPU(seed, n, noise.FP32)
	for i := range out {
		out[i] = float32(out[i]*float32(factor)) + float32(add)
	}
	return out
}

// Weight implements program.WeightSource.
func (b block) Weight(name string) (program.WeightData, error) {
	w, ok := b.Weights[strings.TrimPrefix(name, "block.")]
	if !ok {
		return program.WeightData{}, fmt.Errorf("no %s", name)
	}
	d := program.WeightData{Type: program.WF32, Shape: w.Shape}
	for _, v := range drawn(w.Seed, program.Elems(w.Shape), w.Factor, w.Add) {
		d.Data = binary.LittleEndian.AppendUint32(d.Data, math.Float32bits(v))
	}
	return d, nil
}

// Guard implements program.WeightSource.
func (block) Guard(f func() error) error { return f() }

// TestResnetEps: a residual block gives what the block of each edition's reference gives where epsilon counts, and not what the other's does.
func TestResnetEps(t *testing.T) {
	g := readBlock(t)
	n := g.Side * g.Side
	x := program.Tensor{Shape: []int{1, g.Side, g.Side, g.Channels}, F: make([]float32, n*g.Channels)}
	for i, v := range drawn(g.Seed, len(x.F), g.Factor, 0) { // drawn channels first
		x.F[i%n*g.Channels+i/n] = v
	}
	want := map[string][]string{"diffusers": strings.Fields(g.Diffusers), "refiners": strings.Fields(g.Refiners)}
	for _, e := range edition.All() {
		b := program.NewBuilder("block", program.F32)
		blocks := &builder{b, &config.VAE{NormGroups: 32, Act: program.SiLU}, e.ResnetEps}
		b.Output("y", blocks.resnet("block", g.Channels, b.Input("x", program.Float32, x.Shape...)))
		exec, err := ref.New().Compile(b.Program(), program.Options{Weights: g})
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Run(t.Context(), map[string]program.Tensor{"x": x}, program.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for name, list := range want {
			worst := 0.0
			for i, s := range list {
				v, err := strconv.ParseFloat(s, 64)
				if err != nil {
					t.Fatal(err)
				}
				worst = max(worst, math.Abs(v-float64(out["y"].F[i])))
			}
			if same := worst < 1e-5; same != (name == e.Name) || len(list) != len(x.F) {
				t.Errorf("edition %s is %.1e from the block of %s", e.Name, worst, name)
			}
		}
		if err := exec.Close(); err != nil {
			t.Error(err)
		}
	}
}
