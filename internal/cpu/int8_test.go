package cpu

import (
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/noise"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// inInt8 says whether a product would be one of 8-bit numbers: the linear layers of the transformers, in each step.
func inInt8(p *program.Program, in *program.Instr) bool {
	op, ok := in.Op.(*program.Product)
	return ok && in.Stage == program.Each && strings.Contains(in.Scope, "attentions.") && op.Segments[0].KH == 1
}

// snap puts numbers on the grid of 8-bit numbers whose largest is the largest of them.
func snap(row []float32) {
	top := float32(0)
	for _, v := range row {
		top = max(top, max(v, -v))
	}
	if top == 0 {
		return
	}
	for i, v := range row {
		row[i] = float32(math.RoundToEven(float64(v)*127/float64(top)) * float64(top) / 127)
	}
}

// snapped gives weights of chosen names with each output's row on a grid of its own.
type snapped struct {
	program.WeightSource
	names map[string]bool
}

func (s snapped) Weight(name string) (program.WeightData, error) {
	w, err := s.WeightSource.Weight(name)
	if err != nil || !s.names[name] {
		return w, err
	}
	rows := w.Shape[0]
	full, row := weightOf(w), make([]float32, program.Elems(w.Shape)/rows)
	data := make([]byte, 0, 4*len(row)*rows)
	for n := range rows {
		full.Widen(row, n*len(row))
		snap(row)
		for _, v := range row {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
	}
	return program.WeightData{Type: program.WF32, Shape: w.Shape, Data: data}, nil
}

// onGrid is a product whose inputs are put on the grid, token by token, before it runs. Nothing but such products reads them.
type onGrid struct {
	operation
	x  *exec
	in *program.Instr
	op *program.Product
}

func (g *onGrid) run() error {
	for _, s := range g.op.Segments {
		im := g.x.image(g.in.In[s.X])
		for i := 0; i < len(im.data); i += im.c {
			snap(im.data[i : i+im.c])
		}
	}
	return g.operation.run()
}

// castlePicture renders the castle in 30 steps with guidance 5; simulated has its linear layers take 8-bit numbers.
func castlePicture(t *testing.T, prec program.Precision, seed uint64, simulated bool) []byte {
	t.Helper()
	m := openCastle(t)
	src, err := m.Weights(sdxl.UNet, sdxl.VAE)
	if err != nil {
		t.Fatal(err)
	}
	table, err := solver.DDIM(m.Scheduler, 30, edition.Diffusers)
	if err != nil {
		t.Fatal(err)
	}
	const side = 16
	in := sdxl.SolverInputs(table)
	in[sdxl.InContext], in[sdxl.InPooled] = prompts(t, "prompt_embeds"), prompts(t, "pooled")
	in[sdxl.InTimeIDs] = program.Tensor{Shape: []int{2, 6}, F: []float32{128, 128, 0, 0, 128, 128, 128, 128, 0, 0, 128, 128}}
	in[sdxl.InLatents] = program.Tensor{Shape: []int{1, side, side, 4}, F: noise.TorchCPU(seed, side*side*4, noise.FP32)}
	d := sdxl.Denoise{UNet: m.UNet, Prediction: m.Scheduler.Prediction, Precision: prec, Batch: 1, Height: side, Width: side,
		Tokens: in[sdxl.InContext].Shape[1], Pooled: m.Text[1].Projection, Steps: 30, Guidance: 5}
	p := program.Optimize(d.Program())
	from := snapped{src, make(map[string]bool)}
	for i := range p.Instrs {
		if in := &p.Instrs[i]; simulated && inInt8(p, in) {
			for _, s := range in.Op.(*program.Product).Segments {
				from.names[p.Value(in.In[s.W]).Name] = true
			}
		}
	}
	compiled, err := New().Compile(p, program.Options{Weights: from})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = compiled.Close() }()
	x := compiled.(*exec)
	for i := range x.ops {
		if in := &x.p.Instrs[i]; simulated && inInt8(x.p, in) {
			x.ops[i] = &onGrid{x.ops[i], x, in, in.Op.(*program.Product)}
		}
	}
	if simulated && len(from.names) < 20 {
		t.Fatalf("%d weights are simulated", len(from.names))
	}
	out, err := x.Run(t.Context(), in, program.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	decode := program.Optimize(sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, side, side))
	picture := runProgram(t, decode, map[string]program.Tensor{sdxl.InLatents: out[sdxl.OutLatents]}, src)
	return sdxl.Pixels(picture[sdxl.OutPicture].F, edition.Diffusers.RoundPixels)
}

// prompts are the castle's negative and positive prompt by diffusers.
func prompts(t *testing.T, name string) (out program.Tensor) {
	t.Helper()
	f, err := weights.OpenFile("../sdxl/testdata/castle/text.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for _, prompt := range []string{"negative", "positive"} {
		v, ok := f.Tensor(prompt + "." + name)
		if !ok {
			t.Fatalf("no %s.%s", prompt, name)
		}
		for i := 0; i < len(v.Data); i += 4 {
			out.F = append(out.F, math.Float32frombits(binary.LittleEndian.Uint32(v.Data[i:])))
		}
		out.Shape = append([]int{2}, v.Shape[1:]...)
	}
	return out
}

// psnr is in dB, over all bytes.
func psnr(a, b []byte) float64 {
	squares := 0.0
	for i := range a {
		d := float64(a[i]) - float64(b[i])
		squares += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a))/squares)
}

// TestInt8Quality measures what 8-bit products would lose on the small model, beside what bf16 loses: the figures of docs/adr/0012. The bounds hold
// what was measured.
func TestInt8Quality(t *testing.T) {
	if testing.Short() || New().Tier() == "go" {
		t.Skip("six pictures of 30 steps")
	}
	for _, c := range []struct {
		seed       uint64
		bf16, int8 float64 // dB at least
		most       float64 // of int8
	}{{42, 52, 50, 56}, {2, 52, 48, 54}} {
		full := castlePicture(t, program.F32, c.seed, false)
		b, i := psnr(full, castlePicture(t, program.BF16, c.seed, false)), psnr(full, castlePicture(t, program.F32, c.seed, true))
		t.Logf("seed %d: bf16 %.1f dB, int8 in linear layers %.1f dB", c.seed, b, i)
		if b < c.bf16 || i < c.int8 || i > c.most || i >= b {
			t.Errorf("seed %d: bf16 %.1f dB and int8 %.1f dB are not what was measured", c.seed, b, i)
		}
	}
}
