package parity

import (
	"context"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/clip"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/lora"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
)

// Bounds of max |a-b| / max |b| in fp32.
const (
	TextBound   = 1e-5 // text states and pooled
	StepBound   = 1e-4 // one UNet evaluation and its blocks
	DenoiseEnd  = 1e-3 // latents after 30 steps
	VAEBound    = 1e-4 // the autoencoder's blocks and moments
	PixelsEqual = 0.999
)

// Row is one comparison.
type Row struct {
	Block      string
	Difference float64 // max |a-b| / max |b|
	Bound      float64
}

// OK says whether the bound holds.
func (r Row) OK() bool { return r.Difference <= r.Bound }

// Suite compares one model with its goldens on one executor.
type Suite struct {
	Model     *sdxl.Model
	Goldens   string // folder
	Executor  program.Executor
	Precision program.Precision
	Threads   int
	Damage    string // a weight whose first element is replaced by 10: for controls
	// NoSelfAttention leaves self-attention guidance out whatever the golden says: for controls.
	NoSelfAttention bool
	// Observe, if it is set, is told of each run's duration, with what the comparisons took.
	Observe func(exec program.Exec, took time.Duration)
	LoRAs   []*lora.Adapter // on the model, in this order
	Merge   bool            // those that [Suite.WithLoRAs] opens are merged into the weights
}

// Text compares all hidden states of both text encoders, the prompt's embedding and the pooled prompt.
func (s *Suite) Text(ctx context.Context) ([]Row, error) {
	g, err := openGolden(s.Goldens, "text.safetensors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	var rows []Row
	for _, prompt := range []string{"positive", "negative", "empty", "long"} {
		if !g.has(prompt + ".prompt_embeds") {
			continue
		}
		more, err := s.prompt(ctx, g, prompt)
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (s *Suite) prompt(ctx context.Context, g *golden, prompt string) ([]Row, error) {
	in := make(map[string]program.Tensor)
	modules := make(map[string]string) // module -> golden
	var names []string
	for i, part := range [2]string{sdxl.TextEncoder, sdxl.TextEncoder2} {
		ids, err := g.tensor(prompt + "." + part + ".ids")
		if err != nil {
			return nil, err
		}
		in[sdxl.InIDs[i]] = ids
		in[sdxl.InEnds[i]] = program.Tensor{Shape: []int{1}, I: []int32{clip.End(s.Model.Text[i], ids.I)}}
		layers := s.Model.Text[i].Layers
		if !s.Model.Text[i].WithProjection {
			layers-- // nothing reads the last one
		}
		for k := range layers {
			m := fmt.Sprintf("%s/text_model.encoder.layers.%d", part, k)
			modules[m] = fmt.Sprintf("%s.%s.hidden.%d", prompt, part, k+1)
			names = append(names, m)
		}
		if !s.Model.Text[i].WithProjection {
			continue
		}
		last := part + "/text_model.final_layer_norm"
		modules[last] = prompt + "." + part + ".last_hidden_state"
		names = append(names, last)
	}
	e := sdxl.EncodePrompt{Text: s.Model.Text, Precision: s.Precision, Batch: 1, Tokens: in[sdxl.InIDs[0]].Shape[1],
		Patches: s.additions(sdxl.TextEncoder, sdxl.TextEncoder2)}
	r := run{suite: s, golden: g, program: e.Program(), parts: []string{sdxl.TextEncoder, sdxl.TextEncoder2}, bound: TextBound}
	r.watch("", names, func(m string) string { return modules[m] })
	out, err := r.run(ctx, in, program.RunOptions{})
	if err != nil {
		return nil, err
	}
	r.compare(prompt+".prompt_embeds", out[sdxl.OutContext])
	r.compare(prompt+".pooled", out[sdxl.OutPooled])
	return r.rows, r.err
}

// Step compares UNet evaluations block by block: one for each prefix "t981." in the golden.
func (s *Suite) Step(ctx context.Context) ([]Row, error) {
	g, err := openGolden(s.Goldens, "unet.safetensors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	var rows []Row
	for _, name := range slices.Sorted(slices.Values(g.file.Names())) {
		var t int
		if n, _ := fmt.Sscanf(name, "t%d.sample", &t); n != 1 || !strings.HasSuffix(name, ".sample") {
			continue
		}
		prefix := fmt.Sprintf("t%d.", t)
		r, err := s.evaluate(ctx, g, t, "latents", "time_ids", prefix+"sample", prefix)
		if err != nil {
			return nil, err
		}
		rows = append(rows, r...)
	}
	return rows, nil
}

// Sizes compares UNet evaluations at other sizes, among them odd ones, and batches.
func (s *Suite) Sizes(ctx context.Context, file string) ([]Row, error) {
	g, err := openGolden(s.Goldens, file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	t, err := strconv.Atoi(g.file.Metadata()["timestep"])
	if err != nil {
		return nil, fmt.Errorf("%s: timestep: %w", file, err)
	}
	var rows []Row
	for _, name := range g.file.Names() {
		size, ok := strings.CutSuffix(name, ".latents")
		if !ok {
			continue
		}
		r, err := s.evaluate(ctx, g, t, name, size+".time_ids", size+".sample", "")
		if err != nil {
			return nil, err
		}
		rows = append(rows, r...)
	}
	return rows, nil
}

// evaluate runs the UNet once. With a prefix, every module in the golden is compared too.
func (s *Suite) evaluate(ctx context.Context, g *golden, t int, latents, timeIDs, sample, prefix string) ([]Row, error) {
	in := map[string]program.Tensor{sdxl.InTimestep: {Shape: []int{1, 1}, F: []float32{float32(t)}}}
	for port, name := range map[string]string{sdxl.InLatents: latents, sdxl.InContext: "prompt_embeds", sdxl.InPooled: "pooled", sdxl.InTimeIDs: timeIDs} {
		v, err := g.tensor(name)
		if err != nil {
			return nil, err
		}
		in[port] = v
	}
	x, c := in[sdxl.InLatents].Shape, in[sdxl.InContext].Shape
	p := sdxl.EvaluateProgram(s.Model.UNet, s.Precision, x[0], x[1], x[2], c[1], in[sdxl.InPooled].Shape[1], s.additions(sdxl.UNet))
	r := run{suite: s, golden: g, program: p, parts: []string{sdxl.UNet}, bound: StepBound}
	if prefix != "" {
		var modules []string
		for _, name := range g.file.Names() {
			if m, ok := strings.CutPrefix(name, prefix); ok && m != "sample" && !strings.HasSuffix(m, ".input") {
				modules = append(modules, m)
			}
		}
		r.watch("unet/", modules, func(m string) string { return prefix + m })
	}
	out, err := r.run(ctx, in, program.RunOptions{})
	if err != nil {
		return nil, err
	}
	r.compare(sample, out[sdxl.OutPrediction])
	return r.rows, r.err
}

// Denoise compares a whole sampling run with guidance, from the same noise and prompts; folder is where its golden lies.
func (s *Suite) Denoise(ctx context.Context, folder string) ([]Row, error) {
	return s.denoise(ctx, folder, "denoise.safetensors", "")
}

// denoise compares the latents of a run, tensors that begin with prefix.
func (s *Suite) denoise(ctx context.Context, folder, file, prefix string) ([]Row, error) {
	g, err := openGolden(folder, file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	in, d, err := s.sampling(g)
	if err != nil {
		return nil, err
	}
	r := run{suite: s, golden: g, program: d.Program(), parts: []string{sdxl.UNet}, bound: DenoiseEnd}
	_, err = r.run(ctx, in, program.RunOptions{OnStep: func(done int, state func() map[string]program.Tensor) error {
		if name := fmt.Sprintf("%slatents.%d", prefix, done); g.has(name) {
			r.compare(name, state()["latents"])
		}
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return r.rows, r.err
}

// sampling gathers the inputs of a sampling run and what the golden's metadata says of it.
func (s *Suite) sampling(g *golden) (map[string]program.Tensor, *sdxl.Denoise, error) {
	text, err := openGolden(s.Goldens, "text.safetensors")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = text.file.Close() }()
	steps, err := g.number("steps", 0)
	if err != nil {
		return nil, nil, err
	}
	guidance, err := g.number("guidance_scale", 0)
	if err != nil {
		return nil, nil, err
	}
	self, err := g.number("sag_scale", 0)
	if err != nil {
		return nil, nil, err
	}
	if s.NoSelfAttention {
		self = 0
	}
	sigma, err := g.number("sag_sigma", 1)
	if err != nil {
		return nil, nil, err
	}
	latents, err := g.tensor("latents.0")
	if err != nil {
		return nil, nil, err
	}
	prompts := []string{"negative", "positive"}
	if guidance == 1 {
		prompts = prompts[1:]
	}
	in := map[string]program.Tensor{sdxl.InLatents: latents}
	for port, name := range map[string]string{sdxl.InContext: "prompt_embeds", sdxl.InPooled: "pooled"} {
		joined := program.Tensor{}
		for _, prompt := range prompts {
			v, err := text.tensor(prompt + "." + name)
			if err != nil {
				return nil, nil, err
			}
			joined.F = append(joined.F, v.F...)
			joined.Shape = append([]int{len(prompts)}, v.Shape[1:]...)
		}
		in[port] = joined
	}
	h, w := latents.Shape[1], latents.Shape[2]
	scale := float32(s.Model.VAE.Scale())
	ids := program.Tensor{Shape: []int{len(prompts), 6}}
	for range prompts {
		ids.F = append(ids.F, float32(h)*scale, float32(w)*scale, 0, 0, float32(h)*scale, float32(w)*scale)
	}
	in[sdxl.InTimeIDs] = ids
	table, err := solver.DDIM(s.Model.Scheduler, int(steps), edition.Diffusers)
	if err != nil {
		return nil, nil, err
	}
	for name, t := range sdxl.SolverInputs(table) {
		in[name] = t
	}
	return in, &sdxl.Denoise{UNet: s.Model.UNet, Prediction: s.Model.Scheduler.Prediction, Precision: s.Precision, Batch: 1, Height: h, Width: w,
		Tokens: in[sdxl.InContext].Shape[1], Pooled: in[sdxl.InPooled].Shape[1], Steps: int(steps), Guidance: float32(guidance),
		SelfAttention: sdxl.SelfAttention{Scale: float32(self), BlurSigma: sigma}, Patches: s.additions(sdxl.UNet)}, nil
}

// VAE compares decoding and encoding block by block. The row "pixels" has the share of bytes that differ
// or 1 where one differs by more than a level.
func (s *Suite) VAE(ctx context.Context) ([]Row, error) {
	g, err := openGolden(s.Goldens, "vae.safetensors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	latents, err := g.tensor("latents")
	if err != nil {
		return nil, err
	}
	var encoder []string
	for _, name := range g.file.Names() {
		if strings.HasPrefix(name, "encoder.") {
			encoder = append(encoder, name)
		}
	}
	same := func(m string) string { return m }
	r := run{suite: s, golden: g, parts: []string{sdxl.VAE}, bound: VAEBound}
	r.program = sdxl.DecodeProgram(s.Model.VAE, edition.Diffusers.ResnetEps, 1, latents.Shape[1], latents.Shape[2])
	r.watch("vae/", decoderBlocks(g), same)
	out, err := r.run(ctx, map[string]program.Tensor{sdxl.InLatents: latents}, program.RunOptions{})
	if err != nil {
		return nil, err
	}
	r.compare("image", out[sdxl.OutPicture])
	pixels, err := g.tensor("pixels")
	if err != nil {
		return nil, err
	}
	r.rows = append(r.rows, Row{"pixels", unequal(sdxl.Pixels(out[sdxl.OutPicture].F, edition.Diffusers.RoundPixels), pixels.F), 1 - PixelsEqual})

	picture := program.Tensor{Shape: append([]int{1}, pixels.Shape...), F: make([]float32, len(pixels.F))}
	for i, v := range pixels.F {
		picture.F[i] = v/255*2 - 1
	}
	r.program = sdxl.EncodeProgram(s.Model.VAE, edition.Diffusers.ResnetEps, 1, picture.Shape[1], picture.Shape[2])
	r.watch("vae/", encoder, same)
	out, err = r.run(ctx, map[string]program.Tensor{sdxl.InPicture: picture}, program.RunOptions{})
	if err != nil {
		return nil, err
	}
	r.compare("moments", out[sdxl.OutMoments])
	return r.rows, r.err
}

// unequal is the share of bytes that differ; 1 where one is off by more than a level.
func unequal(a []byte, b []float32) float64 {
	if len(a) != len(b) {
		return 1
	}
	n := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		if d < -1 || d > 1 {
			return 1
		}
		n += d * d
	}
	return float64(n) / float64(len(a))
}

// run is one program under comparison.
type run struct {
	suite   *Suite
	golden  *golden
	program *program.Program
	parts   []string
	weights func(program.WeightSource) program.WeightSource // what is read instead of the parts' weights; nil for these
	bound   float64
	at      map[int][]string
	name    func(module string) string
	rows    []Row
	err     error
}

// watch compares the outputs of modules (paths below prefix) with the goldens that name gives.
func (r *run) watch(prefix string, modules []string, name func(string) string) {
	sort.Strings(modules)
	r.at, r.name = capture(r.program, prefix, modules), name
	found := 0
	for _, m := range r.at {
		found += len(m)
	}
	if found != len(modules) {
		r.err = fmt.Errorf("%d of the modules %v are in the program", found, modules)
	}
}

func (r *run) run(ctx context.Context, in map[string]program.Tensor, opt program.RunOptions) (map[string]program.Tensor, error) {
	src, err := r.suite.source(r.parts...)
	if err != nil {
		return nil, err
	}
	var source program.WeightSource = src
	if r.weights != nil {
		source = r.weights(source)
	}
	if r.suite.Damage != "" {
		source = damaged{source, r.suite.Damage}
	}
	exec, err := r.suite.Executor.Compile(r.program, program.Options{Weights: source, Threads: r.suite.Threads})
	if err != nil {
		return nil, err
	}
	defer func() { _ = exec.Close() }()
	if len(r.at) > 0 {
		opt.OnInstr = func(i int, value func(program.ID) program.Tensor) {
			for _, m := range r.at[i] {
				r.compare(r.name(m), value(r.program.Instrs[i].Out[0]))
			}
		}
	}
	start := time.Now()
	out, err := exec.Run(ctx, in, opt)
	if err == nil && r.suite.Observe != nil {
		r.suite.Observe(exec, time.Since(start))
	}
	return out, err
}

// compare adds a row for a golden.
func (r *run) compare(name string, got program.Tensor) {
	want, err := r.golden.tensor(name)
	if err != nil {
		r.err = err
		return
	}
	r.rows = append(r.rows, Row{name, Difference(thin(got, r.golden.stride(name)), want.F), r.bound})
}

// damaged replaces the first element of one weight by 10.
type damaged struct {
	program.WeightSource
	name string
}

// Weight implements program.WeightSource.
func (d damaged) Weight(name string) (program.WeightData, error) {
	w, err := d.WeightSource.Weight(name)
	if err != nil || name != d.name {
		return w, err
	}
	w.Data = slices.Clone(w.Data)
	copy(w.Data, map[program.WeightType]string{program.WF32: "\x00\x00\x20\x41", program.WF16: "\x00\x49", program.WBF16: "\x20\x41"}[w.Type])
	return w, nil
}
