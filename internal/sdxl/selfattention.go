package sdxl

import (
	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
)

// SelfAttention describes self-attention guidance (Hong et al., 2023) as diffusers' StableDiffusionSAGPipeline and Refiners'
// SAGAdapter have it: what the unconditional prediction sees of the picture is blurred where the UNet's middle block
// attends most, predicted again at the same noise level, and the result is led away from that prediction.
type SelfAttention struct {
	Scale     float32 // 0 means none
	BlurSigma float64 // standard deviation of the blur in latents' pixels; the references have 1
}

// blurTaps is the number of taps of the blur, as in both references.
const blurTaps = 9

// gaussian gives the taps of a blur: exp(-x^2 / 2 sigma^2) for x from -4 to 4, divided by their sum, in float64 and rounded once.
func gaussian(sigma float64) []float32 {
	var weights [blurTaps]float64
	total := 0.0
	for i := range weights {
		x := float64(i-blurTaps/2) / sigma
		weights[i] = numeric.Exp64(max(-600, float64(-0.5*float64(x*x))))
		total += weights[i]
	}
	taps := make([]float32, blurTaps)
	for i, w := range weights {
		taps[i] = float32(w / total)
	}
	return taps
}

// selfGuide adds self-attention guidance to a guided prediction. in and out are those of the evaluation, in which the entries
// of the unconditional prediction, or the only ones, come first; uncond is that prediction.
func (d *Denoise) selfGuide(b *program.Builder, in unet.Inputs, x, guided, uncond program.ID, out unet.Outputs, coefficients program.ID) program.ID {
	first := func(id program.ID) program.ID {
		if id == program.None {
			return id
		}
		return b.Slice(id, 0, 0, d.Batch)
	}
	m := out.Middle
	columns := b.AttentionColumns(first(m.Q), first(m.K), m.Heads, m.Scale)
	in.Latents = b.Degrade(x, uncond, columns, coefficients, program.Degrade{MapH: m.MapH, MapW: m.MapW, Taps: gaussian(d.SelfAttention.BlurSigma), Prediction: d.Prediction})
	in.Context, in.Pooled, in.TimeIDs = first(in.Context), first(in.Pooled), first(in.TimeIDs)
	in.Images = firstEntries(in.Images, first)
	degraded := unet.Predict(b, d.UNet, in)
	return b.SelfGuidance(guided, uncond, degraded.Prediction, d.SelfAttention.Scale)
}
