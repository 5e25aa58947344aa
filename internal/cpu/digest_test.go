package cpu

import (
	"crypto/sha256"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/noise"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestDigests compares results with those that every other processor gives: testdata/digests.txt has a line for each output of each
// case of the conformance suite and for the stages of a small castle. A difference is another numerics class, or a fault.
func TestDigests(t *testing.T) {
	lines := append(suiteDigests(t), castleDigests(t)...)
	const path = "testdata/digests.txt"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool)
	for line := range strings.SplitSeq(strings.TrimSpace(string(text)), "\n") {
		want[line] = true
	}
	for _, line := range lines {
		if !want[line] {
			t.Errorf("not in %s: %s", path, line)
		}
	}
	if len(lines) != len(want) {
		t.Errorf("%d results, %d digests; run the test with -update where cases were added", len(lines), len(want))
	}
}

// suiteDigests runs every case of the conformance suite.
func suiteDigests(t *testing.T) (lines []string) {
	for _, c := range conformance.Cases() {
		for _, prec := range c.Precisions() {
			p := program.Optimize(c.Program(prec, 2))
			lines = append(lines, digests(c.Name+" "+prec.String(), runProgram(t, p, c.Inputs(p), c.Source(p)))...)
		}
	}
	return lines
}

// castleDigests makes a picture of 64x64 pixels in two steps, in each numerics class.
func castleDigests(t *testing.T) (lines []string) {
	m := openCastle(t)
	src, err := m.Weights(sdxl.UNet, sdxl.VAE, sdxl.TextEncoder, sdxl.TextEncoder2)
	if err != nil {
		t.Fatal(err)
	}
	table, err := solver.DDIM(m.Scheduler, 2, edition.Diffusers)
	if err != nil {
		t.Fatal(err)
	}
	const side, tokens = 8, 77
	for class, prec := range map[string]program.Precision{"fp32@1": program.F32, "bf16@1": program.BF16} {
		stage := func(p *program.Program, in map[string]program.Tensor) map[string]program.Tensor {
			p = program.Optimize(p)
			declared := make(map[string]program.Tensor)
			for _, port := range p.Inputs {
				declared[port.Name] = in[port.Name]
			}
			out := runProgram(t, p, declared, src)
			lines = append(lines, digests("castle "+class, out)...)
			return out
		}
		e := sdxl.EncodePrompt{Text: m.Text, Precision: prec, Batch: 2, Tokens: tokens}
		prompt := stage(e.Program(), promptInputs(m, tokens))
		in := sdxl.SolverInputs(table)
		in[sdxl.InContext], in[sdxl.InPooled] = prompt[sdxl.OutContext], prompt[sdxl.OutPooled]
		in[sdxl.InTimeIDs] = program.Tensor{Shape: []int{2, 6}, F: []float32{64, 64, 0, 0, 64, 64, 64, 64, 0, 0, 64, 64}}
		channels := m.UNet.InChannels
		in[sdxl.InLatents] = program.Tensor{Shape: []int{1, side, side, channels}, F: noise.TorchCPU(7, side*side*channels, noise.FP32)}
		d := sdxl.Denoise{UNet: m.UNet, Prediction: m.Scheduler.Prediction, Precision: prec, Batch: 1, Height: side, Width: side,
			Tokens: tokens, Pooled: m.Text[1].Projection, Steps: 2, Guidance: 5}
		latents := stage(d.Program(), in)
		stage(sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, side, side), latents)
	}
	sort.Strings(lines)
	return lines
}

// promptInputs are made-up ids of two prompts that end in their last row.
func promptInputs(m *sdxl.Model, tokens int) map[string]program.Tensor {
	in := make(map[string]program.Tensor)
	for i := range sdxl.InIDs {
		ids := program.Tensor{Shape: []int{2, tokens}, I: make([]int32, 2*tokens)}
		for k := range ids.I {
			ids.I[k] = int32(k * 7919 % m.Text[i].Vocab)
		}
		in[sdxl.InIDs[i]] = ids
		in[sdxl.InEnds[i]] = program.Tensor{Shape: []int{2}, I: []int32{int32(tokens - 1), int32(tokens - 1)}}
	}
	return in
}

// digests has a line for each output, in order; all NaNs are one.
func digests(name string, out map[string]program.Tensor) (lines []string) {
	for port, v := range out {
		h := sha256.New()
		for _, x := range v.F {
			if x != x {
				x = float32(math.NaN())
			}
			_ = binary.Write(h, binary.LittleEndian, math.Float32bits(x))
		}
		lines = append(lines, fmt.Sprintf("%s %s %v %x", name, port, v.Shape, h.Sum(nil)[:16]))
	}
	sort.Strings(lines)
	return lines
}
