package parity

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// large is the folder of the golden with activations beyond 1e6.
const large = testdata + "/large"

// onSim is the executor for GPUs, on the simulator.
func onSim(t *testing.T) *cuda.Executor {
	t.Helper()
	d := sim.Open(sim.Options{Quick: true})
	e, err := cuda.New(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// TestLargeActivations decodes where activations reach 1e7 on processor and GPU: both agree with diffusers in fp32, block by block, and have the
// same bits. The decoder's program is the one of every class. With products, attention and storage of fp16, that is with the class that it must not
// have, no element of the picture is a number, though all weights are.
func TestLargeActivations(t *testing.T) {
	s := suites(t)["castle"]
	rows, want, err := s.largeVAE(t.Context(), large, func(p *program.Program) {
		if program.Uses(p, program.BF16) || program.Uses(p, program.F16) {
			t.Error("the decoder has products that are not fp32")
		}
	})
	check(t, rows, err)
	s.Executor = onSim(t)
	rows, got, err := s.largeVAE(t.Context(), large, nil)
	check(t, rows, err)
	for i, v := range want.F {
		if math.Float32bits(v) != math.Float32bits(got.F[i]) {
			t.Fatalf("element %d is %v on the GPU and %v on the processor", i, got.F[i], v)
		}
	}
	_, got, err = s.largeVAE(t.Context(), large, inHalves)
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(got.F, func(v float32) bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }) {
		t.Error("a decoder in fp16 did not overflow: the golden shows nothing")
	}
}

// inHalves gives a program's products and attention the class fp16.
func inHalves(p *program.Program) {
	for i := range p.Instrs {
		switch op := p.Instrs[i].Op.(type) {
		case *program.Product:
			op.Prec, op.Algorithm = program.F16, program.Direct
		case *program.Attention:
			op.Prec = program.F16
		}
	}
}

// TestLargeGolden: the reference's activations go beyond 1e6 where a value may, its picture is a picture, and in fp16 the weights would be finite.
func TestLargeGolden(t *testing.T) {
	g, err := openGolden(large, "vae.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.file.Close() })
	for _, name := range []string{"decoder.conv_in", "decoder.mid_block", "decoder.up_blocks.0", "decoder.up_blocks.1", "decoder.up_blocks.2", "decoder.up_blocks.3", "image"} {
		v, err := g.tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		most := 0.0
		for _, x := range v.F {
			most = max(most, math.Abs(float64(x)))
		}
		switch {
		case name == "image" && (most < 0.5 || most > 1.5):
			t.Errorf("the picture's values go to %g", most)
		case name != "image" && most <= 65504:
			t.Errorf("%s goes to %g, which fp16 holds", name, most)
		case name == "decoder.up_blocks.3" && most < 1e6:
			t.Errorf("%s goes to %g alone", name, most)
		}
	}
	src, err := suites(t)["castle"].source("vae")
	if err != nil {
		t.Fatal(err)
	}
	factors, err := factorsOf(g)
	if err != nil {
		t.Fatal(err)
	}
	for name := range factors {
		w, err := multiplied{src, factors}.Weight("vae/" + name)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(w.Data); i += 4 {
			v := math.Float32frombits(binary.LittleEndian.Uint32(w.Data[i:]))
			if h := numeric.FromF16(numeric.ToF16(v)); math.IsInf(float64(h), 0) || math.Abs(float64(h-v)) > math.Abs(float64(v))/1024 {
				t.Fatalf("%s: %v is %v in fp16", name, v, h)
			}
		}
	}
}
