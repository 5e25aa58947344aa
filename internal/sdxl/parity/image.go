package parity

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/ipadapter"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// ImageBound bounds the image encoder and the tokens of adapters.
const ImageBound = 1e-4

// ImageSuite compares the image prompt with its golden.
type ImageSuite struct {
	*Suite
	Golden  string // file in the folder of goldens
	Encoder *sdxl.Encoder
	Plus    *sdxl.ImageAdapter
	Base    *sdxl.ImageAdapter // nil leaves its comparisons out
	Scale   float32            // of the render; the golden's is 1
}

// images is one golden under comparison.
type images struct {
	*ImageSuite
	golden *golden
	rows   []Row
	err    error
}

// Tokens compares the encoder's states and the tokens of both adapters, each from the golden's own input.
func (s *ImageSuite) Tokens(ctx context.Context) ([]Row, error) {
	g, err := openGolden(s.Goldens, s.Golden)
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	x := &images{ImageSuite: s, golden: g}
	pixels := x.read("pixels")
	out := x.run(ctx, sdxl.EncodeImageProgram(s.Encoder.Config, s.Precision, 2), s.Encoder.Weights(), map[string]program.Tensor{sdxl.InPixels: pixels})
	x.compare(fmt.Sprintf("hidden.%d", s.Encoder.Config.Layers-1), out[sdxl.OutHidden].F)
	x.compare("embeds", out[sdxl.OutEmbeds].F)
	zeros := program.Tensor{Shape: append([]int{1}, pixels.Shape[1:]...), F: make([]float32, len(pixels.F)/2)}
	out = x.run(ctx, sdxl.EncodeImageProgram(s.Encoder.Config, s.Precision, 1), s.Encoder.Weights(), map[string]program.Tensor{sdxl.InPixels: zeros})
	x.compare("zero_hidden", out[sdxl.OutHidden].F)
	for i, a := range []*sdxl.ImageAdapter{s.Plus, s.Base} {
		if a == nil {
			continue
		}
		name := [2]string{"plus", "base"}[i]
		states := x.states(a)
		b := program.NewBuilder("tokens", s.Precision)
		b.Output("tokens", a.Config.MakeTokens(b, a.Component.Name+"/", b.Input("states", program.Float32, states.Shape...)))
		got := x.run(ctx, b.Program(), weights.NewBundle(a.Component), map[string]program.Tensor{"states": states})["tokens"]
		one := len(got.F) / 3
		x.compare(name+".tokens", got.F[:2*one])
		x.compare(name+".none", got.F[2*one:])
	}
	return x.rows, x.err
}

// Evaluations compares single evaluations of the UNet: one picture with Plus, two with weights and a scale for each part with Plus,
// two with the base adapter, one with both adapters.
func (s *ImageSuite) Evaluations(ctx context.Context) ([]Row, error) {
	g, err := openGolden(s.Goldens, s.Golden)
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	x := &images{ImageSuite: s, golden: g}
	var weightsOf []float32
	var parts map[string]float32
	if err := json.Unmarshal([]byte(g.file.Metadata()["weights"]), &weightsOf); err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	if err := json.Unmarshal([]byte(g.file.Metadata()["scales"]), &parts); err != nil {
		return nil, fmt.Errorf("scales: %w", err)
	}
	t, err := strconv.ParseFloat(g.file.Metadata()["timestep"], 32)
	if err != nil {
		return nil, fmt.Errorf("timestep: %w", err)
	}
	for _, c := range []struct {
		name    string
		prompts []prompt
	}{
		{"plus.one", []prompt{{s.Plus, []float32{1}, everywhere(1)}}},
		{"plus.two", []prompt{{s.Plus, weightsOf, ipadapter.Scale{Down: parts["down"], Mid: parts["mid"], Up: parts["up"]}}}},
		{"base.two", []prompt{{s.Base, []float32{1, 1}, everywhere(0.8)}}},
		{"both", []prompt{{s.Plus, []float32{1}, everywhere(0.5)}, {s.Base, []float32{1}, everywhere(0.75)}}},
	} {
		if slices.ContainsFunc(c.prompts, func(p prompt) bool { return p.adapter == nil }) {
			continue
		}
		in, d, src, err := x.sampling(c.prompts...)
		if err != nil {
			return nil, err
		}
		in[sdxl.InLatents] = x.read("evaluation.latents")
		in[sdxl.InTimestep] = program.Tensor{Shape: []int{1, 1}, F: []float32{float32(t)}}
		out := x.run(ctx, d.Evaluation(), src, in)
		x.add(c.name, out[sdxl.OutPrediction].F, StepBound)
	}
	return x.rows, x.err
}

// Render compares latents of two sampling runs with one picture and Plus: one of as many steps as the golden says, and a short one with
// self-attention guidance.
func (s *ImageSuite) Render(ctx context.Context) ([]Row, error) {
	g, err := openGolden(s.Goldens, s.Golden)
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	x := &images{ImageSuite: s, golden: g}
	for _, prefix := range []string{"", "sag."} {
		in, d, src, err := x.sampling(prompt{s.Plus, []float32{1}, everywhere(s.Scale)})
		if err != nil {
			return nil, err
		}
		if prefix != "" {
			d.Steps, d.SelfAttention = sagSteps, sdxl.SelfAttention{Scale: 0.75, BlurSigma: 1}
			table, err := solver.DDIM(s.Model.Scheduler, d.Steps, edition.Diffusers)
			if err != nil {
				return nil, err
			}
			maps.Copy(in, sdxl.SolverInputs(table))
		}
		if err := x.render(ctx, d.Program(), src, in, prefix+"latents.%d"); err != nil {
			return nil, err
		}
	}
	return x.rows, x.err
}

// sagSteps is the number of steps of the golden's run with self-attention guidance.
const sagSteps = 6

// render runs a sampling program and compares the latents of the steps that the golden has.
func (x *images) render(ctx context.Context, p *program.Program, src program.WeightSource, in map[string]program.Tensor, format string) error {
	exec, err := x.Executor.Compile(program.Optimize(p), program.Options{Weights: src, Threads: x.Threads})
	if err != nil {
		return err
	}
	defer func() { _ = exec.Close() }()
	_, err = exec.Run(ctx, in, program.RunOptions{OnStep: func(done int, state func() map[string]program.Tensor) error {
		if name := fmt.Sprintf(format, done); x.golden.has(name) {
			x.add(name, state()["latents"].F, DenoiseEnd)
		}
		return nil
	}})
	return err
}

// prompt is an adapter with as many of the golden's pictures as there are weights.
type prompt struct {
	adapter *sdxl.ImageAdapter
	weights []float32
	scale   ipadapter.Scale
}

// everywhere is one scale for the whole UNet.
func everywhere(s float32) ipadapter.Scale { return ipadapter.Scale{Down: s, Mid: s, Up: s} }

// sampling is the golden's run with image prompts.
func (x *images) sampling(prompts ...prompt) (map[string]program.Tensor, *sdxl.Denoise, *weights.Bundle, error) {
	in, d, err := x.Suite.sampling(x.golden)
	if err != nil {
		return nil, nil, nil, err
	}
	c, err := x.Model.Files.Component(sdxl.UNet)
	if err != nil {
		return nil, nil, nil, err
	}
	src := weights.NewBundle(c)
	for k, p := range prompts {
		states := x.states(p.adapter)
		one, n := program.Elems(states.Shape[1:]), len(p.weights)
		in[sdxl.InStates(k)] = program.Tensor{Shape: append([]int{n + 1}, states.Shape[1:]...),
			F: append(append([]float32{}, states.F[:n*one]...), states.F[2*one:]...)}
		name := p.adapter.Component.Name
		d.Images = append(d.Images, sdxl.ImagePrompt{Adapter: p.adapter.Config, Component: name, Weights: p.weights, Scale: p.scale, State: states.Shape[1:]})
		src.Join(name, p.adapter.Component)
	}
	return in, d, src, nil
}

// states are what an adapter reads of the two pictures, and last of none.
func (x *images) states(a *sdxl.ImageAdapter) program.Tensor {
	if a.Config.Plus {
		t, zero := x.read(fmt.Sprintf("hidden.%d", x.Encoder.Config.Layers-1)), x.read("zero_hidden")
		return program.Tensor{Shape: append([]int{3}, zero.Shape[1:]...), F: append(append([]float32{}, t.F...), zero.F...)}
	}
	t := x.read("embeds")
	return program.Tensor{Shape: []int{3, t.Shape[1]}, F: append(append([]float32{}, t.F...), make([]float32, t.Shape[1])...)}
}

func (x *images) read(name string) program.Tensor {
	t, err := x.golden.tensor(name)
	if err != nil {
		x.err = err
		return program.Tensor{Shape: []int{1, 1, 1, 1}, F: make([]float32, 1)}
	}
	return t
}

// run runs a program; after a mistake nothing.
func (x *images) run(ctx context.Context, p *program.Program, src program.WeightSource, in map[string]program.Tensor) map[string]program.Tensor {
	if x.err != nil {
		return nil
	}
	if x.Damage != "" {
		src = damaged{src, x.Damage}
	}
	exec, err := x.Executor.Compile(program.Optimize(p), program.Options{Weights: src, Threads: x.Threads})
	if err != nil {
		x.err = err
		return nil
	}
	defer func() { _ = exec.Close() }()
	out, err := exec.Run(ctx, in, program.RunOptions{})
	if err != nil {
		x.err = err
	}
	return out
}

func (x *images) compare(name string, got []float32) { x.add(name, got, ImageBound) }

func (x *images) add(name string, got []float32, bound float64) {
	if want := x.read(name); x.err == nil {
		x.rows = append(x.rows, Row{name, Difference(got, want.F), bound})
	}
}
