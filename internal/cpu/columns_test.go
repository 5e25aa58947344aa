package cpu

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// columnsOf runs columns of attention and the degraded latents that they make.
func columnsOf(t *testing.T, tier kernel.Tier, threads int, prec program.Precision, batch, h, w, heads, d int) (columns, degraded []float32, in map[string]program.Tensor) {
	t.Helper()
	b := program.NewBuilder("columns", prec)
	q := b.Input("q", program.Float32, batch, h*w, heads*d)
	k := b.Input("k", program.Float32, batch, h*w, heads*d)
	x := b.Input("x", program.Float32, batch, 2*h+1, 2*w-1, 4)
	e := b.Input("e", program.Float32, batch, 2*h+1, 2*w-1, 4)
	c := b.Input("c", program.Float32, 1, 4)
	cols := b.AttentionColumns(q, k, heads, 1/math.Sqrt(float64(d)))
	b.Output("columns", cols)
	b.Output("degraded", b.Degrade(x, e, cols, c, program.Degrade{MapH: h, MapW: w, Taps: []float32{0.25, 0.5, 0.25}}))
	in = make(map[string]program.Tensor)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, port := range b.Program().Inputs {
		shape := b.Shape(port.Value)
		t := program.Tensor{Shape: shape, F: make([]float32, program.Elems(shape))}
		for i := range t.F {
			t.F[i] = float32(rng.NormFloat64() * 2)
		}
		in[port.Name] = t
	}
	in["c"] = program.Tensor{Shape: []int{1, 4}, F: []float32{0.8, 0.6, 0, 0}}
	x2, err := WithTier(tier).Compile(b.Program(), program.Options{Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x2.Close() }()
	out, err := x2.Run(context.Background(), in, program.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out["columns"].F, out["degraded"].F, in
}

// exactColumns is the definition in float64.
func exactColumns(in map[string]program.Tensor, heads int) []float64 {
	q, k := in["q"], in["k"]
	batch, n, c := q.Shape[0], q.Shape[1], q.Shape[2]
	d := c / heads
	out := make([]float64, batch*n)
	row := make([]float64, n)
	for b := range batch {
		for h := range heads {
			for i := range n {
				var top, sum float64 = math.Inf(-1), 0
				for j := range n {
					row[j] = 0
					for e := range d {
						row[j] += float64(q.F[(b*n+i)*c+h*d+e]) * float64(k.F[(b*n+j)*c+h*d+e])
					}
					row[j] /= math.Sqrt(float64(d))
					top = max(top, row[j])
				}
				for j := range n {
					row[j] = math.Exp(row[j] - top)
					sum += row[j]
				}
				for j := range n {
					out[b*n+j] += row[j] / sum / float64(heads)
				}
			}
		}
	}
	return out
}

// TestColumns: right against float64, and the same bits on every tier, with any number of threads and at any place in a batch.
func TestColumns(t *testing.T) {
	for _, s := range []struct{ batch, h, w, heads, d int }{{1, 1, 1, 1, 1}, {2, 3, 5, 2, 7}, {2, 23, 25, 2, 8}} {
		for _, prec := range []program.Precision{program.F32, program.BF16} {
			want, degraded, in := columnsOf(t, kernel.Plain, 1, prec, s.batch, s.h, s.w, s.heads, s.d)
			bound := 1e-5
			if prec == program.BF16 {
				bound = 5e-2
			}
			exact := exactColumns(in, s.heads)
			for i, v := range want {
				if math.Abs(float64(v)-exact[i]) > bound*max(1, exact[i]) {
					t.Fatalf("%+v %v: column %d is %v, want %v", s, prec, i, v, exact[i])
				}
			}
			for _, tier := range kernel.Tiers() {
				for _, threads := range []int{1, 3} {
					got, deg, _ := columnsOf(t, tier, threads, prec, s.batch, s.h, s.w, s.heads, s.d)
					if !slices.Equal(got, want) || !slices.Equal(deg, degraded) {
						t.Errorf("%+v %v: tier %s with %d threads gives other bits", s, prec, tier.Name, threads)
					}
				}
			}
		}
	}
}

// TestDegrade: blur where columns exceed 1 and nowhere else, with reflected borders, at the noise level of the input.
func TestDegrade(t *testing.T) {
	_, got, in := columnsOf(t, kernel.Plain, 1, program.F32, 1, 3, 4, 1, 2)
	columns := exactColumns(in, 1)
	h, w := 7, 7
	at := func(y, x, c int) float64 {
		i := (reflect(y, h)*w+reflect(x, w))*4 + c
		return (float64(in["x"].F[i]) - 0.6*float64(in["e"].F[i])) / 0.8
	}
	blurred := 0
	for y := range h {
		for x := range w {
			mask := columns[y*3/h*4+x*4/w] > 1
			for c := range 4 {
				want := at(y, x, c)
				if mask {
					blurred++
					want = 0
					for dy, a := range []float64{0.25, 0.5, 0.25} {
						for dx, b := range []float64{0.25, 0.5, 0.25} {
							want += a * b * at(y+dy-1, x+dx-1, c)
						}
					}
				}
				want = 0.8*want + 0.6*float64(in["e"].F[(y*w+x)*4+c])
				if d := math.Abs(float64(got[(y*w+x)*4+c]) - want); d > 1e-5 {
					t.Fatalf("element %d,%d,%d differs by %v", y, x, c, d)
				}
			}
		}
	}
	if blurred == 0 || blurred == h*w*4 {
		t.Errorf("%d of %d elements are blurred: the test shows nothing", blurred, h*w*4)
	}
}
