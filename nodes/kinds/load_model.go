package kinds

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// LoadModel opens an SDXL model.
func LoadModel() *nodes.Kind {
	return &nodes.Kind{
		Name: "load-model", Version: 1,
		Doc: "Opens an SDXL model: a diffusers folder or a single-file checkpoint. Weights stay on disk until a node reads them.",
		Args: []nodes.Arg{
			{Name: "weights", Type: nodes.WeightsArg, Required: true, Doc: "The model, declared under models."},
			{Name: "vae", Type: nodes.WeightsArg, Doc: "Another model whose autoencoder is used instead."},
		},
		Outputs: []nodes.Port{{Name: "model", Type: nodes.ModelType, Doc: "The model with its text encoders, UNet and autoencoder."}},
		New: func(a *nodes.Args) (nodes.Op, error) {
			op := &loadModel{weights: a.File("weights")}
			if a.Has("vae") {
				vae := a.File("vae")
				op.vae = &vae
			}
			return op, nil
		},
	}
}

type loadModel struct {
	weights nodes.File
	vae     *nodes.File
}

// Open implements nodes.LiveOp.
func (op *loadModel) Open(context.Context, *nodes.Env, nodes.PlanInputs) (map[string]nodes.Live, error) {
	base, err := sdxl.Open(op.weights.Path, weights.Options{Variant: op.weights.Variant, Config: op.weights.Config})
	if err != nil {
		return nil, err
	}
	m := &model{base: base}
	if op.vae == nil {
		m.vae, err = base.Autoencoder()
	} else {
		m.vae, err = sdxl.OpenAutoencoder(op.vae.Path, weights.Options{Variant: op.vae.Variant, Config: op.vae.Config})
	}
	if err != nil {
		return nil, errors.Join(err, base.Close())
	}
	if got, want := m.vae.Config.LatentChannels, base.UNet.InChannels; got != want {
		return nil, errors.Join(fmt.Errorf("the autoencoder's latents have %d channels, the UNet takes %d", got, want), m.Close())
	}
	m.shared = newShared(base, m.vae)
	return map[string]nodes.Live{"model": m}, nil
}
