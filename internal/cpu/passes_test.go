package cpu

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

func openCastle(t testing.TB) *sdxl.Model {
	t.Helper()
	m, err := sdxl.Open("../../examples/castle/model", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// castleDenoise is a short sampling run of the small model with made-up inputs.
func castleDenoise(t *testing.T, prec program.Precision, steps int) (*program.Program, map[string]program.Tensor, program.WeightSource) {
	t.Helper()
	m := openCastle(t)
	d := sdxl.Denoise{UNet: m.UNet, Precision: prec, Batch: 1, Height: 9, Width: 7, Tokens: 77, Pooled: m.Text[1].Projection, Steps: steps, Guidance: 5}
	p := d.Program()
	src, err := m.Weights(sdxl.UNet)
	if err != nil {
		t.Fatal(err)
	}
	return p, randomInputs(p), src
}

func randomInputs(p *program.Program) map[string]program.Tensor {
	r := rand.New(rand.NewPCG(3, 4))
	in := make(map[string]program.Tensor)
	for _, port := range p.Inputs {
		v := p.Value(port.Value)
		x := program.Tensor{Shape: v.Shape, F: make([]float32, v.Elems())}
		for i := range x.F {
			x.F[i] = float32(r.NormFloat64())
			if port.Name == sdxl.InCoefficients {
				x.F[i] = 0.3 + r.Float32()/2
			}
		}
		in[port.Name] = x
	}
	return in
}

func runProgram(t *testing.T, p *program.Program, in map[string]program.Tensor, src program.WeightSource) map[string]program.Tensor {
	t.Helper()
	x, err := New().Compile(p, program.Options{Weights: src})
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

func TestPassesKeepEveryBit(t *testing.T) {
	passes := map[string]func(*program.Program) *program.Program{"prune": program.Prune, "hoist": program.Hoist, "fuse": program.Fuse, "all": program.Optimize}
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		p, in, src := castleDenoise(t, prec, 2)
		want := runProgram(t, p, in, src)
		for name, pass := range passes {
			got := runProgram(t, pass(p), in, src)
			for port, w := range want {
				for i, v := range w.F {
					if math.Float32bits(v) != math.Float32bits(got[port].F[i]) {
						t.Fatalf("%s, %s: %s[%d] is %v, was %v", prec, name, port, i, got[port].F[i], v)
					}
				}
			}
		}
	}
}

func TestHoistTakesThePromptOutOfTheLoop(t *testing.T) {
	p, _, _ := castleDenoise(t, program.F32, 2)
	count := func(p *program.Program) (each int) {
		for i := range p.Instrs {
			if p.Instrs[i].Stage == program.Each {
				each++
			}
		}
		return each
	}
	attentions := 0
	for i := range p.Instrs {
		if _, ok := p.Instrs[i].Op.(*program.Attention); ok {
			attentions++
		}
	}
	// A cross-attention's two projections leave the loop; half of the attentions are cross-attentions.
	if moved := count(p) - count(program.Hoist(p)); moved < attentions {
		t.Errorf("%d instructions moved out of the loop, want at least %d", moved, attentions)
	}
}
