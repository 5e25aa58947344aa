package kinds

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/ipadapter"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// IPAdapter prompts a model with pictures.
func IPAdapter() *nodes.Kind {
	scale := func(name, doc string) nodes.Arg {
		return nodes.Arg{Name: name, Type: nodes.FloatArg, Min: bound(-100), Max: bound(100), Doc: doc}
	}
	return &nodes.Kind{
		Name: "ip-adapter", Version: 1,
		Doc: "Prompts a model with pictures by an IP-Adapter (Ye et al., 2023), base or Plus. The text prompt goes on working beside them.",
		Args: []nodes.Arg{
			{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType, Required: true, Doc: "The model that is prompted."},
			{Name: "weights", Type: nodes.WeightsArg, Required: true, Doc: "The IP-Adapter's file, declared under models."},
			{Name: "images", Type: nodes.ListArg, Required: true, Doc: "The pictures.", Item: &nodes.Arg{Type: nodes.ObjectArg, Fields: []nodes.Arg{
				{Name: "from", Type: nodes.PortArg, Port: nodes.ImageEmbeddingType, Required: true, Doc: "The encoded picture, of an encode-image node."},
				{Name: "weight", Type: nodes.FloatArg, Default: 1.0, Min: bound(-100), Max: bound(100), Doc: "Its tokens are multiplied by this."},
			}}},
			{Name: "scale", Type: nodes.ObjectArg, Shorthand: "all", Doc: "How much the pictures count: one number (by default 1), or one for each part of the UNet, where a part left out has 0.", Fields: []nodes.Arg{
				scale("all", "In the whole UNet."), scale("down", "In its down blocks."), scale("mid", "In its middle."), scale("up", "In its up blocks."),
			}},
		},
		Outputs: []nodes.Port{{Name: "model", Type: nodes.ModelType, Doc: "The model with the image prompt."}},
		New: func(a *nodes.Args) (nodes.Op, error) {
			op := &ipAdapter{weights: a.File("weights")}
			for i := range a.Len("images") {
				op.pictures = append(op.pictures, float32(a.Float(fmt.Sprintf("images.%d.weight", i))))
			}
			if len(op.pictures) == 0 {
				return nil, fmt.Errorf("images is empty; name at least one picture")
			}
			var err error
			op.scale, err = scaleOf(a)
			return op, err
		},
	}
}

// scaleOf reads one number or one for each part.
func scaleOf(a *nodes.Args) (ipadapter.Scale, error) {
	parts := slices.ContainsFunc([]string{"down", "mid", "up"}, func(p string) bool { return a.Has("scale." + p) })
	switch {
	case a.Has("scale.all") && parts:
		return ipadapter.Scale{}, fmt.Errorf("scale has a number for the whole UNet and others for its parts; give one or the others")
	case a.Has("scale.all"):
		s := float32(a.Float("scale.all"))
		return ipadapter.Scale{Down: s, Mid: s, Up: s}, nil
	case parts:
		return ipadapter.Scale{Down: float32(a.Float("scale.down")), Mid: float32(a.Float("scale.mid")), Up: float32(a.Float("scale.up"))}, nil
	}
	return ipadapter.Scale{Down: 1, Mid: 1, Up: 1}, nil
}

type ipAdapter struct {
	weights  nodes.File
	pictures []float32 // weights
	scale    ipadapter.Scale
}

// Open implements nodes.LiveOp.
func (op *ipAdapter) Open(_ context.Context, _ *nodes.Env, in nodes.PlanInputs) (map[string]nodes.Live, error) {
	m, err := modelOf(in.Live)
	if err != nil {
		return nil, err
	}
	name := "ip_adapter"
	if n := len(m.images); n > 0 {
		name = fmt.Sprintf("ip_adapter_%d", n+1)
	}
	adapter, err := sdxl.OpenImageAdapter(op.weights.Path, name, m.base.UNet)
	if err != nil {
		return nil, err
	}
	p := &imagePrompt{adapter: adapter, scale: op.scale}
	for i, weight := range op.pictures {
		x, err := op.picture(adapter.Config, in, i)
		if err != nil {
			return nil, errors.Join(err, adapter.Close())
		}
		x.weight = weight
		p.pictures = append(p.pictures, x)
	}
	described := p.describe()
	p.reads = described.Reads()
	out := &model{base: m.base, vae: m.vae, shared: m.shared, patches: m.patches, images: append(slices.Clone(m.images), p), own: adapter}
	return map[string]nodes.Live{"model": out}, nil
}

// picture checks that an encoded picture is what the adapter reads.
func (op *ipAdapter) picture(c *ipadapter.Config, in nodes.PlanInputs, i int) (prompted, error) {
	path := fmt.Sprintf("images.%d.from", i)
	of, _ := stateNames(c)
	shape := in.Stored[path].Shape(of)
	if shape == nil {
		return prompted{}, fmt.Errorf("the IP-Adapter reads the image encoder's projection, and the one that encodes %s has none", path)
	}
	if got := shape[len(shape)-1]; got != c.Width {
		return prompted{}, fmt.Errorf("the IP-Adapter reads %d channels of a picture and the image encoder of %s gives %d: it was trained with another image encoder", c.Width, path, got)
	}
	first := in.Stored["images.0.from"].Shape(of)
	if !slices.Equal(shape, first) {
		return prompted{}, fmt.Errorf("%s has the shape %v and images.0.from %v; encode all pictures by one image encoder", path, shape, first)
	}
	return prompted{source: in.Sources[path], state: shape[1:]}, nil
}
