package plan

import (
	"context"
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
	told := make(map[string]bool) // one cell tells for all
	say := func(s *Step, severity spec.Severity, what string) {
		if key := s.Node + "\x00" + what; !told[key] {
			told[key] = true
			diags = append(diags, spec.Diagnostic{File: p.Doc.File, Pos: s.Pos, Severity: severity, Code: "F0403", Message: fmt.Sprintf("node %q: %s", s.Name, what)})
		}
	}
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
		if err := p.inspect(ctx, s, env); err != nil {
			broken[s] = true
			say(s, spec.Error, err.Error())
		}
		for _, note := range s.Plan.Notes {
			say(s, spec.Warning, note)
		}
	}
	if !spec.Failed(diags) {
		p.need((*Step).Awaits) // without what nobody uses of a live value
	}
	return spec.Sort(diags)
}

// inspect opens or plans one step. A mistake in shapes comes back as an error.
func (p *Plan) inspect(ctx context.Context, s *Step, env *nodes.Env) (err error) {
	defer program.CatchShape(&err)
	in := nodes.PlanInputs{Stored: make(map[string]nodes.Meta), Sources: make(map[string]nodes.Source), Live: make(map[string]nodes.Live)}
	for _, x := range s.Inputs {
		if x.Type.Live() {
			in.Live[x.Path] = x.From.Live[x.Port]
			continue
		}
		in.Stored[x.Path] = x.From.Plan.Outputs[x.Port]
		in.Sources[x.Path] = nodes.Source{Step: x.From.Index, Port: x.Port}
	}
	switch op := s.Op.(type) {
	case nodes.LiveOp:
		noting := *env
		noting.Warn = func(message string) { s.Plan.Notes = append(s.Plan.Notes, message) }
		s.Live, err = op.Open(ctx, &noting, in)
	case nodes.StoredOp:
		if s.Plan, err = op.Plan(env, in); err == nil {
			s.Inherited = p.inherit(s)
		}
	default:
		err = fmt.Errorf("kind %s has an operation of type %T", s.Kind.ID(), s.Op)
	}
	return err
}

// inherit lists the stored values that the components which the step uses need.
func (p *Plan) inherit(s *Step) []Input {
	var out []Input
	live := s.LiveInputs()
	for _, use := range s.Plan.Uses {
		d, ok := live[use.Input].(nodes.Dependent)
		if !ok {
			continue
		}
		for _, c := range use.Components {
			for i, src := range d.Needs(c) {
				from := p.Steps[src.Step]
				port, _ := from.Kind.Output(src.Port)
				out = append(out, Input{Path: nodes.Inherited(use.Input, c, i), From: from, Port: port.Name, Type: port.Type, Pos: s.Pos})
			}
		}
	}
	return out
}
