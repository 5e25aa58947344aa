package parity

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

const testdata = "../testdata"

// suites are the models with goldens.
func suites(t *testing.T) map[string]*Suite {
	t.Helper()
	out := make(map[string]*Suite)
	for name, path := range map[string]string{"castle": "../../../examples/castle/model", "oddball": testdata + "/oddball/model"} {
		m, err := sdxl.Open(path, weights.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = m.Close() })
		out[name] = &Suite{Model: m, Goldens: testdata + "/" + name, Executor: cpu.New(), Precision: program.F32}
	}
	return out
}

func check(t *testing.T, rows []Row, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("nothing was compared")
	}
	for _, r := range rows {
		t.Logf("%-60s %.2e (bound %.0e)", r.Block, r.Difference, r.Bound)
		if !r.OK() {
			t.Errorf("%s differs by %.3e, bound %.0e", r.Block, r.Difference, r.Bound)
		}
	}
}

// control checks that a deliberate mistake is seen: some row exceeds its bound tenfold.
func control(t *testing.T, mistake string, rows []Row, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", mistake, err)
	}
	worst := Worst(rows)
	t.Logf("control: %s: %.0f times the bound", mistake, worst)
	if !(worst >= 10) {
		t.Errorf("%s: the greatest difference is %.1f times its bound; the test would not see it", mistake, worst)
	}
}

func TestAgainstDiffusers(t *testing.T) {
	for name, s := range suites(t) {
		for _, c := range Cases(name) {
			t.Run(name+"/"+c.Name, func(t *testing.T) {
				rows, err := c.Run(context.Background(), s)
				check(t, rows, err)
				if len(c.Controls) == 0 {
					t.Error("no control")
				}
				if cpu.New().Tier() == "go" {
					return // slow; what a comparison can see is no matter of the tier
				}
				for _, x := range c.Controls {
					rows, err := x.Run(context.Background(), s, c)
					control(t, x.Mistake, rows, err)
				}
			})
		}
	}
}

func TestDifference(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		a, b []float32
		want float64
	}{
		{[]float32{1, -2}, []float32{1, -2}, 0},
		{[]float32{1, 2}, []float32{1, -4}, 1.5},
		{[]float32{0}, []float32{0}, 0},
		{[]float32{1}, []float32{0}, math.Inf(1)},
		{[]float32{1}, []float32{1, 2}, math.Inf(1)},
		{nil, nil, math.Inf(1)},
		{[]float32{nan}, []float32{1}, math.Inf(1)},
		{[]float32{1}, []float32{nan}, math.Inf(1)},
		{[]float32{inf}, []float32{inf}, math.Inf(1)},
		{[]float32{1}, []float32{inf}, math.Inf(1)},
	} {
		if got := Difference(c.a, c.b); got != c.want {
			t.Errorf("difference of %v and %v is %v, want %v", c.a, c.b, got, c.want)
		}
	}
}

func TestThin(t *testing.T) {
	values := []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	for _, c := range []struct {
		shape []int
		n     int
		want  []float32
	}{
		{[]int{1, 2, 2, 3}, 1, values},
		{[]int{1, 2, 2, 3}, 2, []float32{0, 2, 3, 5, 6, 8, 9, 11}}, // channels of an image
		{[]int{1, 4, 3}, 2, []float32{0, 1, 2, 6, 7, 8}},           // tokens
		{[]int{2, 6}, 4, []float32{0, 4, 6, 10}},
	} {
		if got := thin(program.Tensor{Shape: c.shape, F: values}, c.n); !slices.Equal(got, c.want) {
			t.Errorf("every %d of %v: %v, want %v", c.n, c.shape, got, c.want)
		}
	}
}
