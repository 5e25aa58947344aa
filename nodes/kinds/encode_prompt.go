package kinds

import (
	"context"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/clip"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// EncodePrompt encodes a prompt and a negative prompt with both text encoders.
func EncodePrompt() *nodes.Kind {
	return &nodes.Kind{
		Name: "encode-prompt", Version: 1,
		Doc: "Encodes the prompt and the negative prompt with the model's two CLIP text encoders.",
		Args: []nodes.Arg{
			{Name: "model", Type: nodes.PortArg, Port: nodes.ModelType, Required: true, Doc: "The model whose tokenizers and text encoders are used."},
			{Name: "prompt", Type: nodes.StringArg, Required: true, Template: true, Doc: "What the picture shows."},
			{Name: "negative", Type: nodes.StringArg, Template: true, Doc: "What the picture should not show. Left out, edition diffusers conditions on zeros where the model says so; refiners encodes an empty prompt."},
		},
		Outputs: []nodes.Port{{Name: "conditioning", Type: nodes.ConditioningType, Doc: "Hidden states and pooled states of both prompts."}},
		New: func(a *nodes.Args) (nodes.Op, error) {
			op := &encodePrompt{prompt: a.String("prompt")}
			if a.Has("negative") {
				negative := a.String("negative")
				op.negative = &negative
			}
			return op, nil
		},
	}
}

type encodePrompt struct {
	prompt   string
	negative *string
}

// zeros says that the negative prompt is zeros instead of encoded text.
func (op *encodePrompt) zeros(m *model, e edition.Edition) bool {
	return op.negative == nil && e.ZeroNegative && m.base.ForceZeros
}

// texts are the prompts to encode: the prompt, and the negative prompt unless it is zeros.
func (op *encodePrompt) texts(m *model, e edition.Edition) []string {
	out := []string{op.prompt}
	switch {
	case op.negative != nil:
		out = append(out, *op.negative)
	case !op.zeros(m, e):
		out = append(out, "")
	}
	return out
}

// tokens are the ids of all texts for one encoder, and notes on what was cut.
func (op *encodePrompt) tokens(m *model, i int, e edition.Edition) (ids [][]int32, notes []string, err error) {
	tok, err := m.tokenizer(i, e)
	if err != nil {
		return nil, nil, err
	}
	for k, text := range op.texts(m, e) {
		row, cut := tok.Encode(text)
		ids = append(ids, row)
		if cut != "" && i == 0 {
			notes = append(notes, fmt.Sprintf("the %s is longer than %d tokens; cut off: %q", [2]string{"prompt", "negative prompt"}[k], tok.Len(), cut))
		}
	}
	return ids, notes, nil
}

func (op *encodePrompt) program(env *nodes.Env, m *model, batch, tokens int) *program.Program {
	e := sdxl.EncodePrompt{Text: m.base.Text, Precision: env.Precision, Batch: batch, Tokens: tokens}
	return m.program(e, func() *program.Program {
		e.Patches = m.additions(sdxl.TextEncoder, sdxl.TextEncoder2)
		return e.Program()
	})
}

// Plan implements nodes.StoredOp.
func (op *encodePrompt) Plan(env *nodes.Env, in nodes.PlanInputs) (nodes.Plan, error) {
	m, err := modelOf(in.Live)
	if err != nil {
		return nodes.Plan{}, err
	}
	e, err := edition.ByName(env.Edition)
	if err != nil {
		return nodes.Plan{}, err
	}
	ids, notes, err := op.tokens(m, 0, e)
	if err != nil {
		return nodes.Plan{}, err
	}
	t := len(ids[0])
	p := op.program(env, m, len(ids), t)
	cost := m.cost(env, p)
	context := []int{1, t, m.base.Text[0].Hidden + m.base.Text[1].Hidden}
	pooled := []int{1, m.base.Text[1].Projection}
	uses := []string{sdxl.TextEncoder, sdxl.TextEncoder2, ofEdition(tokenizerPart, e), ofEdition(tokenizerPart2, e)}
	if op.negative == nil {
		uses = append(uses, ofEdition(pipelinePart, e))
	}
	return nodes.Plan{
		Outputs: map[string]nodes.Meta{"conditioning": {Of: nodes.ConditioningType, Shapes: map[string][]int{
			"context": context, "pooled": pooled, "negative_context": context, "negative_pooled": pooled}}},
		Uses: []nodes.Use{{Input: "model", Components: uses}}, Class: true, Edition: true,
		PeakBytes: cost.peak + m.merged(sdxl.TextEncoder, sdxl.TextEncoder2), MACs: cost.macs, Notes: notes,
		Weights: func() int64 { return m.weigh(env, p, sdxl.TextEncoder, sdxl.TextEncoder2) },
	}, nil
}

// Run implements nodes.StoredOp.
func (op *encodePrompt) Run(ctx context.Context, env *nodes.Env, in nodes.Inputs) (map[string]nodes.Value, error) {
	m, err := modelOf(in.Live)
	if err != nil {
		return nil, err
	}
	e, err := edition.ByName(env.Edition)
	if err != nil {
		return nil, err
	}
	inputs := make(map[string]program.Tensor)
	var batch, length int
	for i := range 2 {
		rows, _, err := op.tokens(m, i, e)
		if err != nil {
			return nil, err
		}
		batch, length = len(rows), len(rows[0])
		ids := program.Tensor{Shape: []int{batch, length}}
		ends := program.Tensor{Shape: []int{batch}}
		for _, row := range rows {
			ids.I = append(ids.I, row...)
			ends.I = append(ends.I, clip.End(m.base.Text[i], row))
		}
		inputs[sdxl.InIDs[i]], inputs[sdxl.InEnds[i]] = ids, ends
	}
	src, err := m.weights(sdxl.TextEncoder, sdxl.TextEncoder2)
	if err != nil {
		return nil, err
	}
	out, err := execute(ctx, env, op.program(env, m, batch, length), src, inputs, 0)
	if err != nil {
		return nil, err
	}
	list := make(map[string]nodes.Tensor)
	for name, port := range map[string]string{"context": sdxl.OutContext, "pooled": sdxl.OutPooled} {
		t := out[port]
		n := len(t.F) / batch
		shape := append([]int{1}, t.Shape[1:]...)
		list[name] = nodes.Tensor{Shape: shape, Data: t.F[:n]}
		negative := make([]float32, n)
		if batch == 2 {
			copy(negative, t.F[n:])
		}
		list["negative_"+name] = nodes.Tensor{Shape: shape, Data: negative}
	}
	return map[string]nodes.Value{"conditioning": &nodes.Tensors{Of: nodes.ConditioningType, List: list}}, nil
}
