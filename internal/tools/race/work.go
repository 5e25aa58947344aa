package main

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// work is what is run.
type work struct {
	part, precision string
	batch, size     int
}

// mostSteps is how often a loop can be asked for.
const mostSteps = 999

// program builds the work and names the components that it reads.
func (w work) program(m *sdxl.Model) (*program.Program, []string, error) {
	prec, ok := map[string]program.Precision{"bf16": program.BF16, "fp32": program.F32}[w.precision]
	if !ok {
		return nil, nil, fmt.Errorf("precision %q is not bf16 or fp32", w.precision)
	}
	side, tokens, pooled := w.size/m.VAE.Scale(), m.Text[0].MaxPositions, m.Text[1].Projection
	switch w.part {
	case "unet":
		return program.Optimize(sdxl.EvaluateProgram(m.UNet, prec, w.batch, side, side, tokens, pooled, nil)), []string{sdxl.UNet}, nil
	case "step":
		d := sdxl.Denoise{UNet: m.UNet, Precision: prec, Batch: w.batch, Height: side, Width: side, Tokens: tokens, Pooled: pooled, Steps: mostSteps, Guidance: 1}
		return program.Optimize(d.Program()), []string{sdxl.UNet}, nil
	case "vae":
		return program.Optimize(sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, w.batch, side, side)), []string{sdxl.VAE}, nil
	case "text":
		e := sdxl.EncodePrompt{Text: m.Text, Precision: prec, Batch: w.batch, Tokens: tokens}
		return program.Optimize(e.Program()), []string{sdxl.TextEncoder, sdxl.TextEncoder2}, nil
	}
	return nil, nil, fmt.Errorf("part %q is not one of unet, step, vae and text", w.part)
}

// inputs are small numbers of both signs, and small whole numbers.
func inputs(p *program.Program) map[string]program.Tensor {
	in := make(map[string]program.Tensor, len(p.Inputs))
	for _, port := range p.Inputs {
		v := p.Value(port.Value)
		t := program.Tensor{Shape: v.Shape}
		switch {
		case v.DType == program.Int32:
			t.I = make([]int32, v.Elems())
			for i := range t.I {
				t.I[i] = int32(i % 77)
			}
		case port.Name == sdxl.InCoefficients: // a solver divides by some
			t.F = make([]float32, v.Elems())
			for i := range t.F {
				t.F[i] = float32(i%3+1) / 4
			}
		default:
			t.F = make([]float32, v.Elems())
			for i := range t.F {
				t.F[i] = float32(i%17-8) / 8
			}
		}
		in[port.Name] = t
	}
	return in
}
