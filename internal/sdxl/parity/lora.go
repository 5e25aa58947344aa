package parity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

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
	t, err := strconv.Atoi(g.file.Metadata()["timestep"])
	if err != nil {
		return nil, fmt.Errorf("timestep: %w", err)
	}
	in, p, err := s.loraEvaluation(t)
	if err != nil {
		return nil, err
	}
	r := run{suite: s, golden: g, program: p, parts: []string{sdxl.UNet}, bound: StepBound}
	out, err := r.run(ctx, in, program.RunOptions{})
	if err != nil {
		return nil, err
	}
	r.compare(name+".sample", out[sdxl.OutPrediction])
	return r.rows, r.err
}

// loraEvaluation is one UNet evaluation at timestep t with the inputs of the model's own golden.
func (s *Suite) loraEvaluation(t int) (map[string]program.Tensor, *program.Program, error) {
	base, err := openGolden(s.Goldens, "unet.safetensors")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = base.file.Close() }()
	in := map[string]program.Tensor{sdxl.InTimestep: {Shape: []int{1, 1}, F: []float32{float32(t)}}}
	for port, tensor := range map[string]string{sdxl.InLatents: "latents", sdxl.InContext: "prompt_embeds", sdxl.InPooled: "pooled", sdxl.InTimeIDs: "time_ids"} {
		if in[port], err = base.tensor(tensor); err != nil {
			return nil, nil, err
		}
	}
	x := in[sdxl.InLatents].Shape
	return in, program.Optimize(sdxl.EvaluateProgram(s.Model.UNet, s.Precision, x[0], x[1], x[2], in[sdxl.InContext].Shape[1], in[sdxl.InPooled].Shape[1], s.additions(sdxl.UNet))), nil
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

// loraFile finds an adapter of a LoRA golden: in its folder, or among the examples.
func (s *Suite) loraFile(name string) string {
	local := filepath.Join(s.loraFolder(), name+".safetensors")
	if _, err := os.Stat(local); err == nil {
		return local
	}
	return filepath.Join(s.loraFolder(), "../../../../../examples", name, "loras", name+".safetensors")
}

// loraFolder holds the LoRA goldens of the suite's model.
func (s *Suite) loraFolder() string {
	return filepath.Join(filepath.Dir(s.Goldens), "lora", filepath.Base(s.Goldens))
}

// WithLoRAs is the suite with adapters on its model: "peft@0.7+kohya@1.3" is two files with their scales, which factor
// multiplies: 1, or another for a control. done closes the files.
func (s *Suite) WithLoRAs(name string, factor float64) (out *Suite, done func(), err error) {
	shapes, err := Shapes(s.Model)
	if err != nil {
		return nil, nil, err
	}
	with := *s
	with.LoRAs = nil
	done = func() {
		for _, a := range with.LoRAs {
			_ = a.Close()
		}
	}
	for one := range strings.SplitSeq(name, "+") {
		file, scale, _ := strings.Cut(one, "@")
		opt := lora.Options{Merge: s.Merge}
		if opt.Scale, err = strconv.ParseFloat(scale, 64); err != nil {
			return nil, done, fmt.Errorf("scale of %s: %w", name, err)
		}
		opt.Scale *= factor
		f, err := lora.Open(s.loraFile(file))
		if err != nil {
			return nil, done, err
		}
		a, err := lora.Apply(f, shapes, opt)
		if err != nil {
			return nil, done, errors.Join(err, f.Close())
		}
		with.LoRAs = append(with.LoRAs, a)
	}
	return &with, done, nil
}

// AllLoRAs compares every adapter of the model's LoRA golden; factor multiplies their scales.
func (s *Suite) AllLoRAs(ctx context.Context, factor float64) ([]Row, error) {
	names, err := s.LoRANames()
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, name := range names {
		with, done, err := s.WithLoRAs(name, factor)
		if err != nil {
			return nil, err
		}
		more, err := with.LoRA(ctx, filepath.Join(s.loraFolder(), "golden.safetensors"), name)
		done()
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

// LoRANames lists the adapters of the model's LoRA golden.
func (s *Suite) LoRANames() ([]string, error) {
	g, err := openGolden(s.loraFolder(), "golden.safetensors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	var out []string
	for _, tensor := range g.file.Names() {
		if name := tensor[:strings.LastIndexByte(tensor, '.')]; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out, nil
}

// LoRASampling compares a whole sampling run with adapters, from its own prompts.
func (s *Suite) LoRASampling(ctx context.Context, name string, factor float64) ([]Row, error) {
	with, done, err := s.WithLoRAs(name, factor)
	if err != nil {
		return nil, err
	}
	defer done()
	with.Goldens = filepath.Join(s.loraFolder(), name)
	return with.Denoise(ctx, with.Goldens)
}

// AllLoRASamplings compares the latents after a whole sampling run with every adapter of the model's LoRA golden, from the model's own
// prompts; factor multiplies the scales.
func (s *Suite) AllLoRASamplings(ctx context.Context, factor float64) ([]Row, error) {
	names, err := s.LoRANames()
	if err != nil {
		return nil, err
	}
	var rows []Row
	for _, name := range names {
		row, err := s.loraLatents(ctx, name, factor)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		rows = append(rows, row...)
	}
	return rows, nil
}

// loraLatents is one of them.
func (s *Suite) loraLatents(ctx context.Context, name string, factor float64) ([]Row, error) {
	with, done, err := s.WithLoRAs(name, factor)
	if err != nil {
		return nil, err
	}
	defer done()
	return with.denoise(ctx, s.loraFolder(), "sampling.safetensors", name+".")
}

// loraCases are the comparisons of LoRAs.
func loraCases(model string) []Case {
	tenth := Control{Mistake: "a tenth more scale", instead: func(ctx context.Context, s *Suite) ([]Row, error) { return s.AllLoRAs(ctx, 1.1) }}
	cases := []Case{{"LoRAs", func(ctx context.Context, s *Suite) ([]Row, error) { return s.AllLoRAs(ctx, 1) }, []Control{tenth}}}
	merged := func(s *Suite) *Suite {
		with := *s
		with.Merge = true
		return &with
	}
	cases = append(cases, Case{"LoRAs, merged", func(ctx context.Context, s *Suite) ([]Row, error) { return merged(s).AllLoRAs(ctx, 1) }, []Control{
		{Mistake: "a tenth more scale", instead: func(ctx context.Context, s *Suite) ([]Row, error) { return merged(s).AllLoRAs(ctx, 1.1) }}}})
	if model != "castle" {
		tenth.instead = func(ctx context.Context, s *Suite) ([]Row, error) { return s.AllLoRASamplings(ctx, 1.1) }
		return append(cases, Case{"sampling with LoRAs", func(ctx context.Context, s *Suite) ([]Row, error) { return s.AllLoRASamplings(ctx, 1) }, []Control{tenth}})
	}
	for _, name := range []string{"sci-fi@1.0", "sci-fi@1.0+pixel-art@1.4"} {
		double := Control{Mistake: "alpha taken for the rank", instead: func(ctx context.Context, s *Suite) ([]Row, error) { return s.LoRASampling(ctx, name, 2) }}
		cases = append(cases, Case{"sampling with " + name, func(ctx context.Context, s *Suite) ([]Row, error) { return s.LoRASampling(ctx, name, 1) }, []Control{double}})
	}
	return cases
}
