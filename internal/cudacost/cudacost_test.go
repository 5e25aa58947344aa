package cudacost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/sim/vm"
	"github.com/seed-8af8f8e1/flow/internal/bench"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// predicted runs one stage of a small job on the first device.
func predicted(t *testing.T, prec program.Precision) (*program.Program, *StageReport) {
	t.Helper()
	m, err := bench.MadeUp()
	if err != nil {
		t.Fatal(err)
	}
	s := bench.Stage{Name: StepName, Program: m.GuideStep(bench.Guide{Width: 64, Height: 64, Steps: 3, Precision: prec})}
	d := Devices()[0]
	w := &worker{ctx: t.Context(), device: &d, counter: newCounter(), progress: func(string, int, int) {}}
	out, err := w.stage(s, false)
	if err != nil {
		t.Fatal(err)
	}
	return s.Program, out
}

// The operations of a prediction are all multiplications of the program over all steps; nothing is quicker than its roofline, and the document is
// the same each time.
func TestStage(t *testing.T) {
	for _, prec := range []program.Precision{program.F16, program.F32} {
		p, s := predicted(t, prec)
		if want := 2 * float64(program.Multiplications(p)); s.Total.FLOP != want {
			t.Errorf("%s: %g operations, want %g", prec, s.Total.FLOP, want)
		}
		kernels := 0.0
		for _, k := range s.Kernels {
			kernels += k.FLOP
		}
		if kernels != s.Total.FLOP {
			t.Errorf("%s: kernels have %g of %g operations", prec, kernels, s.Total.FLOP)
		}
		for _, r := range append(s.Ops, s.Total) {
			if r.Predicted <= r.Roofline {
				t.Errorf("%s: %s takes %g s, its roofline is %g s", prec, r.Name, r.Predicted, r.Roofline)
			}
		}
		if prec != program.F16 {
			continue
		}
		_, again := predicted(t, prec)
		a, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := json.Marshal(again); !bytes.Equal(a, b) {
			t.Error("a second prediction has other bytes")
		}
	}
}

// small has products with edges in both directions, a convolution, attention and norms.
func small(prec program.Precision) *program.Program {
	b := program.NewBuilder("small", prec)
	x := b.Input("x", program.Float32, 1, 16, 16, 64)
	w := b.Weight("w", 72, 64, 3, 3)
	h := b.Product([]program.Tap{{X: x, W: w, KH: 3, KW: 3, Stride: 1, PadTop: 1, PadLeft: 1}}, nil, program.None)
	h = b.Product([]program.Tap{{X: b.Reshape(h, 1, 256, 72), W: b.Weight("v", 200, 72), KH: 1, KW: 1, Stride: 1}}, nil, program.None)
	b.Output("y", b.Add(h, h))
	return program.Optimize(b.Program())
}

// What a few blocks did, scaled to the grid, is what all blocks do: to the last instruction, wavefront and byte. The border of a convolution reads a
// few sectors less.
func TestScaled(t *testing.T) {
	for _, prec := range []program.Precision{program.F16, program.F32, program.BF16} {
		d := Devices()[0]
		rec := newRecorder(&d)
		e, err := cuda.New(rec)
		if err != nil {
			t.Fatal(err)
		}
		p := small(prec)
		r, err := e.Rehearse(p)
		if err != nil {
			t.Fatal(err)
		}
		rec.take()
		for i := range p.Instrs {
			if err := r.Instr(i); err != nil {
				t.Fatal(err)
			}
		}
		launches, _, _ := rec.take()
		if len(launches) < 3 {
			t.Fatalf("%s: %d launches", prec, len(launches))
		}
		for i := range launches {
			l := &launches[i]
			scaled, err := l.count(rec.mem)
			if err != nil {
				t.Fatal(err)
			}
			full, err := l.run(rec.mem, nil)
			if err != nil {
				t.Fatal(err)
			}
			name := fmt.Sprint(prec, " ", l.kernel.Name, l.grid)
			if scaled.Blocks != full.Blocks || scaled.TensorFlops != full.TensorFlops || wavefronts(scaled) != wavefronts(full) {
				t.Errorf("%s: scaled %d blocks, %d operations, %g wavefronts; in full %d, %d, %g", name, scaled.Blocks, scaled.TensorFlops, wavefronts(scaled),
					full.Blocks, full.TensorFlops, wavefronts(full))
			}
			near(t, name+": instructions", slots(scaled), slots(full), 0.002)
			a, _ := sectors(scaled)
			b, _ := sectors(full)
			near(t, name+": bytes read", a, b, 0.05)
		}
	}
}

func near(t *testing.T, name string, have, want, within float64) {
	t.Helper()
	if have < want*(1-within) || have > want*(1+within) {
		t.Errorf("%s: %g, in full %g", name, have, want)
	}
}

// The registers are those of docs/cuda-resources.md, and the warps that follow from them.
func TestRegisters(t *testing.T) {
	text, err := os.ReadFile("../../docs/cuda-resources.md")
	if err != nil {
		t.Fatal(err)
	}
	devices, columns := Devices(), []int{5, 8, 7} // of A100, H100 and RTX 4090
	rows := 0
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, "|")
		if len(cells) < 10 || !strings.HasPrefix(cells[2], " `") {
			continue
		}
		var threads, shared int
		if _, err := fmt.Sscan(cells[3]+cells[4], &threads, &shared); err != nil {
			continue // the table of loops
		}
		rows++
		name := strings.Trim(cells[2], " `")
		for i := range devices {
			d := &devices[i]
			var regs, warps int
			if _, err := fmt.Sscanf(cells[columns[i]], " %d / %d of", &regs, &warps); err != nil {
				t.Fatal(err)
			}
			k := &vm.Kernel{Name: name, Shared: shared}
			if have := registers[name][d.architecture]; have != regs || d.resident(k, threads, 0)*threads/32 != warps {
				t.Errorf("%s on %s: %d registers and %d warps, the page has %d and %d", name, d.Name, have, d.resident(k, threads, 0)*threads/32, regs, warps)
			}
		}
	}
	if rows != len(registers) {
		t.Errorf("%d kernels on the page, %d here", rows, len(registers))
	}
}
