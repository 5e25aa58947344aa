package kinds

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/curand"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/noise"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Noise draws the latents that a sampling run starts from.
func Noise() *nodes.Kind {
	return &nodes.Kind{
		Name: "noise", Version: 1,
		Doc: "Draws normally distributed latents from a seed. torch-cpu gives what torch.manual_seed(seed) and torch.randn give on a CPU, torch-cuda what they give on a GPU.",
		Args: []nodes.Arg{
			{Name: "seed", Type: nodes.SeedArg, Required: true, Doc: "A whole number from 0 to 18446744073709551615."},
			{Name: "width", Type: nodes.IntArg, Required: true, Min: bound(8), Max: bound(16384), MultipleOf: 8, Doc: "Width of the picture in pixels."},
			{Name: "height", Type: nodes.IntArg, Required: true, Min: bound(8), Max: bound(16384), MultipleOf: 8, Doc: "Height of the picture in pixels."},
			{Name: "rng", Type: nodes.EnumArg, Enum: []string{"torch-cpu", "torch-cuda", "philox"}, Default: "torch-cpu", Doc: "The generator: torch's on a CPU, torch's on a GPU, or one of flow's own."},
			{Name: "threads", Type: nodes.IntArg, Min: bound(curand.Block), Max: bound(1 << 20), MultipleOf: curand.Block, Doc: "How many threads the GPU runs at once that rng torch-cuda stands for; without it, at least one for each number. It decides the numbers where these are more."},
			{Name: "dtype", Type: nodes.EnumArg, Enum: []string{"fp32", "fp16", "bf16"}, Default: "fp32", Doc: "The element type that the reference draws in."},
			{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType, Doc: "A model whose autoencoder tells channels and scale of the latents; without it they are SDXL's, 4 and 8."},
		},
		Outputs: []nodes.Port{{Name: "latents", Type: nodes.LatentsType, Doc: "Latents with standard normal elements."}},
		New: func(a *nodes.Args) (nodes.Op, error) {
			types := map[string]noise.DType{"fp32": noise.FP32, "fp16": noise.FP16, "bf16": noise.BF16}
			op := &drawNoise{seed: a.Seed("seed"), width: a.Int("width"), height: a.Int("height"), rng: a.String("rng"), threads: a.Int("threads"), dtype: types[a.String("dtype")]}
			if op.rng == "philox" && op.dtype != noise.FP32 {
				return nil, fmt.Errorf("rng philox draws in fp32 only; leave dtype out")
			}
			if op.rng != "torch-cuda" && a.Has("threads") {
				return nil, fmt.Errorf("threads are of rng torch-cuda; leave them out")
			}
			return op, nil
		},
	}
}

type drawNoise struct {
	seed          uint64
	width, height int
	rng           string
	threads       int
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

// Run implements nodes.StoredOp.
func (op *drawNoise) Run(ctx context.Context, env *nodes.Env, in nodes.Inputs) (map[string]nodes.Value, error) {
	shape, err := op.shape(in.Live)
	if err != nil {
		return nil, err
	}
	var data []float32
	switch n := program.Elems(shape); op.rng {
	case "torch-cuda":
		if data, err = op.drawCUDA(ctx, env, shape); err != nil {
			return nil, err
		}
	case "philox":
		data = channelsLast(noise.Philox(op.seed, 0, n), shape)
	default:
		data = channelsLast(noise.TorchCPU(op.seed, n, op.dtype), shape)
	}
	return map[string]nodes.Value{"latents": &nodes.Tensors{Of: nodes.LatentsType, List: map[string]nodes.Tensor{"latents": {Shape: shape, Data: data}}}}, nil
}

// channelsLast turns numbers that were drawn channels first, as the reference does, into latents.
func channelsLast(drawn []float32, shape []int) []float32 {
	pixels, c := shape[1]*shape[2], shape[3]
	data := make([]float32, len(drawn))
	for k := range c {
		for p := range pixels {
			data[p*c+k] = drawn[k*pixels+p]
		}
	}
	return data
}

// drawCUDA draws on whatever device the run has: the bits are those of torch's kernel on a GPU.
func (op *drawNoise) drawCUDA(ctx context.Context, env *nodes.Env, shape []int) (data []float32, err error) {
	b := program.NewBuilder("noise", program.F32)
	b.Output("latents", b.Normals(b.Input("seeds", program.Int32, 1, 2), op.threads, shape[1], shape[2], shape[3]))
	p := b.Program()
	exec, err := env.Executor.Compile(p, program.Options{Threads: env.Threads})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, exec.Close()) }()
	out, err := exec.Run(ctx, map[string]program.Tensor{"seeds": {Shape: []int{1, 2}, I: []int32{int32(uint32(op.seed)), int32(uint32(op.seed >> 32))}}}, program.RunOptions{})
	if err != nil {
		return nil, err
	}
	return noise.Round(out["latents"].F, op.dtype), nil
}
