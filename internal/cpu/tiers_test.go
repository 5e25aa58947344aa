package cpu

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
)

// everyValue runs a program and keeps what each instruction computed.
func everyValue(t *testing.T, tier kernel.Tier, threads int, p *program.Program, in map[string]program.Tensor, src program.WeightSource) [][]float32 {
	t.Helper()
	x, err := WithTier(tier).Compile(p, program.Options{Weights: src, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	var values [][]float32
	_, err = x.Run(context.Background(), in, program.RunOptions{OnInstr: func(i int, value func(program.ID) program.Tensor) {
		for _, id := range p.Instrs[i].Out {
			values = append(values, value(id).F)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	return values
}

// sameValues fails where two runs differ in a bit.
func sameValues(t *testing.T, p *program.Program, got, want [][]float32) {
	t.Helper()
	if len(got) != len(want) || len(got) == 0 {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range want {
		for k, v := range want[i] {
			if math.Float32bits(got[i][k]) != math.Float32bits(v) {
				in := &p.Instrs[i%len(p.Instrs)]
				t.Fatalf("value %d (%s, %s): element %d is %v, want %v", i, in.Scope, in.Op.Name(), k, got[i][k], v)
			}
		}
	}
}

// TestTiersAndThreadsAgree compares every value of a guided step on every tier and number of
// threads with the plain tier on one thread.
func TestTiersAndThreadsAgree(t *testing.T) {
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		p, in, src := castleDenoise(t, prec, 1)
		p = program.Optimize(p)
		want := everyValue(t, kernel.Plain, 1, p, in, src)
		for _, tier := range kernel.Tiers() {
			for _, threads := range []int{1, 2, 3, 5} {
				if tier.Name == kernel.Plain.Name && threads%2 == 1 {
					continue // the slow tier: once is enough
				}
				t.Run(fmt.Sprintf("%s/%s/%d", prec, tier.Name, threads), func(t *testing.T) {
					sameValues(t, p, everyValue(t, tier, threads, p, in, src), want)
				})
			}
		}
	}
}

// TestKeptPanels compares runs of several steps, which keep their packed weights, with single steps, which do not.
func TestKeptPanels(t *testing.T) {
	const steps = 3
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		p, in, src := castleDenoise(t, prec, steps)
		p = program.Optimize(p)
		x, err := New().Compile(p, program.Options{Weights: src})
		if err != nil {
			t.Fatal(err)
		}
		if x.(*exec).kept == 0 {
			t.Fatal("nothing is kept")
		}
		kept := everyValue(t, kernel.Best(), 2, p, in, src)
		e := x.(*exec)
		for _, op := range e.ops {
			if p, ok := op.(*product); ok {
				p.keep = false
				e.needs.worker = max(e.needs.worker, p.working())
			}
		}
		var fresh [][]float32
		_, err = x.Run(context.Background(), in, program.RunOptions{OnInstr: func(i int, value func(program.ID) program.Tensor) {
			for _, id := range p.Instrs[i].Out {
				fresh = append(fresh, value(id).F)
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		sameValues(t, p, fresh, kept)
		if err := x.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBatchPosition checks that an entry's result does not depend on its place in a batch or on the others.
func TestBatchPosition(t *testing.T) {
	m := openCastle(t)
	src, err := m.Weights(sdxl.UNet)
	if err != nil {
		t.Fatal(err)
	}
	for _, prec := range []program.Precision{program.F32, program.BF16} {
		build := func(n int) *program.Program {
			return sdxl.EvaluateProgram(m.UNet, prec, n, 9, 7, 77, m.Text[1].Projection, nil)
		}
		three := build(3)
		in := randomInputs(three)
		all := runProgram(t, three, in, src)[sdxl.OutPrediction]
		one := build(1)
		for b := range 3 {
			single := make(map[string]program.Tensor)
			for name, v := range in {
				if v.Shape[0] == 1 {
					single[name] = v
					continue
				}
				n := len(v.F) / 3
				single[name] = program.Tensor{Shape: append([]int{1}, v.Shape[1:]...), F: v.F[b*n : (b+1)*n]}
			}
			got := runProgram(t, one, single, src)[sdxl.OutPrediction]
			for i, v := range got.F {
				if w := all.F[b*len(got.F)+i]; math.Float32bits(v) != math.Float32bits(w) {
					t.Fatalf("%s: element %d of entry %d is %v alone and %v in a batch", prec, i, b, v, w)
				}
			}
		}
	}
}
