package main

import (
	"fmt"
	"math"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/ipadapter"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// What refiners_pipeline.py samples with.
const (
	steps      = 3
	guidance   = 5
	sagScale   = 0.75
	imageScale = 1
)

func (c *comparison) sag() error { return c.sample("sag", nil, nil) }

// sagWithImage samples with the image prompt besides.
func (c *comparison) sagWithImage() error {
	g, err := c.golden("image")
	if err != nil {
		return err
	}
	defer g.close()
	states, err := c.encodeImage(g)
	if err != nil {
		return err
	}
	a, err := c.adapter()
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	return c.sample("sag-ip", a, &states)
}

// sample compares latents after each step, and the attention that each key of the middle block receives.
func (c *comparison) sample(part string, a *sdxl.ImageAdapter, states *program.Tensor) error {
	g, err := c.golden(part)
	if err != nil {
		return err
	}
	defer g.close()
	latents, err := g.tensor("latents.0")
	if err != nil {
		return err
	}
	text, err := c.encodePrompts()
	if err != nil {
		return err
	}
	table, err := solver.DDIM(c.model.Scheduler, steps, edition.Refiners)
	if err != nil {
		return err
	}
	in := sdxl.SolverInputs(table)
	in[sdxl.InLatents], in[sdxl.InContext], in[sdxl.InPooled] = latents, text[sdxl.OutContext], text[sdxl.OutPooled]
	in[sdxl.InTimeIDs] = program.Tensor{Shape: []int{2, 6}, F: []float32{1024, 1024, 0, 0, 1024, 1024, 1024, 1024, 0, 0, 1024, 1024}}
	d := sdxl.Denoise{UNet: c.model.UNet, Prediction: c.model.Scheduler.Prediction, Precision: program.F32, Batch: 1, Height: latents.Shape[1], Width: latents.Shape[2],
		Tokens: in[sdxl.InContext].Shape[1], Pooled: in[sdxl.InPooled].Shape[1], Steps: steps, Guidance: guidance,
		SelfAttention: sdxl.SelfAttention{Scale: sagScale, BlurSigma: 1}}
	src, err := c.model.Weights(sdxl.UNet)
	if err != nil {
		return err
	}
	if a != nil {
		src.Join("ip_adapter", a.Component)
		d.Images = []sdxl.ImagePrompt{{Adapter: a.Config, Component: "ip_adapter", Weights: []float32{1}, Scale: ipadapter.Scale{Down: imageScale, Mid: imageScale, Up: imageScale}, State: states.Shape[1:]}}
		in[sdxl.InStates(0)] = *states
	}
	return c.steps(part, g, d.Program(), src, in)
}

// steps runs the sampling loop.
func (c *comparison) steps(part string, g *golden, p *program.Program, src *weights.Bundle, in map[string]program.Tensor) error {
	step := 0
	var failed error
	_, err := c.execute(p, src, in, program.RunOptions{
		OnInstr: func(i int, value func(program.ID) program.Tensor) {
			if _, ok := p.Instrs[i].Op.(*program.AttentionColumns); ok && failed == nil {
				failed = c.columns(part, g, step, value(p.Instrs[i].Out[0]))
			}
		},
		OnStep: func(done int, state func() map[string]program.Tensor) error {
			step = done
			return c.compare(part, g, fmt.Sprintf("latents.%d", done), state()["latents"].F, samplingBound)
		},
	})
	if err == nil {
		err = failed
	}
	return err
}

// columns compares the columns' sums, and the mask: cells may differ only where the sum is within 1e-5 of its threshold, 1.
func (c *comparison) columns(part string, g *golden, step int, got program.Tensor) error {
	name := fmt.Sprintf("columns.%d", step)
	if err := c.compare(part, g, name, got.F, evaluationBound); err != nil {
		return err
	}
	want, err := g.tensor(name)
	if err != nil {
		return err
	}
	set, other, wrong := 0, 0, 0
	for i, sum := range want.F {
		if sum > 1 {
			set++
		}
		if (sum > 1) != (got.F[i] > 1) {
			other++
			if math.Abs(float64(sum)-1) >= 1e-5 {
				wrong++
			}
		}
	}
	c.row(part, fmt.Sprintf("mask.%d: %d of %d cells set, %d differ; of these far from the threshold", step, set, len(want.F), other), float64(wrong), 0)
	return nil
}

// decode compares the pictures of both runs' last latents, before rounding.
func (c *comparison) decode() error {
	g, err := c.golden("decode")
	if err != nil {
		return err
	}
	defer g.close()
	src, err := c.model.Weights(sdxl.VAE)
	if err != nil {
		return err
	}
	for _, name := range []string{"sag", "sag-ip"} {
		run, err := c.golden(name)
		if err != nil {
			return err
		}
		latents, err := run.tensor(fmt.Sprintf("latents.%d", steps))
		run.close()
		if err != nil {
			return err
		}
		p := sdxl.DecodeProgram(c.model.VAE, edition.Refiners.ResnetEps, 1, latents.Shape[1], latents.Shape[2])
		out, err := c.execute(p, src, map[string]program.Tensor{sdxl.InLatents: latents}, program.RunOptions{})
		if err != nil {
			return err
		}
		if err := c.compare("decode", g, name, out[sdxl.OutPicture].F, evaluationBound); err != nil {
			return err
		}
	}
	return nil
}
