package sdxl

import (
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
)

// Names of a single evaluation's further input and its output.
const (
	InTimestep    = "timestep"   // [1,1]
	OutPrediction = "prediction" // as latents
)

// EvaluateProgram builds one evaluation of the UNet without a solver, at any batch: inputs InLatents, InTimestep,
// InContext, InPooled, InTimeIDs; output OutPrediction. patches are low-rank additions
// to its weights, or nil. It serves comparisons and benchmarks.
func EvaluateProgram(c *config.UNet, prec program.Precision, batch, height, width, tokens, pooled int, patches program.Patches) *program.Program {
	b := program.NewBuilder("evaluate", prec)
	b.Patch(patches)
	in := unet.Inputs{
		Latents:  b.Input(InLatents, program.Float32, batch, height, width, c.InChannels),
		Timestep: b.Input(InTimestep, program.Float32, 1, 1),
		Context:  b.Input(InContext, program.Float32, batch, tokens, c.CrossAttentionDim),
	}
	if c.AddTimeEmbedDim != 0 {
		in.Pooled = b.Input(InPooled, program.Float32, batch, pooled)
		in.TimeIDs = b.Input(InTimeIDs, program.Float32, batch, 6)
	}
	b.Output(OutPrediction, unet.Predict(b, c, in).Prediction)
	return b.Program()
}
