package kinds

import (
	"context"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Decode turns latents into a picture.
func Decode() *nodes.Kind {
	return &nodes.Kind{
		Name: "decode", Version: 1,
		Doc: "Decodes latents to a picture with the model's autoencoder, in fp32.",
		Args: []nodes.Arg{
			{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType, Required: true, Doc: "The model whose autoencoder is used."},
			{Name: "latents", Type: nodes.PortArg, Port: nodes.LatentsType, Required: true, Doc: "The latents of the picture."},
		},
		Outputs: []nodes.Port{{Name: "image", Type: nodes.ImageType, Doc: "The picture, 8 bits a channel."}},
		New:     func(*nodes.Args) (nodes.Op, error) { return decode{}, nil },
	}
}

type decode struct{}

func (decode) program(e edition.Edition, live map[string]nodes.Live, shape []int) (*model, *program.Program, error) {
	m, err := modelOf(live)
	if err != nil {
		return nil, nil, err
	}
	if shape[3] != m.vae.Config.LatentChannels || shape[0] != 1 {
		return nil, nil, fmt.Errorf("latents of shape %v for an autoencoder of %d channels", shape, m.vae.Config.LatentChannels)
	}
	return m, m.program([]any{"decode", e.ResnetEps, shape}, func() *program.Program {
		return sdxl.DecodeProgram(m.vae.Config, e.ResnetEps, 1, shape[1], shape[2])
	}), nil
}

// Plan implements nodes.StoredOp.
func (d decode) Plan(env *nodes.Env, in nodes.PlanInputs) (nodes.Plan, error) {
	e, err := edition.ByName(env.Edition)
	if err != nil {
		return nodes.Plan{}, err
	}
	shape := in.Stored["latents"].Shape("latents")
	m, p, err := d.program(e, in.Live, shape)
	if err != nil {
		return nodes.Plan{}, err
	}
	scale, cost := m.vae.Config.Scale(), m.cost(env, p)
	return nodes.Plan{
		Outputs:   map[string]nodes.Meta{"image": {Of: nodes.ImageType, Shapes: map[string][]int{"image": {shape[1] * scale, shape[2] * scale, 3}}}},
		Uses:      []nodes.Use{{Input: "model", Components: []string{sdxl.VAE}}},
		Edition:   true,
		PeakBytes: cost.peak,
		Weights:   func() int64 { return m.weigh(env, p, sdxl.VAE) },
		MACs:      cost.macs,
	}, nil
}

// Run implements nodes.StoredOp.
func (d decode) Run(ctx context.Context, env *nodes.Env, in nodes.Inputs) (map[string]nodes.Value, error) {
	e, err := edition.ByName(env.Edition)
	if err != nil {
		return nil, err
	}
	latents := in.Stored["latents"].(*nodes.Tensors).List["latents"]
	m, p, err := d.program(e, in.Live, latents.Shape)
	if err != nil {
		return nil, err
	}
	src, err := m.weights(sdxl.VAE)
	if err != nil {
		return nil, err
	}
	out, err := execute(ctx, env, p, src, map[string]program.Tensor{sdxl.InLatents: {Shape: latents.Shape, F: latents.Data}}, 0)
	if err != nil {
		return nil, err
	}
	picture := out[sdxl.OutPicture]
	if picture.Shape[3] != 3 {
		return nil, fmt.Errorf("the autoencoder gives %d channels, a picture has 3", picture.Shape[3])
	}
	for i, v := range picture.F {
		if v != v {
			return nil, fmt.Errorf("the decoded picture is not a number at element %d: the latents or the weights are damaged", i)
		}
	}
	return map[string]nodes.Value{"image": &nodes.Image{Width: picture.Shape[2], Height: picture.Shape[1],
		Pix: sdxl.Pixels(picture.F, e.RoundPixels)}}, nil
}
