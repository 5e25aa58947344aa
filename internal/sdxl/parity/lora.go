package parity

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/clip"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/lora"
)

// Shapes are those of the model's components that LoRAs change.
func Shapes(m *sdxl.Model) (lora.Model, error) {
	out := make(lora.Model)
	for _, name := range []string{sdxl.UNet, sdxl.TextEncoder, sdxl.TextEncoder2} {
		c, err := m.Files.Component(name)
		if err != nil {
			return nil, err
		}
		out[name] = c.Shapes()
	}
	return out, nil
}

// part names what the i-th LoRA brings to a component.
func part(i int, component string) string { return fmt.Sprintf("lora.%d.%s", i, component) }

// additions are the low-rank layers of the suite's LoRAs for components.
func (s *Suite) additions(components ...string) program.Patches {
	out := make(program.Patches)
	for i, a := range s.LoRAs {
		for _, c := range components {
			for name, list := range a.Additions(part(i, c), c) {
				out[name] = append(out[name], list...)
			}
		}
	}
	return out
}

// source gives the weights of components with what LoRAs add and merge.
func (s *Suite) source(components ...string) (*lora.Source, error) {
	bundle, err := s.Model.Weights(components...)
	if err != nil {
		return nil, err
	}
	src := lora.NewSource(bundle)
	for i, a := range s.LoRAs {
		for _, c := range components {
			if a.Touches(c) {
				a.Join(src, part(i, c), c)
			}
		}
	}
	return src, nil
}

// LoRA compares what the suite's LoRAs make of one UNet evaluation and of a prompt: the tensors NAME.sample, NAME.prompt_embeds and
// NAME.pooled of file, those that it has. Inputs are those of the model's own goldens.
func (s *Suite) LoRA(ctx context.Context, file, name string) ([]Row, error) {
	g, err := openGolden(filepath.Dir(file), filepath.Base(file))
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	var rows []Row
	if g.has(name + ".sample") {
		more, err := s.loraStep(ctx, g, name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	if g.has(name + ".prompt_embeds") {
		more, err := s.loraText(ctx, g, name)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (s *Suite) loraStep(ctx context.Context, g *golden, name string) ([]Row, error) {
	base, err := openGolden(s.Goldens, "unet.safetensors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.file.Close() }()
	t, err := strconv.Atoi(g.file.Metadata()["timestep"])
	if err != nil {
		return nil, fmt.Errorf("timestep: %w", err)
	}
	in := map[string]program.Tensor{sdxl.InTimestep: {Shape: []int{1, 1}, F: []float32{float32(t)}}}
	for port, tensor := range map[string]string{sdxl.InLatents: "latents", sdxl.InContext: "prompt_embeds", sdxl.InPooled: "pooled", sdxl.InTimeIDs: "time_ids"} {
		if in[port], err = base.tensor(tensor); err != nil {
			return nil, err
		}
	}
	x := in[sdxl.InLatents].Shape
	r := run{suite: s, golden: g, parts: []string{sdxl.UNet}, bound: StepBound}
	r.program = sdxl.EvaluateProgram(s.Model.UNet, s.Precision, x[0], x[1], x[2], in[sdxl.InContext].Shape[1], in[sdxl.InPooled].Shape[1], s.additions(sdxl.UNet))
	out, err := r.run(ctx, in, program.RunOptions{})
	if err != nil {
		return nil, err
	}
	r.compare(name+".sample", out[sdxl.OutPrediction])
	return r.rows, r.err
}

func (s *Suite) loraText(ctx context.Context, g *golden, name string) ([]Row, error) {
	base, err := openGolden(s.Goldens, "text.safetensors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.file.Close() }()
	in := make(map[string]program.Tensor)
	for i, component := range [2]string{sdxl.TextEncoder, sdxl.TextEncoder2} {
		ids, err := base.tensor("positive." + component + ".ids")
		if err != nil {
			return nil, err
		}
		in[sdxl.InIDs[i]] = ids
		in[sdxl.InEnds[i]] = program.Tensor{Shape: []int{1}, I: []int32{clip.End(s.Model.Text[i], ids.I)}}
	}
	e := sdxl.EncodePrompt{Text: s.Model.Text, Precision: s.Precision, Batch: 1, Tokens: in[sdxl.InIDs[0]].Shape[1],
		Patches: s.additions(sdxl.TextEncoder, sdxl.TextEncoder2)}
	r := run{suite: s, golden: g, program: e.Program(), parts: []string{sdxl.TextEncoder, sdxl.TextEncoder2}, bound: TextBound}
	out, err := r.run(ctx, in, program.RunOptions{})
	if err != nil {
		return nil, err
	}
	r.compare(name+".prompt_embeds", out[sdxl.OutContext])
	r.compare(name+".pooled", out[sdxl.OutPooled])
	return r.rows, r.err
}
