package cpu

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// exec is a compiled program.
type exec struct {
	p    *program.Program
	tier kernel.Tier
	plan program.MemoryPlan
	pool pool
	ops  []operation // by instruction

	weights []kernel.Weight // by ID
	vectors [][]float32     // by ID: weights of one dimension, widened
	widened []program.ID    // weights that have a vector
	// vectorBytes is what the vectors take.
	vectorBytes int64
	asWords     []bool // by ID: values that are stored as words of two channels

	content   program.ContentSource // of the weights, or nil
	packer    *packer               // makes what is not kept yet, or nil
	panels    []*panels.Panels      // in use, by product
	wanted    []packTask            // what an earlier run has not packed
	held      [][32]byte            // digests of weights that packing leaves in memory
	lowMemory bool
	postponed map[program.ID]bool // weights that are computed, and only where they are not packed

	needs needs
	kept  int64 // floats of panels that are kept from step to step

	arena   []float32
	shared  []float32             // working memory of one operation
	of      []int                 // by instruction: the one of the caller's program that it completes
	windows map[program.ID]window // where chains have what is not stored
	words   program.ID            // the value whose words a product has left at the beginning of shared, or None

	inputs map[program.ID]program.Tensor
	step   int
}

// Run implements program.Exec.
func (x *exec) Run(ctx context.Context, in map[string]program.Tensor, opt program.RunOptions) (map[string]program.Tensor, error) {
	if err := x.bind(in); err != nil {
		return nil, err
	}
	x.allocate()
	x.pool.start(ctx)
	defer x.pool.stop()
	if err := x.pool.guard(func() error { return x.stages(&opt) }); err != nil {
		return nil, err
	}
	out := make(map[string]program.Tensor, len(x.p.Outputs))
	for _, o := range x.p.Outputs {
		out[o.Name] = x.copyOf(o.Value)
	}
	return out, nil
}

// bind checks the inputs.
func (x *exec) bind(in map[string]program.Tensor) error {
	if err := program.CheckInputs(x.p, in); err != nil {
		return err
	}
	x.inputs = make(map[program.ID]program.Tensor, len(in))
	for _, port := range x.p.Inputs {
		x.inputs[port.Value] = in[port.Name]
	}
	return nil
}

func (x *exec) allocate() {
	if x.arena != nil {
		return
	}
	x.arena = make([]float32, x.plan.Bytes/4)
	x.shared = make([]float32, x.needs.shared)
	x.pool.workers = make([]*worker, x.pool.threads)
	for i := range x.pool.workers {
		w := &worker{pool: &x.pool, id: i, scratch: make([]float32, x.needs.worker), taps: make([][kernel.MR][]float32, x.needs.taps)}
		w.ends.Keep(make([]float32, x.needs.ends))
		x.pool.workers[i] = w
	}
}

func (x *exec) stages(opt *program.RunOptions) error {
	if err := x.stage(program.Once, opt); err != nil {
		return err
	}
	if err := x.loop(opt); err != nil {
		return err
	}
	return x.stage(program.After, opt)
}

// loop runs the steps from opt.Start on.
func (x *exec) loop(opt *program.RunOptions) error {
	if opt.Start < 0 || opt.Start > x.p.Steps {
		return fmt.Errorf("a start at step %d of %d", opt.Start, x.p.Steps)
	}
	for _, c := range x.p.Carries {
		from := x.f32(c.Init)
		if opt.Start > 0 {
			state, ok := opt.State[c.Name]
			if !ok || len(state.F) != x.p.Value(c.Body).Elems() {
				return fmt.Errorf("a start at step %d needs the state %q of shape %v", opt.Start, c.Name, x.p.Shape(c.Body))
			}
			from = state.F
		}
		copy(x.f32(c.Body), from)
	}
	for x.step = opt.Start; x.step < x.p.Steps; x.step++ {
		if err := x.stage(program.Each, opt); err != nil {
			return err
		}
		for _, c := range x.p.Carries {
			copy(x.f32(c.Body), x.f32(c.Next))
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
	return maps.Clone(out)
}

// stage runs the instructions of one stage in order.
func (x *exec) stage(s program.Stage, opt *program.RunOptions) error {
	x.words = program.None
	for i := range x.p.Instrs {
		if x.p.Instrs[i].Stage != s {
			continue
		}
		if _, ok := x.ops[i].(*product); !ok {
			x.words = program.None
		}
		if err := x.pool.ctx.Err(); err != nil {
			return err
		}
		if err := x.ops[i].run(); err != nil {
			return err
		}
		if x.lowMemory {
			x.drop(i)
		}
		if opt.OnInstr != nil {
			opt.OnInstr(x.of[i], x.copyOf)
		}
	}
	return nil
}

// f32 is the storage of a value: an input, an arena stretch or a widened vector.
func (x *exec) f32(id program.ID) []float32 {
	v := x.p.Value(id)
	switch {
	case v.Origin == program.FromInput:
		return x.inputs[id].F
	case v.Origin == program.FromWeight:
		return x.vectors[id]
	}
	at, n := x.plan.Offset[id]/4, int64(v.Elems())
	if x.asWords[id] {
		im := x.shapeOf(id)
		n = int64(im.pixels() * im.stride)
	}
	return x.arena[at : at+n : at+n]
}

func (x *exec) copyOf(id program.ID) program.Tensor {
	v := x.p.Value(id)
	t := program.Tensor{Shape: slices.Clone(v.Shape)}
	if v.DType == program.Int32 {
		t.I = slices.Clone(x.inputs[id].I)
		return t
	}
	if x.asWords[id] {
		im := x.image(id)
		t.F = make([]float32, v.Elems())
		for i := range im.pixels() {
			kernel.Channels(t.F[i*im.c:(i+1)*im.c], im.data[i*im.stride:])
		}
		return t
	}
	t.F = slices.Clone(x.f32(id))
	return t
}
