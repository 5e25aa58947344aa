package parity

import (
	"context"
	"path/filepath"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
)

// Case is one comparison of a model with its goldens, and mistakes that it has to see.
type Case struct {
	Name     string
	Run      func(ctx context.Context, s *Suite) ([]Row, error)
	Controls []Control
}

// Control is a deliberate mistake: some row has to exceed its bound tenfold.
type Control struct {
	Mistake string
	change  func(m *sdxl.Model)                                // of the configuration, or
	damage  string                                             // of one weight, or
	instead func(ctx context.Context, s *Suite) ([]Row, error) // of what is run
}

// Run runs a case with the mistake.
func (c Control) Run(ctx context.Context, s *Suite, of Case) ([]Row, error) {
	wrong := *s
	wrong.Damage = c.damage
	if c.change != nil {
		m, u, v, t0, t1, sched := *s.Model, *s.Model.UNet, *s.Model.VAE, *s.Model.Text[0], *s.Model.Text[1], *s.Model.Scheduler
		m.UNet, m.VAE, m.Text[0], m.Text[1], m.Scheduler = &u, &v, &t0, &t1, &sched
		u.Heads = append([]int(nil), u.Heads...)
		c.change(&m)
		wrong.Model = &m
	}
	if c.instead != nil {
		of.Run = c.instead
	}
	return of.Run(ctx, &wrong)
}

// Worst is the greatest difference as a multiple of its bound, among those whose bound is not 0.
func Worst(rows []Row) float64 {
	worst := 0.0
	for _, r := range rows {
		if r.Bound > 0 {
			worst = max(worst, r.Difference/r.Bound)
		}
	}
	return worst
}

// Mistakes of each part of a model.
var (
	textControls = []Control{
		{Mistake: "another number of heads in text_encoder", change: func(m *sdxl.Model) { m.Text[0].Heads = 1 }},
		{Mistake: "the activations of the text encoders exchanged", change: func(m *sdxl.Model) { m.Text[1].Act, m.Text[0].Act = m.Text[0].Act, m.Text[1].Act }},
		{Mistake: "one element of one weight changed", damage: "text_encoder_2/text_model.encoder.layers.0.mlp.fc1.weight"},
	}
	stepControls = []Control{
		{Mistake: "another number of heads in the last level", change: func(m *sdxl.Model) { m.UNet.Heads[2] = 1 }},
		{Mistake: "sines and cosines exchanged", change: func(m *sdxl.Model) { m.UNet.FlipSinToCos = !m.UNet.FlipSinToCos }},
		{Mistake: "one element of one weight changed", damage: "unet/mid_block.resnets.0.conv1.weight"},
	}
	sizesControls   = append(stepControls[:2:2], Control{Mistake: "one element of one weight changed", damage: "unet/conv_in.weight"})
	denoiseControls = []Control{
		{Mistake: "another rule for the last step", change: func(m *sdxl.Model) { m.Scheduler.AlphaToOne = !m.Scheduler.AlphaToOne }},
	}
	vaeControls = []Control{
		{Mistake: "half as many norm groups", change: func(m *sdxl.Model) { m.VAE.NormGroups /= 2 }},
		{Mistake: "one element of one weight changed", damage: "vae/decoder.mid_block.attentions.0.to_q.weight"},
		{Mistake: "one element of one of the encoder's weights changed", damage: "vae/encoder.mid_block.attentions.0.to_q.weight"},
	}
)

// Cases lists what is compared for the models "castle" and "oddball".
func Cases(model string) []Case {
	sizes := map[string]string{"castle": "unet_sizes.safetensors", "oddball": "unet_batch.safetensors"}[model]
	cases := []Case{
		{"text", func(ctx context.Context, s *Suite) ([]Row, error) { return s.Text(ctx) }, textControls},
		{"step", func(ctx context.Context, s *Suite) ([]Row, error) { return s.Step(ctx) }, stepControls},
		{"sizes", func(ctx context.Context, s *Suite) ([]Row, error) { return s.Sizes(ctx, sizes) }, sizesControls},
		{"sampling", func(ctx context.Context, s *Suite) ([]Row, error) { return s.Denoise(ctx, s.Goldens) }, denoiseControls},
		{"autoencoder", func(ctx context.Context, s *Suite) ([]Row, error) { return s.VAE(ctx) }, vaeControls},
	}
	cases = append(cases, loraCases(model)...)
	if model != "castle" {
		return cases
	}
	for _, size := range []string{"104x152", "128x88"} {
		at := func(s *Suite) string { return filepath.Join(filepath.Dir(s.Goldens), "endtoend", size) }
		cases = append(cases,
			Case{"sampling " + size, func(ctx context.Context, s *Suite) ([]Row, error) { return s.Denoise(ctx, at(s)) }, denoiseControls},
			Case{"autoencoder " + size, func(ctx context.Context, s *Suite) ([]Row, error) {
				there := *s
				there.Goldens = at(s)
				return there.VAE(ctx)
			}, vaeControls})
	}
	return append(append(cases, largeVAE()), selfAttention()...)
}

// selfAttention lists the sampling runs with self-attention guidance.
func selfAttention() []Case {
	var cases []Case
	for _, name := range []string{"128x128", "104x152", "alone"} {
		at := func(s *Suite) string { return filepath.Join(filepath.Dir(s.Goldens), "sag", name) }
		plain := func(ctx context.Context, s *Suite) ([]Row, error) {
			without := *s
			without.NoSelfAttention = true
			return without.Denoise(ctx, at(s))
		}
		cases = append(cases, Case{"self-attention guidance " + name,
			func(ctx context.Context, s *Suite) ([]Row, error) { return s.SelfAttention(ctx, at(s)) },
			[]Control{
				{Mistake: "no self-attention guidance", instead: plain},
				{Mistake: "another number of heads in the middle block", change: func(m *sdxl.Model) { m.UNet.Heads[2] = 1 }},
			}})
	}
	return cases
}
