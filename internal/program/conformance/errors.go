package conformance

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// runErrors checks what executors refuse, and that they name it.
func runErrors(t *testing.T, e program.Executor) {
	c := loopCase()
	p := c.Program(program.F32, batch)
	t.Run("weights", func(t *testing.T) {
		src := maps.Clone(c.Source(p).(source))
		delete(src, "w")
		delete(src, "bias")
		src["u"] = stored(program.WF32, []int{5, 4}, func() float32 { return 1 })
		_, err := e.Compile(p, program.Options{Weights: src})
		var bind *program.BindError
		if !errors.As(err, &bind) {
			t.Fatalf("missing weights give %v", err)
		}
		names(t, err, `"w"`, `"bias"`, `"u"`, "[5 4]", "[5 5]")
		if _, err := e.Compile(p, program.Options{}); err == nil {
			t.Error("no source of weights is no error")
		}
	})
	t.Run("inputs", func(t *testing.T) {
		in := c.Inputs(p)
		for name, v := range map[string]program.Tensor{
			"shape": {Shape: []int{batch, 5, 6}, F: in["x"].F},
			"short": {Shape: in["x"].Shape, F: in["x"].F[1:]},
			"type":  {Shape: in["x"].Shape, I: make([]int32, len(in["x"].F))},
		} {
			bad := maps.Clone(in)
			bad["x"] = v
			names(t, failure(t, e, &c, p, bad, program.RunOptions{}), `"x"`)
			if name == "shape" {
				names(t, failure(t, e, &c, p, bad, program.RunOptions{}), "[3 5 6]", "[3 6 5]")
			}
		}
		delete(in, "table")
		names(t, failure(t, e, &c, p, in, program.RunOptions{}), `"table"`, "missing")
	})
	t.Run("start", func(t *testing.T) {
		in := c.Inputs(p)
		names(t, failure(t, e, &c, p, in, program.RunOptions{Start: loopSteps + 1}), "step 6 of 5")
		names(t, failure(t, e, &c, p, in, program.RunOptions{Start: -1}), "step -1")
		names(t, failure(t, e, &c, p, in, program.RunOptions{Start: 2}), "state")
		short := map[string]program.Tensor{"now": {Shape: []int{1}, F: []float32{1}}}
		names(t, failure(t, e, &c, p, in, program.RunOptions{Start: 2, State: short}), `"now"`)
	})
	t.Run("indices", func(t *testing.T) {
		for _, name := range []string{"embed/tokens", "row"} {
			c := find(name)
			p := c.Program(program.F32, batch)
			for _, wrong := range []float32{-1, 31} {
				c.fill = map[string]number{"ids": choose(wrong), "rows": choose(wrong)}
				names(t, failure(t, e, &c, p, c.Inputs(p), program.RunOptions{}), map[float32]string{-1: "-1", 31: "31"}[wrong])
			}
		}
	})
}

// find is the case of a name.
func find(name string) Case {
	for _, c := range Cases() {
		if c.Name == name {
			return c
		}
	}
	panic("no case " + name)
}

// failure is the error of a run that must fail.
func failure(t *testing.T, e program.Executor, c *Case, p *program.Program, in map[string]program.Tensor, opt program.RunOptions) error {
	t.Helper()
	x, err := e.Compile(p, program.Options{Weights: c.Source(p)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	if _, err = x.Run(context.Background(), in, opt); err == nil {
		t.Fatal("the run did not fail")
	}
	return err
}

// names fails where an error does not say what is wrong.
func names(t *testing.T, err error, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error %q does not say %s", err, w)
		}
	}
}

// runCancel cancels a run before it begins and between two instructions.
func runCancel(t *testing.T, e program.Executor) {
	c := loopCase()
	p := c.Program(program.F32, batch)
	x, err := e.Compile(p, program.Options{Weights: c.Source(p), Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	in := c.Inputs(p)
	for last := range 12 {
		ctx, cancel := context.WithCancel(context.Background())
		calls := 0
		if last == 0 {
			cancel()
		}
		_, err := x.Run(ctx, in, program.RunOptions{OnInstr: func(int, func(program.ID) program.Tensor) {
			if calls++; calls == last {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) || calls != last {
			t.Errorf("cancelled after instruction %d: %v after %d", last, err, calls)
		}
		cancel()
	}
	got, err := x.Run(context.Background(), in, program.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "a run after cancelled ones", got, c.outputs(t, e, p, in, 2))
}
