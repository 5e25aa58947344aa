package plan

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Inspect opens live values - headers, not weights - and finds out from shapes what every needed
// step will do. A node that does not fit is a diagnostic at its place; nodes that read it are left out.
func (p *Plan) Inspect(ctx context.Context, env *nodes.Env) []spec.Diagnostic {
	var diags []spec.Diagnostic
	broken := make(map[*Step]bool)
	for _, s := range p.Steps {
		if !s.Needed {
			continue
		}
		for _, in := range s.Inputs {
			broken[s] = broken[s] || broken[in.From]
		}
		if broken[s] {
			continue
		}
		if err := s.inspect(ctx, env); err != nil {
			broken[s] = true
			diags = append(diags, spec.Diagnostic{File: p.Doc.File, Pos: s.Pos, Code: "F0403", Message: fmt.Sprintf("node %q: %v", s.Name, err)})
		}
		for _, note := range s.Plan.Notes {
			diags = append(diags, spec.Diagnostic{File: p.Doc.File, Pos: s.Pos, Severity: spec.Warning, Code: "F0403", Message: fmt.Sprintf("node %q: %s", s.Name, note)})
		}
	}
	return spec.Sort(diags)
}

// inspect opens or plans one step. A mistake in shapes comes back as an error.
func (s *Step) inspect(ctx context.Context, env *nodes.Env) (err error) {
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		var shape *program.ShapeError
		if e, ok := v.(error); !ok || !errors.As(e, &shape) {
			panic(v)
		}
		err = shape
	}()
	live := make(map[string]nodes.Live)
	stored := make(map[string]nodes.Meta)
	for _, in := range s.Inputs {
		if in.Type.Live() {
			live[in.Path] = in.From.Live[in.Port]
		} else {
			stored[in.Path] = in.From.Plan.Outputs[in.Port]
		}
	}
	switch op := s.Op.(type) {
	case nodes.LiveOp:
		s.Live, err = op.Open(ctx, env, nodes.Inputs{Live: live})
	case nodes.StoredOp:
		s.Plan, err = op.Plan(env, nodes.PlanInputs{Stored: stored, Live: live})
	default:
		err = fmt.Errorf("kind %s has an operation of type %T", s.Kind.ID(), s.Op)
	}
	return err
}
