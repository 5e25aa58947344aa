package kinds

import (
	"context"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/noise"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Noise draws the latents that a sampling run starts from.
func Noise() *nodes.Kind {
	return &nodes.Kind{
		Name: "noise", Version: 1,
		Doc: "Draws normally distributed latents from a seed. torch-cpu gives what torch.manual_seed(seed) and torch.randn give on a CPU.",
		Args: []nodes.Arg{
			{Name: "seed", Type: nodes.SeedArg, Required: true, Doc: "A whole number from 0 to 18446744073709551615."},
			{Name: "width", Type: nodes.IntArg, Required: true, Min: bound(8), Max: bound(16384), MultipleOf: 8, Doc: "Width of the picture in pixels."},
			{Name: "height", Type: nodes.IntArg, Required: true, Min: bound(8), Max: bound(16384), MultipleOf: 8, Doc: "Height of the picture in pixels."},
			{Name: "rng", Type: nodes.EnumArg, Enum: []string{"torch-cpu", "philox"}, Default: "torch-cpu", Doc: "The generator: torch's on a CPU, or a counter-based one."},
			{Name: "dtype", Type: nodes.EnumArg, Enum: []string{"fp32", "fp16", "bf16"}, Default: "fp32", Doc: "The element type that the reference draws in."},
			{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType, Doc: "A model whose autoencoder tells channels and scale of the latents; without it they are SDXL's, 4 and 8."},
		},
		Outputs: []nodes.Port{{Name: "latents", Type: nodes.LatentsType, Doc: "Latents with standard normal elements."}},
		New: func(a *nodes.Args) (nodes.Op, error) {
			types := map[string]noise.DType{"fp32": noise.FP32, "fp16": noise.FP16, "bf16": noise.BF16}
			op := &drawNoise{seed: a.Seed("seed"), width: a.Int("width"), height: a.Int("height"), philox: a.String("rng") == "philox", dtype: types[a.String("dtype")]}
			if op.philox && op.dtype != noise.FP32 {
				return nil, fmt.Errorf("rng philox draws in fp32 only; leave dtype out")
			}
			return op, nil
		},
	}
}

type drawNoise struct {
	seed          uint64
	width, height int
	philox        bool
	dtype         noise.DType
}

// shape is [1,h,w,channels].
func (op *drawNoise) shape(live map[string]nodes.Live) ([]int, error) {
	channels, scale := 4, 8
	if live["model"] != nil {
		m, err := modelOf(live)
		if err != nil {
			return nil, err
		}
		channels, scale = m.vae.Config.LatentChannels, m.vae.Config.Scale()
	}
	if op.width%scale != 0 || op.height%scale != 0 {
		return nil, fmt.Errorf("a picture of %dx%d does not divide into latents of %dx%d pixels each", op.width, op.height, scale, scale)
	}
	return []int{1, op.height / scale, op.width / scale, channels}, nil
}

// Plan implements nodes.StoredOp.
func (op *drawNoise) Plan(_ *nodes.Env, in nodes.PlanInputs) (nodes.Plan, error) {
	shape, err := op.shape(in.Live)
	if err != nil {
		return nodes.Plan{}, err
	}
	plan := nodes.Plan{Outputs: map[string]nodes.Meta{"latents": {Of: nodes.LatentsType, Shapes: map[string][]int{"latents": shape}}}}
	if in.Live["model"] != nil {
		// only two numbers of the configuration are read; they are in the shape, which the key has through this part
		plan.Uses = []nodes.Use{{Input: "model", Components: []string{latentPart}}}
	}
	return plan, nil
}

// Run implements nodes.StoredOp. The reference draws channels first.
func (op *drawNoise) Run(_ context.Context, _ *nodes.Env, in nodes.Inputs) (map[string]nodes.Value, error) {
	shape, err := op.shape(in.Live)
	if err != nil {
		return nil, err
	}
	h, w, c := shape[1], shape[2], shape[3]
	var drawn []float32
	if op.philox {
		drawn = noise.Philox(op.seed, 0, h*w*c)
	} else {
		drawn = noise.TorchCPU(op.seed, h*w*c, op.dtype)
	}
	data := make([]float32, len(drawn))
	for k := range c {
		for p := range h * w {
			data[p*c+k] = drawn[k*h*w+p]
		}
	}
	return map[string]nodes.Value{"latents": &nodes.Tensors{Of: nodes.LatentsType, List: map[string]nodes.Tensor{"latents": {Shape: shape, Data: data}}}}, nil
}
