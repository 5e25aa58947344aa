package cuda

import (
	"context"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
	"github.com/seed-8af8f8e1/flow/internal/program/ref"
)

// counting is a driver that counts launches by kernel.
type counting struct {
	driver.Driver
	launches map[string]int
}

// Launch implements driver.Driver.
func (c *counting) Launch(f driver.Function, grid, block driver.Dim, shared int, s driver.Stream, args []uint64) error {
	c.launches[f.Name()]++
	return c.Driver.Launch(f, grid, block, shared, s, args)
}

// lowRank is a linear layer with an addition of rank 16 that is multiplied by scale, twice, by the same weights; also says what else reads what was multiplied.
func lowRank(prec program.Precision, scale, add float32, also string) (*program.Program, sixteenths, map[string]program.Tensor) {
	const rows, c, rank = 9, 64, 16
	b := program.NewBuilder("low rank", prec)
	src := sixteenths{"wide": {c, c}, "down": {rank, c}, "up": {c, rank}}
	wide, down, up := b.Weight("wide", c, c), b.Weight("down", rank, c), b.Weight("up", c, rank)
	x := b.Input("x", program.Float32, 1, rows, c)
	small := b.Affine(b.Product([]program.Tap{{X: x, W: down}}, nil, program.None), scale, add)
	y := b.Product([]program.Tap{{X: x, W: wide}, {X: small, W: up}}, nil, program.None)
	other := b.Product([]program.Tap{{X: y, W: down}}, nil, program.None)
	y = b.Product([]program.Tap{{X: y, W: wide}, {X: b.Affine(other, 2*scale, add), W: up}}, nil, program.None)
	switch also {
	case "an output":
		b.Output("small", small)
	case "an addition":
		b.Output("small", b.Add(small, small))
	}
	b.Output("y", y)
	in := make([]float32, rows*c)
	for i := range in {
		in[i] = float32(i%23)/16 - 0.7
	}
	return program.Optimize(b.Program()), src, map[string]program.Tensor{"x": {Shape: []int{1, rows, c}, F: in}}
}

// TestFolded: what a low-rank addition is multiplied by is a part of its weights in class fp16, each scale of its own, and launches nothing; where something
// else reads the product, or a number is added, or in another class, it stays. Results are those of the reference, weights staying or streamed.
func TestFolded(t *testing.T) {
	for _, c := range []struct {
		name   string
		prec   program.Precision
		add    float32
		also   string
		affine int
	}{
		{"fp16", program.F16, 0, "", 0},
		{"fp16, a number added", program.F16, 0.25, "", 2},
		{"fp16, an output", program.F16, 0, "an output", 1},
		{"fp16, an addition", program.F16, 0, "an addition", 1},
		{"fp32", program.F32, 0, "", 2},
	} {
		p, src, in := lowRank(c.prec, 0.37, c.add, c.also)
		x, err := ref.New().Compile(p, program.Options{Weights: src})
		if err != nil {
			t.Fatal(err)
		}
		want, err := x.Run(context.Background(), in, program.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range []int64{0, 1} {
			dev := sim.Open(sim.Options{Seed: 1})
			d := &counting{dev, make(map[string]int)}
			e, err := New(d)
			if err != nil {
				t.Fatal(err)
			}
			e.block = block
			x, err := e.Compile(p, program.Options{Weights: src})
			if err != nil {
				t.Fatal(err)
			}
			if got := e.EstimateOf(p, 1, typed{src}); got != x.PeakBytes() {
				t.Errorf("%s: planned %d bytes, compiled %d", c.name, got, x.PeakBytes())
			}
			out, err := x.Run(context.Background(), in, program.RunOptions{})
			if err != nil {
				t.Fatal(err)
			}
			for name := range want {
				if d := conformance.Difference(out[name].F, want[name].F); !(d < 2e-3) {
					t.Errorf("%s, blocks of %d bytes: %s differs by %.2e", c.name, block, name, d)
				}
			}
			if n := d.launches["affine16"] + d.launches["affine"]; n != c.affine {
				t.Errorf("%s: %d launches of scalings, want %d", c.name, n, c.affine)
			}
			for _, err := range []error{x.Close(), e.Close(), dev.Close()} {
				if err != nil {
					t.Error(err)
				}
			}
		}
	}
}
