// Package conformance is the suite that every executor passes: each operation at the edges of its shapes and numbers,
// compared with internal/program/ref within bounds that stand beside each case; the step loop; errors; and,
// where an executor promises them, equal bits for every number of threads, place in a batch and tier.
package conformance

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/ref"
)

// Options are what an executor promises beyond the bounds.
type Options struct {
	// Bits promises that neither threads nor a place in a batch nor a pass changes a bit.
	Bits bool
	// Half promises class fp16, within 5e-3 of the largest magnitude, whatever the place in a batch.
	Half bool
	// SameAs is an executor whose bits are promised; nil for none.
	SameAs program.Executor
}

// batch is the number of entries that cases run at.
const batch = 3

// RunAll tests an executor.
func RunAll(t *testing.T, e program.Executor, opt Options) {
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			for _, prec := range c.Precisions() {
				t.Run(prec.String(), func(t *testing.T) { c.run(t, e, opt, prec) })
			}
			if opt.Half && c.Half() {
				t.Run(program.F16.String(), func(t *testing.T) { c.runHalf(t, e) })
			}
		})
	}
	t.Run("loop", func(t *testing.T) { runLoops(t, e, opt) })
	t.Run("errors", func(t *testing.T) { runErrors(t, e) })
	t.Run("cancel", func(t *testing.T) { runCancel(t, e) })
}

// runHalf runs the case in class fp16, whose executors may differ in what they round.
func (c *Case) runHalf(t *testing.T, e program.Executor) {
	in, got := c.compare(t, e, program.F16)
	c.runPlaces(t, e, program.F16, in, got)
}

func (c *Case) run(t *testing.T, e program.Executor, opt Options, prec program.Precision) {
	in, got := c.compare(t, e, prec)
	p := c.Program(prec, batch)
	if opt.Bits {
		fused := program.Optimize(p)
		for _, threads := range []int{1, 2, 3, 7} {
			same(t, fmt.Sprintf("%d threads", threads), c.outputs(t, e, p, in, threads), got)
			same(t, fmt.Sprintf("%d threads after the passes", threads), c.outputs(t, e, fused, in, threads), got)
		}
		c.runPlaces(t, e, prec, in, got)
	}
	if opt.SameAs != nil {
		same(t, opt.SameAs.Name(), c.outputs(t, opt.SameAs, p, in, 2), got)
	}
}

// compare holds an executor's results to the reference, before and after the passes.
func (c *Case) compare(t *testing.T, e program.Executor, prec program.Precision) (in, got map[string]program.Tensor) {
	p := c.Program(prec, batch)
	bound := c.Within(prec)
	in = c.Inputs(p)
	got = c.outputs(t, e, p, in, 2)
	for name, want := range c.outputs(t, ref.New(), p, in, 1) {
		d := Difference(got[name].F, want.F)
		t.Logf("%s differs by %.1e (bound %.1e)", name, d, bound)
		if !(d <= bound) {
			t.Errorf("%s differs from the reference by %.3e, bound %.1e", name, d, bound)
		}
	}
	fused := program.Optimize(p)
	after := c.outputs(t, e, fused, in, 2)
	for name, want := range c.outputs(t, ref.New(), fused, in, 1) {
		if d := Difference(after[name].F, want.F); !(d <= bound) {
			t.Errorf("after the passes, %s differs from the reference by %.3e, bound %.1e", name, d, bound)
		}
	}
	return in, got
}

// runPlaces runs the entries of a batch alone.
func (c *Case) runPlaces(t *testing.T, e program.Executor, prec program.Precision, in, together map[string]program.Tensor) {
	p := c.Program(prec, 1)
	for b := range batch {
		alone := make(map[string]program.Tensor)
		for _, port := range p.Inputs {
			alone[port.Name] = entry(in[port.Name], p.Shape(port.Value), b)
		}
		want := make(map[string]program.Tensor)
		for _, port := range p.Outputs {
			want[port.Name] = entry(together[port.Name], p.Shape(port.Value), b)
		}
		same(t, fmt.Sprintf("entry %d of a batch", b), want, c.outputs(t, e, p, alone, 2))
	}
}

// entry cuts one entry out of a batch; what has the same shape at any batch is left whole.
func entry(t program.Tensor, shape []int, b int) program.Tensor {
	n := program.Elems(shape)
	if n == max(len(t.F), len(t.I)) {
		return t
	}
	if t.I != nil {
		return program.Tensor{Shape: shape, I: t.I[b*n : (b+1)*n]}
	}
	return program.Tensor{Shape: shape, F: t.F[b*n : (b+1)*n]}
}

func (c *Case) outputs(t *testing.T, e program.Executor, p *program.Program, in map[string]program.Tensor, threads int) map[string]program.Tensor {
	t.Helper()
	return execute(t, e, p, c.Source(p), in, threads, program.RunOptions{})
}

// execute compiles and runs a program once.
func execute(t *testing.T, e program.Executor, p *program.Program, src program.WeightSource, in map[string]program.Tensor, threads int, opt program.RunOptions) map[string]program.Tensor {
	t.Helper()
	x, err := e.Compile(p, program.Options{Weights: src, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}()
	out, err := x.Run(context.Background(), in, opt)
	if err != nil {
		t.Fatal(err)
	}
	for _, port := range p.Outputs {
		if n := p.Value(port.Value).Elems(); len(out[port.Name].F) != n {
			t.Fatalf("output %q has %d elements, want %d", port.Name, len(out[port.Name].F), n)
		}
	}
	return out
}

// same fails where a bit differs; all NaNs are one.
func same(t *testing.T, what string, got, want map[string]program.Tensor) {
	t.Helper()
	for name, w := range want {
		g := got[name]
		if len(g.F) != len(w.F) {
			t.Fatalf("%s: %s has %d elements, want %d", what, name, len(g.F), len(w.F))
		}
		for i, v := range w.F {
			if x := g.F[i]; math.Float32bits(x) != math.Float32bits(v) && (x == x || v == v) {
				t.Fatalf("%s: %s[%d] is %v (%08x), not %v (%08x)", what, name, i, x, math.Float32bits(x), v, math.Float32bits(v))
			}
		}
	}
}

// Difference is max |a-b| / max |b| over finite elements; infinite where a NaN or an infinity is not
// the same in both.
func Difference(a, b []float32) float64 {
	worst, largest := 0.0, 0.0
	for i, v := range b {
		x, y := float64(a[i]), float64(v)
		if math.IsNaN(x) && math.IsNaN(y) || x == y {
			if !math.IsInf(y, 0) && y == y {
				largest = max(largest, math.Abs(y))
			}
			continue
		}
		d := math.Abs(x - y)
		if math.IsNaN(d) || math.IsInf(d, 0) {
			return math.Inf(1)
		}
		worst, largest = max(worst, d), max(largest, math.Abs(y))
	}
	if worst == 0 {
		return 0
	}
	return worst / largest
}
