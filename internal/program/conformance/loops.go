package conformance

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/ref"
)

const loopSteps = 5

// loopCase has all that a step loop can have: work before and after it and such as a pass may move out of it, tables,
// carries that feed each other, one that nothing changes, and one whose next value is made before the loop.
func loopCase() Case {
	return Case{Name: "loop", Bound: 2e-6, build: func(b *program.Builder, n int) {
		x, table := input(b, "x", n, 6, 5), input(b, "table", loopSteps, 2, 5)
		before := b.Activate(program.SiLU, x)
		b.Loop(loopSteps)
		now, last, kept, late := b.Carry("now", x), b.Carry("last", before), b.Carry("kept", before), b.Carry("late", x)
		same := b.Product([]program.Tap{{X: before, W: b.Weight("v", 5, 5)}}, nil, program.None) // the same in each step
		y := b.Product([]program.Tap{{X: now, W: b.Weight("w", 5, 5)}, {X: last, W: b.Weight("u", 5, 5)}}, []program.ID{b.Weight("bias", 5)}, program.None)
		row := b.Slice(b.StepRow(table), 1, 0, 1)
		y = b.Add(b.LayerNorm(1e-5, b.Add(y, same), program.None, program.None), b.Reshape(b.Repeat(b.Reshape(row, 1, 5), n*6), n, 6, 5))
		b.Next(now, b.Add(y, b.Affine(late, 0.5, 0)))
		b.Next(last, now)
		b.Next(kept, kept)
		b.Next(late, before)
		b.EndLoop()
		b.Output("now", now)
		b.Output("after", b.Add(b.Activate(program.GELU, now), last))
		b.Output("last", last)
		b.Output("kept", kept)
		b.Output("before", before)
		b.Output("x", x)
	}}
}

// swapCase exchanges two carries.
func swapCase() Case {
	return Case{Name: "swap", build: func(b *program.Builder, n int) {
		x, y := input(b, "x", n, 3), input(b, "y", n, 3)
		b.Loop(3)
		u, v := b.Carry("u", x), b.Carry("v", y)
		b.Next(u, v)
		b.Next(v, u)
		b.EndLoop()
		b.Output("u", u)
		b.Output("v", v)
	}}
}

func runLoops(t *testing.T, e program.Executor, opt Options) {
	for _, c := range []Case{loopCase(), swapCase()} {
		t.Run(c.Name, func(t *testing.T) { c.run(t, e, opt, program.F32) })
	}
	c := loopCase()
	p := c.Program(program.F32, batch)
	t.Run("swap is one", func(t *testing.T) {
		s := swapCase()
		p := s.Program(program.F32, batch)
		in := s.Inputs(p)
		same(t, "three exchanges", s.outputs(t, e, p, in, 1), map[string]program.Tensor{"u": in["y"], "v": in["x"]})
	})
	t.Run("resume", func(t *testing.T) { resume(t, e, &c, p) })
	t.Run("resume after passes", func(t *testing.T) { resume(t, e, &c, program.Optimize(p)) })
	t.Run("again", func(t *testing.T) { runTwice(t, e, &c, p) })
	t.Run("hooks", func(t *testing.T) { runHooks(t, e, &c, p) })
}

// resume starts at each step, from the state that a whole run had there.
func resume(t *testing.T, e program.Executor, c *Case, p *program.Program) {
	in := c.Inputs(p)
	var states []map[string]program.Tensor
	want := execute(t, e, p, c.Source(p), in, 2, program.RunOptions{OnStep: func(done int, state func() map[string]program.Tensor) error {
		states = append(states, state())
		if done != len(states) {
			t.Errorf("step %d is called %d", len(states), done)
		}
		return nil
	}})
	if len(states) != loopSteps {
		t.Fatalf("%d steps, want %d", len(states), loopSteps)
	}
	var judge []map[string]program.Tensor
	execute(t, ref.New(), p, c.Source(p), in, 1, program.RunOptions{OnStep: func(_ int, state func() map[string]program.Tensor) error {
		judge = append(judge, state())
		return nil
	}})
	for i, state := range states {
		for name, w := range judge[i] {
			if d := Difference(state[name].F, w.F); !(d <= c.Bound) {
				t.Errorf("after step %d %s differs from the reference by %.3e, bound %.1e", i+1, name, d, c.Bound)
			}
		}
		got := execute(t, e, p, c.Source(p), in, 2, program.RunOptions{Start: i + 1, State: state})
		same(t, fmt.Sprintf("a start after step %d", i+1), got, want)
	}
}

// runTwice runs one compiled program with other inputs and then again, and spoils what it got.
func runTwice(t *testing.T, e program.Executor, c *Case, p *program.Program) {
	x, err := e.Compile(p, program.Options{Weights: c.Source(p), Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	if x.PeakBytes() < 0 {
		t.Errorf("a peak of %d bytes", x.PeakBytes())
	}
	in := c.Inputs(p)
	other := *c
	other.Name = "other inputs"
	want := c.outputs(t, e, p, in, 2)
	for i, inputs := range []map[string]program.Tensor{in, other.Inputs(p), in} {
		got, err := x.Run(context.Background(), inputs, program.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if i != 1 {
			same(t, "another run", got, want)
		}
		for _, v := range got {
			for k := range v.F {
				v.F[k] = nan
			}
		}
	}
	same(t, "an input after runs", in, c.Inputs(p))
}

// runHooks checks that each instruction is reported in order, its values readable, and that an error of a hook ends the run.
func runHooks(t *testing.T, e program.Executor, c *Case, p *program.Program) {
	seen := make([]int, len(p.Instrs))
	opt := program.RunOptions{OnInstr: func(i int, value func(program.ID) program.Tensor) {
		seen[i]++
		for _, id := range p.Instrs[i].Out {
			if n := len(value(id).F); n != p.Value(id).Elems() {
				t.Errorf("value %d has %d elements, want %d", id, n, p.Value(id).Elems())
			}
		}
	}}
	execute(t, e, p, c.Source(p), c.Inputs(p), 1, opt)
	for i, n := range seen {
		want := 1
		if p.Instrs[i].Stage == program.Each {
			want = loopSteps
		}
		if n != want {
			t.Errorf("instruction %d (%s) ran %d times, want %d", i, p.Instrs[i].Op.Name(), n, want)
		}
	}
	x, err := e.Compile(p, program.Options{Weights: c.Source(p)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	enough, calls := errors.New("enough"), 0
	_, err = x.Run(context.Background(), c.Inputs(p), program.RunOptions{OnStep: func(int, func() map[string]program.Tensor) error {
		calls++
		return enough
	}})
	if !errors.Is(err, enough) || calls != 1 {
		t.Errorf("a hook's error gives %v after %d calls", err, calls)
	}
}
