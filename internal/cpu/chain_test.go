package cpu

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// thin has everything made in bands of four rows, and again wherever it can be.
var thin = program.Banding{Least: 1, Most: 1, Band: 1, LeastOf: 4}

// twice runs a program two times, the second time in the memory as the first has left it.
func twice(t *testing.T, e *Executor, p *program.Program, in map[string]program.Tensor, src program.WeightSource, threads int) (out map[string]program.Tensor) {
	t.Helper()
	x, err := e.Compile(p, program.Options{Weights: src, Threads: threads})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	for range 2 {
		if out, err = x.Run(context.Background(), in, program.RunOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func equalBits(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Float32bits(x) == math.Float32bits(y) })
}

// TestBandsKeepBits: decoding and encoding in bands, of odd sizes too, gives the bits of decoding without.
func TestBandsKeepBits(t *testing.T) {
	m := openCastle(t)
	src, err := m.Weights(sdxl.VAE)
	if err != nil {
		t.Fatal(err)
	}
	eps := edition.Diffusers.ResnetEps
	for name, p := range map[string]*program.Program{
		"decode 8x8":    sdxl.DecodeProgram(m.VAE, eps, 1, 8, 8),
		"decode 9x13":   sdxl.DecodeProgram(m.VAE, eps, 1, 9, 13),
		"decode 21x5":   sdxl.DecodeProgram(m.VAE, eps, 1, 21, 5),
		"encode 72x104": sdxl.EncodeProgram(m.VAE, eps, 1, 72, 104),
	} {
		p = program.Optimize(p)
		in := randomInputs(p)
		want := twice(t, &Executor{tier: kernel.Best()}, p, in, src, 2)
		for _, b := range []program.Banding{thin, {Least: 1, Most: 1 << 40, Band: 1, LeastOf: 4}, {Least: 1, Most: 1, Band: 1 << 30}, {Least: 1 << 14, Most: 1 << 18, Band: 1 << 12, LeastOf: 12}} {
			got := twice(t, &Executor{tier: kernel.Best(), banding: b}, p, in, src, 3)
			for port, v := range want {
				if !equalBits(got[port].F, v.F) {
					t.Errorf("%s in bands %+v: %s differs", name, b, port)
				}
			}
		}
	}
}

// TestConformanceInBands runs the suite with everything in bands that can be.
func TestConformanceInBands(t *testing.T) {
	conformance.RunAll(t, &Executor{tier: kernel.Best(), banding: thin}, conformance.Options{Bits: true, SameAs: &Executor{tier: kernel.Best()}})
}

// TestChainCancels: a run that is cancelled amid the bands ends, and the next one is whole.
func TestChainCancels(t *testing.T) {
	m := openCastle(t)
	src, err := m.Weights(sdxl.VAE)
	if err != nil {
		t.Fatal(err)
	}
	p := program.Optimize(sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, 16, 16))
	in := randomInputs(p)
	x, err := (&Executor{tier: kernel.Best(), banding: thin}).Compile(p, program.Options{Weights: src, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	var want map[string]program.Tensor
	for i := range 3 {
		ctx, cancel := context.WithCancel(context.Background())
		opt := program.RunOptions{}
		if i == 1 {
			opt.OnInstr = func(i int, _ func(program.ID) program.Tensor) {
				if i > len(p.Instrs)/2 {
					cancel()
				}
			}
		}
		out, err := x.Run(ctx, in, opt)
		cancel()
		switch {
		case (err != nil) != (i == 1):
			t.Fatalf("run %d: %v", i, err)
		case i == 0:
			want = out
		case i == 2 && !equalBits(out[sdxl.OutPicture].F, want[sdxl.OutPicture].F):
			t.Error("another picture after a cancelled run")
		}
	}
}
