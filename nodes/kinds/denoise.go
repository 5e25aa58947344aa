package kinds

import (
	"context"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Denoise runs the sampling loop.
func Denoise() *nodes.Kind {
	pair := func(name, doc string) nodes.Arg {
		return nodes.Arg{Name: name, Type: nodes.ListArg, Doc: doc, Item: &nodes.Arg{Type: nodes.IntArg, Min: bound(0), Max: bound(1 << 20)}}
	}
	return &nodes.Kind{
		Name: "denoise", Version: 1,
		Doc: "Turns noise into latents of a picture: the UNet and the solver, step by step, with classifier-free guidance (Ho and Salimans, 2022).",
		Args: []nodes.Arg{
			{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType, Required: true, Doc: "The model whose UNet and noise schedule are used."},
			{Name: "latents", Type: nodes.PortArg, Port: nodes.LatentsType, Required: true, Doc: "The latents to start from, usually of a noise node."},
			{Name: "conditioning", Type: nodes.PortArg, Port: nodes.ConditioningType, Required: true, Doc: "The encoded prompt."},
			{Name: "solver", Type: nodes.ObjectArg, Required: true, Doc: "The solver and its number of steps.", Fields: []nodes.Arg{
				{Name: "name", Type: nodes.EnumArg, Enum: []string{"ddim"}, Default: "ddim", Doc: "The solver: DDIM (Song et al., 2021)."},
				{Name: "steps", Type: nodes.IntArg, Required: true, Min: bound(1), Max: bound(1000), Doc: "The number of steps."},
			}, Shorthand: "steps"},
			{Name: "guidance", Type: nodes.ObjectArg, Doc: "Classifier-free guidance; a bare number is its scale.", Fields: []nodes.Arg{
				{Name: "scale", Type: nodes.FloatArg, Default: 5.0, Min: bound(0), Max: bound(1000), Doc: "The guidance scale; 1 runs the prompt alone, and in edition diffusers so does less."},
				{Name: "self-attention", Type: nodes.ObjectArg, Doc: "Self-attention guidance (Hong et al., 2023) on top: a third evaluation a step; a bare number is its scale. Left out, there is none.", Fields: []nodes.Arg{
					{Name: "scale", Type: nodes.FloatArg, Required: true, Min: bound(0), Max: bound(1000), Doc: "How far the picture is led away from what is seen without the details that attention rests on; 0 is none."},
					{Name: "blur-sigma", Type: nodes.FloatArg, Default: 1.0, Min: bound(0.01), Max: bound(100), Doc: "Standard deviation of the blur, in pixels of the latents."},
				}, Shorthand: "scale"},
			}, Shorthand: "scale"},
			{Name: "size-conditioning", Type: nodes.ObjectArg, Doc: "The sizes that SDXL is told (Podell et al., 2023); by default those of the picture (edition diffusers) or 1024 (refiners).", Fields: []nodes.Arg{
				pair("original", "Height and width of the original picture."),
				pair("crop", "Top and left of the crop."),
				pair("target", "Height and width of the target."),
			}},
		},
		Outputs: []nodes.Port{{Name: "latents", Type: nodes.LatentsType, Doc: "Latents of the picture."}},
		Void: func(a *nodes.Args) []string {
			if a.Float("guidance.self-attention.scale") == 0 {
				return []string{"guidance.self-attention"}
			}
			return nil
		},
		New: func(a *nodes.Args) (nodes.Op, error) {
			op := &denoise{steps: a.Int("solver.steps"), guidance: float32(a.Float("guidance.scale")), sizes: make(map[string][2]int)}
			op.self = sdxl.SelfAttention{Scale: float32(a.Float("guidance.self-attention.scale")), BlurSigma: a.Float("guidance.self-attention.blur-sigma")}
			for _, name := range []string{"original", "crop", "target"} {
				path := "size-conditioning." + name
				switch a.Len(path) {
				case 0:
				case 2:
					op.sizes[name] = [2]int{a.Int(path + ".0"), a.Int(path + ".1")}
				default:
					return nil, fmt.Errorf("%s is a list of two whole numbers, not of %d", path, a.Len(path))
				}
			}
			return op, nil
		},
	}
}

type denoise struct {
	steps    int
	guidance float32
	self     sdxl.SelfAttention
	sizes    map[string][2]int
}

// setup is what a run needs beside its values.
type denoiseSetup struct {
	model   *model
	edition edition.Edition
	program *program.Program
	table   *solver.Table
	latents []int // shape, of one picture
	entries int   // 2 with guidance
	loop    sdxl.Denoise
}

// components are those whose weights the program reads.
func (s *denoiseSetup) components() []string {
	return append([]string{sdxl.UNet}, s.model.imageComponents()...)
}

// of is the program that denoises some pictures at once.
func (s *denoiseSetup) of(pictures int) *program.Program {
	d := s.loop
	d.Batch = pictures
	return s.model.program(d, func() *program.Program {
		d.Patches, d.Images = s.model.additions(sdxl.UNet), s.model.imagePrompts()
		return d.Program()
	})
}

func (op *denoise) setup(env *nodes.Env, live map[string]nodes.Live, latents, context, pooled []int) (*denoiseSetup, error) {
	m, err := modelOf(live)
	if err != nil {
		return nil, err
	}
	e, err := edition.ByName(env.Edition)
	if err != nil {
		return nil, err
	}
	table, err := solver.DDIM(m.base.Scheduler, op.steps, e)
	if err != nil {
		return nil, err
	}
	d := sdxl.Denoise{UNet: m.base.UNet, Prediction: m.base.Scheduler.Prediction, Precision: env.Precision, Batch: latents[0],
		Height: latents[1], Width: latents[2], Tokens: context[1], Steps: op.steps, Guidance: op.guidance, SelfAttention: op.self}
	if op.unguided(e) {
		d.Guidance = 1
	}
	if op.self.Scale != 0 && !d.Guided() && !e.SelfAlone {
		return nil, fmt.Errorf("guidance.self-attention needs guidance.scale other than 1 in edition %s, whose self-attention guidance reads the unconditional prediction; edition %s uses the only one", e.Name, edition.Diffusers.Name)
	}
	if len(pooled) == 2 {
		d.Pooled = pooled[1]
	}
	if latents[3] != m.base.UNet.InChannels {
		return nil, fmt.Errorf("latents of %d channels for a UNet that takes %d; give the noise node the model", latents[3], m.base.UNet.InChannels)
	}
	if context[2] != m.base.UNet.CrossAttentionDim {
		return nil, fmt.Errorf("conditioning of %d channels for a UNet that takes %d; it was encoded by another model", context[2], m.base.UNet.CrossAttentionDim)
	}
	if latents[0] != 1 {
		return nil, fmt.Errorf("a batch of %d latents; a denoise node takes one", latents[0])
	}
	s := &denoiseSetup{model: m, edition: e, table: table, latents: latents, entries: 1, loop: d}
	s.program = s.of(1)
	if d.Guided() {
		s.entries = 2
	}
	return s, nil
}

// unguided says that an edition takes the guidance scale for none though it is not 1.
func (op *denoise) unguided(e edition.Edition) bool { return op.guidance < 1 && !e.GuideBelowOne }

// Plan implements nodes.StoredOp.
func (op *denoise) Plan(env *nodes.Env, in nodes.PlanInputs) (nodes.Plan, error) {
	c := in.Stored["conditioning"]
	s, err := op.setup(env, in.Live, in.Stored["latents"].Shape("latents"), c.Shape("context"), c.Shape("pooled"))
	if err != nil {
		return nodes.Plan{}, err
	}
	cost := s.model.cost(env, s.program)
	var notes []string
	if op.unguided(s.edition) {
		notes = append(notes, fmt.Sprintf("guidance.scale %g runs the prompt alone: edition %s guides above 1 only", op.guidance, s.edition.Name))
	}
	return nodes.Plan{
		Outputs:   map[string]nodes.Meta{"latents": {Of: nodes.LatentsType, Shapes: map[string][]int{"latents": s.latents}}},
		Uses:      []nodes.Use{{Input: "model", Components: op.components(s)}},
		Class:     true,
		Edition:   true,
		PeakBytes: cost.peak + s.model.merged(sdxl.UNet),
		Weights:   func() int64 { return s.model.weigh(env, s.program, s.components()...) },
		Steps:     op.steps,
		MACs:      cost.macs,
		Batch:     op.batch(env, s, c, cost),
		Notes:     notes,
	}, nil
}

// components are what is read of the model.
func (op *denoise) components(s *denoiseSetup) []string {
	latents := latentPart // the picture's own size is told
	_, original := op.sizes["original"]
	_, target := op.sizes["target"]
	if s.edition.TimeIDs != 0 || original && target {
		latents = sizesGiven
	}
	return append(s.components(), ofEdition(schedulerPart, s.edition), latents)
}

// Run implements nodes.StoredOp.
func (op *denoise) Run(ctx context.Context, env *nodes.Env, in nodes.Inputs) (map[string]nodes.Value, error) {
	latents := in.Stored["latents"].(*nodes.Tensors).List["latents"]
	cond := in.Stored["conditioning"].(*nodes.Tensors).List
	s, err := op.setup(env, in.Live, latents.Shape, cond["context"].Shape, cond["pooled"].Shape)
	if err != nil {
		return nil, err
	}
	out, err := op.run(ctx, env, s, []nodes.Inputs{in})
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

// run denoises the pictures of some steps at once. Their live inputs, and what these need, are those of the first.
func (op *denoise) run(ctx context.Context, env *nodes.Env, s *denoiseSetup, in []nodes.Inputs) ([]map[string]nodes.Value, error) {
	latents := program.Tensor{Shape: append([]int{len(in)}, s.latents[1:]...)}
	conds := make([]map[string]nodes.Tensor, len(in))
	for i := range in {
		latents.F = append(latents.F, in[i].Stored["latents"].(*nodes.Tensors).List["latents"].Data...)
		conds[i] = in[i].Stored["conditioning"].(*nodes.Tensors).List
	}
	inputs := sdxl.SolverInputs(s.table)
	inputs[sdxl.InLatents] = latents
	inputs[sdxl.InContext] = guided(s.entries, conds, "context")
	inputs[sdxl.InPooled] = guided(s.entries, conds, "pooled")
	inputs[sdxl.InTimeIDs] = op.timeIDs(s, len(in))
	if err := s.model.imageInputs(inputs, in[0].Stored, s.entries == 2); err != nil {
		return nil, err
	}
	src, err := s.model.weights(s.components()...)
	if err != nil {
		return nil, err
	}
	out, err := execute(ctx, env, s.of(len(in)), src, inputs, op.steps)
	if err != nil {
		return nil, err
	}
	made := make([]map[string]nodes.Value, len(in))
	for i, one := range apart(nodes.Tensor{Shape: out[sdxl.OutLatents].Shape, Data: out[sdxl.OutLatents].F}, len(in)) {
		made[i] = map[string]nodes.Value{"latents": &nodes.Tensors{Of: nodes.LatentsType, List: map[string]nodes.Tensor{"latents": one}}}
	}
	return made, nil
}

// guided puts the negative prompts' entries before the prompts'.
func guided(entries int, conds []map[string]nodes.Tensor, name string) program.Tensor {
	t := program.Tensor{Shape: append([]int{entries * len(conds)}, conds[0][name].Shape[1:]...)}
	if entries == 2 {
		for _, c := range conds {
			t.F = append(t.F, c["negative_"+name].Data...)
		}
	}
	for _, c := range conds {
		t.F = append(t.F, c[name].Data...)
	}
	return t
}

// timeIDs are [entries*pictures,6]: original height and width, crop top and left, target height and width.
func (op *denoise) timeIDs(s *denoiseSetup, pictures int) program.Tensor {
	scale := s.model.vae.Config.Scale()
	size := [2]int{s.latents[1] * scale, s.latents[2] * scale}
	if side := s.edition.TimeIDs; side != 0 {
		size = [2]int{side, side}
	}
	var row []float32
	for _, part := range []struct {
		name     string
		fallback [2]int
	}{{"original", size}, {"crop", [2]int{}}, {"target", size}} {
		v, ok := op.sizes[part.name]
		if !ok {
			v = part.fallback
		}
		row = append(row, float32(v[0]), float32(v[1]))
	}
	t := program.Tensor{Shape: []int{s.entries * pictures, 6}}
	for range s.entries * pictures {
		t.F = append(t.F, row...)
	}
	return t
}
