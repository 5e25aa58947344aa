package bench

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// prompts are encoded at once: the one and the negative one.
const prompts = 2

// job is a part of a model.
type job struct {
	name       string
	program    *program.Program
	components []string
	precision  program.Precision
	work       float64 // of a step, or of a run where there is no loop
}

// jobList builds the jobs: the programs that nodes run.
func (r *runner) jobList() ([]job, error) {
	m, scale := r.Model, r.Model.VAE.Scale()
	if r.Width%scale != 0 || r.Height%scale != 0 || r.Width <= 0 || r.Height <= 0 {
		return nil, fmt.Errorf("a picture of %dx%d pixels: this model needs multiples of %d", r.Width, r.Height, scale)
	}
	encode := sdxl.EncodePrompt{Text: m.Text, Precision: r.Precision, Batch: prompts, Tokens: m.Text[0].MaxPositions}
	text := program.Optimize(encode.Program())
	step := func(steps int) *program.Program {
		d := sdxl.Denoise{UNet: m.UNet, Precision: r.Precision, Batch: r.Batch, Height: r.Height / scale, Width: r.Width / scale,
			Tokens: m.Text[0].MaxPositions, Pooled: m.Text[1].Projection, Steps: steps, Guidance: 1}
		return program.Optimize(d.Program())
	}
	unet := step(r.Steps)
	decode := program.Optimize(sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, r.Height/scale, r.Width/scale))
	return []job{
		{fmt.Sprintf("text encoders, %d prompts, %s", prompts, r.Precision), text, []string{sdxl.TextEncoder, sdxl.TextEncoder2}, r.Precision, flops(text)},
		{fmt.Sprintf("UNet, batch %d, %dx%d, %s", r.Batch, r.Width, r.Height, r.Precision), unet, []string{sdxl.UNet}, r.Precision, flops(step(2)) - flops(step(1))},
		{fmt.Sprintf("VAE decode, %dx%d, fp32", r.Width, r.Height), decode, []string{sdxl.VAE}, program.F32, flops(decode)},
	}, nil
}

// flops counts a program's floating point operations in products and attention.
func flops(p *program.Program) float64 { return 2 * float64(program.MACs(p)) }

// jobs measures each job.
func (r *runner) jobs() error {
	if r.Model == nil {
		return nil
	}
	list, err := r.jobList()
	if err != nil {
		return err
	}
	for _, j := range list { // before anything takes minutes
		if err := r.fits(j); err != nil {
			return err
		}
	}
	for _, j := range list {
		if err := r.job(j); err != nil {
			return fmt.Errorf("%s: %w", j.name, err)
		}
	}
	return nil
}

// fits refuses a job that needs more memory than may be used.
func (r *runner) fits(j job) error {
	need := r.exec.Estimate(j.program, r.Threads)
	if r.Memory > 0 && need > r.Memory {
		return fmt.Errorf("%s needs %.1f GB of memory beside the weights, and %.1f GB may be used; a smaller --size or --batch needs less", j.name, float64(need)/1e9, float64(r.Memory)/1e9)
	}
	return nil
}

// job measures one: the first time, which touches memory and packs weights, and the times after it.
func (r *runner) job(j job) error {
	debug.FreeOSMemory() // what went before is not this job's
	fresh := machine.ResetPeak()
	src, taken, err := r.Model.weights(j.program, j.components...)
	if err != nil {
		return err
	}
	if need := r.exec.Estimate(j.program, r.Threads) + taken; r.Memory > 0 && need > r.Memory {
		return fmt.Errorf("it needs %.1f GB of memory, %.1f GB of it for weights that are made up, and %.1f GB may be used", float64(need)/1e9, float64(taken)/1e9, float64(r.Memory)/1e9)
	}
	exec, err := r.exec.Compile(j.program, program.Options{Weights: src, Threads: r.Threads})
	if err != nil {
		return err
	}
	defer func() { _ = exec.Close() }()
	parts := r.newParts(j)
	took, finite, err := r.times(j, exec, parts)
	if err != nil {
		return err
	}
	row := Row{Group: Jobs, Name: j.name + ", first", Unit: FLOP, Work: j.work, Seconds: took[:1], Limit: r.arithmetic(j.precision, r.Threads), PeakRSS: machine.PeakResident()}
	if !finite {
		row.Note = "the result has numbers that are not finite"
	}
	if !fresh && row.PeakRSS > 0 {
		row.Note = join(row.Note, "the peak of memory is that of the whole process")
	}
	r.report.add(row)
	if len(took) > 1 {
		row.Name, row.Seconds = j.name, took[1:]
		r.report.add(row)
		parts.report(r)
	}
	return nil
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// times gives the seconds of each step of a loop or of each run of a program without one.
func (r *runner) times(j job, exec program.Exec, parts *parts) (took []float64, finite bool, err error) {
	in := Inputs(j.program)
	if j.program.Steps > 0 {
		return r.loop(j.name, j.program, exec, in, 0, parts)
	}
	total := len(j.program.Instrs) * (r.Repeat + 1)
	for i := range r.Repeat + 1 {
		start, done := time.Now(), i*len(j.program.Instrs)
		parts.begin()
		out, err := exec.Run(r.ctx, in, program.RunOptions{OnInstr: func(i int, _ func(program.ID) program.Tensor) {
			parts.end(i)
			done++
			r.Progress(j.name, done, total)
			parts.begin()
		}})
		if err != nil {
			return nil, false, err
		}
		took = append(took, seconds(time.Since(start)))
		parts.next()
		finite = allFinite(out)
	}
	return took, finite, nil
}

// allFinite says whether all results are numbers.
func allFinite(out map[string]program.Tensor) bool {
	for _, t := range out {
		if slices.ContainsFunc(t.F, func(v float32) bool { return math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) }) {
			return false
		}
	}
	return true
}
