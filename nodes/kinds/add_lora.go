package kinds

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/lora"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// AddLoRA adds a LoRA to a model.
func AddLoRA() *nodes.Kind {
	return &nodes.Kind{
		Name: "add-lora", Version: 1,
		Doc: "Adds a LoRA (Hu et al., 2021) to a model, in the formats of kohya's scripts, peft, diffusers and LyCORIS. Low-rank layers are computed beside the model's weights, unless they are to be merged.",
		Args: []nodes.Arg{
			{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType, Required: true, Doc: "The model that the LoRA is added to."},
			{Name: "weights", Type: nodes.WeightsArg, Required: true, Doc: "The LoRA's file, declared under models."},
			{Name: "scale", Type: nodes.FloatArg, Default: 1.0, Min: bound(-100), Max: bound(100), Doc: "How strongly it acts; its own strength, alpha / rank, comes on top."},
			{Name: "attach", Type: nodes.EnumArg, Enum: []string{string(lora.ByName), string(lora.RefinersOrder)}, Default: string(lora.ByName),
				Doc: "How its layers find the model's: by their names and with alpha / rank, or by order and shape and without, as Refiners' SDLoraManager does."},
			{Name: "merge", Type: nodes.BoolArg, Default: false, Doc: "Whether low-rank layers are merged into the model's weights instead of being computed beside them: quicker steps after a longer start. It moves last bits."},
			{Name: "unmatched", Type: nodes.EnumArg, Enum: []string{"error", "warn"}, Default: "error", Doc: "What a key that finds no layer is."},
		},
		Outputs: []nodes.Port{{Name: "model", Type: nodes.ModelType, Doc: "The model with the LoRA."}},
		New: func(a *nodes.Args) (nodes.Op, error) {
			return &addLoRA{path: a.File("weights").Path, opt: lora.Options{Scale: a.Float("scale"), Attach: lora.Attach(a.String("attach")), Merge: a.Bool("merge"),
				LetPass: a.String("unmatched") == "warn"}}, nil
		},
	}
}

type addLoRA struct {
	path string
	opt  lora.Options
}

// Open implements nodes.LiveOp.
func (op *addLoRA) Open(_ context.Context, env *nodes.Env, in nodes.PlanInputs) (map[string]nodes.Live, error) {
	m, err := modelOf(in.Live)
	if err != nil {
		return nil, err
	}
	shapes := make(lora.Model)
	for _, name := range []string{sdxl.UNet, sdxl.TextEncoder, sdxl.TextEncoder2} {
		c, err := m.component(name)
		if err != nil {
			return nil, err
		}
		shapes[name] = c.Shapes()
	}
	file, err := lora.Open(op.path)
	if err != nil {
		return nil, err
	}
	opt := op.opt
	opt.Reads = func(component, name string) bool {
		reads := m.shared.reads()[component]
		return reads == nil || reads[name]
	}
	adapter, err := lora.Apply(file, shapes, opt)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if left := adapter.Match().Unmatched; len(left) > 0 {
		env.Warn(fmt.Sprintf("%d keys of %s find no layer in the model and are not applied, such as %q", len(left), file.Path(), left[0]))
	}
	return map[string]nodes.Live{"model": m.with(adapter)}, nil
}
