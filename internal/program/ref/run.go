package ref

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// exec is a compiled program. Each value has storage of its own.
type exec struct {
	p      *program.Program
	values []program.Tensor // by ID
	step   int
}

// Run implements program.Exec.
func (x *exec) Run(ctx context.Context, in map[string]program.Tensor, opt program.RunOptions) (map[string]program.Tensor, error) {
	if err := program.CheckInputs(x.p, in); err != nil {
		return nil, err
	}
	for _, port := range x.p.Inputs {
		x.values[port.Value] = in[port.Name]
	}
	if err := x.stage(ctx, program.Once, &opt); err != nil {
		return nil, err
	}
	if err := x.loop(ctx, &opt); err != nil {
		return nil, err
	}
	if err := x.stage(ctx, program.After, &opt); err != nil {
		return nil, err
	}
	out := make(map[string]program.Tensor, len(x.p.Outputs))
	for _, port := range x.p.Outputs {
		out[port.Name] = x.copyOf(port.Value)
	}
	return out, nil
}

// loop runs the steps from opt.Start on.
func (x *exec) loop(ctx context.Context, opt *program.RunOptions) error {
	if opt.Start < 0 || opt.Start > x.p.Steps {
		return fmt.Errorf("a start at step %d of %d", opt.Start, x.p.Steps)
	}
	for _, c := range x.p.Carries {
		if opt.Start == 0 {
			x.values[c.Body] = x.values[c.Init]
			continue
		}
		state, ok := opt.State[c.Name]
		if !ok || len(state.F) != x.p.Value(c.Body).Elems() {
			return fmt.Errorf("a start at step %d needs the state %q of shape %v", opt.Start, c.Name, x.p.Shape(c.Body))
		}
		x.values[c.Body] = program.Tensor{Shape: x.p.Shape(c.Body), F: slices.Clone(state.F)}
	}
	for x.step = opt.Start; x.step < x.p.Steps; x.step++ {
		if err := x.stage(ctx, program.Each, opt); err != nil {
			return err
		}
		next := make([]program.Tensor, len(x.p.Carries)) // all at once: one may be another's next
		for i, c := range x.p.Carries {
			next[i] = x.values[c.Next]
		}
		for i, c := range x.p.Carries {
			x.values[c.Body] = next[i]
		}
		if opt.OnStep == nil {
			continue
		}
		if err := opt.OnStep(x.step+1, x.state); err != nil {
			return err
		}
	}
	return nil
}

// state copies the carried values.
func (x *exec) state() map[string]program.Tensor {
	out := make(map[string]program.Tensor, len(x.p.Carries))
	for _, c := range x.p.Carries {
		out[c.Name] = x.copyOf(c.Body)
	}
	return out
}

// stage runs the instructions of one stage in order.
func (x *exec) stage(ctx context.Context, s program.Stage, opt *program.RunOptions) error {
	for i := range x.p.Instrs {
		in := &x.p.Instrs[i]
		if in.Stage != s {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		for _, id := range in.Out {
			x.values[id] = program.Tensor{Shape: x.p.Shape(id), F: make([]float32, x.p.Value(id).Elems())}
		}
		if err := x.compute(in); err != nil {
			return err
		}
		if opt.OnInstr != nil {
			opt.OnInstr(i, x.copyOf)
		}
	}
	return nil
}

func (x *exec) copyOf(id program.ID) program.Tensor {
	t := x.values[id]
	return program.Tensor{Shape: slices.Clone(x.p.Shape(id)), F: slices.Clone(t.F), I: slices.Clone(t.I)}
}

// f is the elements of a value; nil for none.
func (x *exec) f(id program.ID) []float32 { return x.values[id].F }
