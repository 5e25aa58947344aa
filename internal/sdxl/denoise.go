// Package sdxl joins the parts of Stable Diffusion XL into programs: prompt encoding, sampling, and
// the picture. It knows neither workflow files nor nodes.
package sdxl

import (
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/solver"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
)

// Denoise describes a sampling run.
type Denoise struct {
	UNet       *config.UNet
	Prediction program.Prediction
	Precision  program.Precision
	Batch      int // pictures at once
	Height     int // of the latents
	Width      int
	Tokens     int     // rows of the prompt's embedding
	Pooled     int     // width of the pooled prompt
	Steps      int     // of the solver
	Guidance   float32 // scale of classifier-free guidance; 1 means none
	// SelfAttention is self-attention guidance on top.
	SelfAttention SelfAttention
	// Patches are low-rank additions to the UNet's weights.
	Patches program.Patches
	// Images are pictures that prompt beside the text.
	Images []ImagePrompt
}

// Names of a sampling program's inputs and outputs. With guidance, context, pooled and time ids have
// 2*Batch entries: those of the negative prompt, then those of the prompt.
const (
	InLatents      = "latents"      // [B,H,W,C]
	InContext      = "context"      // [2B or B,T,cross_attention_dim]
	InPooled       = "pooled"       // [2B or B,pooled]
	InTimeIDs      = "time_ids"     // [2B or B,6]
	InTimesteps    = "timesteps"    // [steps,1]
	InCoefficients = "coefficients" // [steps,4], see solver.Table
	OutLatents     = "latents"      // [B,H,W,C]
)

// Guided says whether guidance doubles the batch.
func (d *Denoise) Guided() bool { return d.Guidance != 1 }

// Program builds the whole sampling loop.
func (d *Denoise) Program() *program.Program {
	b := program.NewBuilder("denoise", d.Precision)
	latents, in := d.inputs(b)
	timesteps := b.Input(InTimesteps, program.Float32, d.Steps, 1)
	coefficients := b.Input(InCoefficients, program.Float32, d.Steps, 4)

	b.Loop(d.Steps)
	x := b.Carry("latents", latents)
	in.Latents, in.Timestep, in.Steps = d.double(b, x), timesteps, d.Steps
	out := unet.Predict(b, d.UNet, in)
	uncond := b.Slice(out.Prediction, 0, 0, d.Batch)
	guided := uncond
	if d.Guided() {
		guided = b.Guidance(uncond, b.Slice(out.Prediction, 0, d.Batch, 2*d.Batch), d.Guidance)
	}
	row := b.StepRow(coefficients)
	if d.SelfAttention.Scale != 0 {
		guided = d.selfGuide(b, in, x, guided, uncond, out, row)
	}
	b.Next(x, b.SolverStep(x, guided, row, d.Prediction))
	b.EndLoop()
	b.Output(OutLatents, x)
	return b.Program()
}

// Evaluation builds one evaluation of what the loop evaluates, without what guidance and the solver make of it: inputs are those of
// [Denoise.Program] with InTimestep in place of the solver's, the output is OutPrediction, of 2*Batch entries with guidance.
func (d *Denoise) Evaluation() *program.Program {
	b := program.NewBuilder("evaluation", d.Precision)
	latents, in := d.inputs(b)
	in.Latents, in.Timestep = d.double(b, latents), b.Input(InTimestep, program.Float32, 1, 1)
	b.Output(OutPrediction, unet.Predict(b, d.UNet, in).Prediction)
	return b.Program()
}

// inputs declares what both programs read, and builds what is the same in each step.
func (d *Denoise) inputs(b *program.Builder) (latents program.ID, in unet.Inputs) {
	b.Patch(d.Patches)
	n := d.Batch
	if d.Guided() {
		n *= 2
	}
	latents = b.Input(InLatents, program.Float32, d.Batch, d.Height, d.Width, d.UNet.InChannels)
	in.Context = b.Input(InContext, program.Float32, n, d.Tokens, d.UNet.CrossAttentionDim)
	if d.UNet.AddTimeEmbedDim != 0 {
		in.Pooled = b.Input(InPooled, program.Float32, n, d.Pooled)
		in.TimeIDs = b.Input(InTimeIDs, program.Float32, n, 6)
	}
	in.Images = d.images(b)
	return latents, in
}

// double repeats the latents where guidance evaluates them twice.
func (d *Denoise) double(b *program.Builder, x program.ID) program.ID {
	if !d.Guided() {
		return x
	}
	return b.Concat(0, x, x)
}

// SolverInputs are the inputs that carry a solver's table.
func SolverInputs(t *solver.Table) map[string]program.Tensor {
	n := len(t.Timesteps)
	timesteps := program.Tensor{Shape: []int{n, 1}}
	rows := program.Tensor{Shape: []int{n, 4}}
	for i, step := range t.Timesteps {
		timesteps.F = append(timesteps.F, float32(step))
		rows.F = append(rows.F, t.Coefficients[i][:]...)
	}
	return map[string]program.Tensor{InTimesteps: timesteps, InCoefficients: rows}
}
