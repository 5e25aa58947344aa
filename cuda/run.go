package cuda

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Run implements program.Exec.
func (x *exec) Run(ctx context.Context, in map[string]program.Tensor, opt program.RunOptions) (map[string]program.Tensor, error) {
	if err := program.CheckInputs(x.p, in); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := x.allocate(ctx); err != nil {
		return nil, err
	}
	x.given = make(map[program.ID]program.Tensor, len(in))
	for _, port := range x.p.Inputs {
		x.given[port.Value] = in[port.Name]
	}
	out, err := x.run(ctx, &opt)
	x.given = nil
	if err != nil { // nothing of this run may be under way when the next one begins
		return nil, errors.Join(err, x.stream.Synchronize(), x.streaming.settle())
	}
	return out, nil
}

// allocate takes memory and uploads weights and tables, once.
func (x *exec) allocate(ctx context.Context) error {
	if x.base != 0 {
		return nil
	}
	d := x.e.d
	base, err := d.Alloc(x.size)
	if err != nil {
		free, total, _ := d.MemInfo()
		return fmt.Errorf("%s needs %s of memory on %s, of which %s of %s is free: %w", x.p.Name, humanize.IBytes(uint64(x.size)), d.Info().Name,
			humanize.IBytes(uint64(max(free, 0))), humanize.IBytes(uint64(max(total, 0))), err)
	}
	x.base = base
	if x.stream, err = d.NewStream(); err == nil {
		if err = x.build(); err == nil {
			if err = x.upload(ctx); err == nil {
				err = x.openStreaming()
			}
		}
	}
	if err != nil {
		return errors.Join(err, x.Close())
	}
	return nil
}

// Close implements program.Exec.
func (x *exec) Close() error {
	if x.base == 0 {
		return nil
	}
	errs := []error{x.streaming.close()}
	if x.stream != nil {
		errs = append(errs, x.stream.Synchronize(), x.stream.Destroy())
	}
	errs = append(errs, x.e.d.Free(x.base))
	x.base, x.stream = 0, nil
	return errors.Join(errs...)
}

// PeakBytes implements program.Exec: all of the device's memory that the program takes, weights too.
func (x *exec) PeakBytes() int64 { return x.size }

func (x *exec) run(ctx context.Context, opt *program.RunOptions) (map[string]program.Tensor, error) {
	for id, t := range x.given {
		b := raw(t.F)
		if t.I != nil {
			b = raw(t.I)
		}
		if err := x.e.d.CopyIn(x.at(id), b, nil); err != nil {
			return nil, err
		}
	}
	if err := x.stage(ctx, program.Once, opt); err != nil {
		return nil, err
	}
	if err := x.loop(ctx, opt); err != nil {
		return nil, err
	}
	if err := x.stage(ctx, program.After, opt); err != nil {
		return nil, err
	}
	out := make(map[string]program.Tensor, len(x.p.Outputs))
	for _, o := range x.p.Outputs {
		t, err := x.read(o.Value)
		if err != nil {
			return nil, err
		}
		out[o.Name] = t
	}
	return out, nil
}

// loop runs the steps from opt.Start on.
func (x *exec) loop(ctx context.Context, opt *program.RunOptions) error {
	if err := x.begin(opt); err != nil {
		return err
	}
	for x.step = opt.Start; x.step < x.p.Steps; x.step++ {
		if err := x.stage(ctx, program.Each, opt); err != nil {
			return err
		}
		for _, c := range x.p.Carries {
			if err := x.copy(c.Body, c.Next); err != nil {
				return err
			}
		}
		if err := x.stream.Synchronize(); err != nil { // so that a cancelled run ends within a step
			return err
		}
		if opt.OnStep == nil {
			continue
		}
		var failed error
		err := opt.OnStep(x.step+1, func() map[string]program.Tensor {
			out := make(map[string]program.Tensor, len(x.p.Carries))
			for _, c := range x.p.Carries {
				t, err := x.read(c.Body)
				failed = errors.Join(failed, err)
				out[c.Name] = t
			}
			return out
		})
		if err := errors.Join(failed, err); err != nil {
			return err
		}
	}
	return nil
}

// begin gives the carried values what they have before the first step.
func (x *exec) begin(opt *program.RunOptions) error {
	if opt.Start < 0 || opt.Start > x.p.Steps {
		return fmt.Errorf("a start at step %d of %d", opt.Start, x.p.Steps)
	}
	for _, c := range x.p.Carries {
		if opt.Start == 0 {
			if err := x.copy(c.Body, c.Init); err != nil {
				return err
			}
			continue
		}
		state, ok := opt.State[c.Name]
		if !ok || len(state.F) != x.p.Value(c.Body).Elems() {
			return fmt.Errorf("a start at step %d needs the state %q of shape %v", opt.Start, c.Name, x.p.Shape(c.Body))
		}
		if err := errors.Join(x.stream.Synchronize(), x.e.d.CopyIn(x.at(c.Body), raw(state.F), nil)); err != nil {
			return err
		}
	}
	return nil
}

// copy copies a value to another of its size.
func (x *exec) copy(dst, src program.ID) error {
	if x.at(dst) == x.at(src) {
		return nil
	}
	return x.e.d.Copy(x.at(dst), x.at(src), 4*int64(x.words(dst)), x.stream)
}

// stage runs the instructions of one stage in order.
func (x *exec) stage(ctx context.Context, s program.Stage, opt *program.RunOptions) error {
	for i := range x.p.Instrs {
		if x.p.Instrs[i].Stage != s {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := x.enter(ctx, i); err != nil {
			return fmt.Errorf("%s: its weights: %w", x.p.Instrs[i].Scope, err)
		}
		for _, a := range x.ops[i] {
			if err := a(); err != nil {
				return fmt.Errorf("%s: %w", x.p.Instrs[i].Scope, err)
			}
		}
		if opt.OnInstr == nil {
			continue
		}
		err := x.stream.Synchronize() // so that progress is true
		if err != nil {
			return fmt.Errorf("%s: %w", x.p.Instrs[i].Scope, err)
		}
		var failed error
		opt.OnInstr(i, func(id program.ID) program.Tensor {
			t, err := x.read(id)
			failed = errors.Join(failed, err)
			return t
		})
		if failed != nil {
			return failed
		}
	}
	return nil
}

// read copies a value from the device.
func (x *exec) read(id program.ID) (program.Tensor, error) {
	v := x.p.Value(id)
	t := program.Tensor{Shape: slices.Clone(v.Shape)}
	if given, ok := x.given[id]; ok {
		t.F, t.I = slices.Clone(given.F), slices.Clone(given.I)
		return t, nil
	}
	t.F = make([]float32, v.Elems())
	if x.isHalf(id) {
		return t, x.readHalf(t.F, id)
	}
	return t, errors.Join(x.stream.Synchronize(), x.e.d.CopyOut(raw(t.F), x.at(id), nil))
}

var _ program.Executor = (*Executor)(nil)
