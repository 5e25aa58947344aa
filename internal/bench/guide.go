package bench

import (
	"fmt"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/ipadapter"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
)

// Guide says how large a job of the guide "Adapting Stable Diffusion XL" is.
type Guide struct {
	Width, Height, Steps int
	Precision            program.Precision
}

// What the guide's last step adds to the model. The ranks of its LoRAs are not in its text: both are taken to be 32, on every linear layer of the
// transformer blocks.
const (
	guideLoRAs = 2
	guideRank  = 32
)

// Stage is a program of a job.
type Stage struct {
	Name    string
	Program *program.Program
}

// GuideStages builds what the guide's last step runs: prompts, the picture that prompts, sampling with guidance 5, self-attention guidance, two
// LoRAs and an IP-Adapter Plus, and the decoding. All shapes are those of the real models; no weight is read.
func (m *Model) GuideStages(g Guide) []Stage {
	scale, vision := m.VAE.Scale(), visionH()
	text := sdxl.EncodePrompt{Text: m.Text, Precision: g.Precision, Batch: prompts, Tokens: m.Text[0].MaxPositions}
	adapted := m.denoise(g)
	adapted.Patches = everywhere(&adapted, guideRank, guideLoRAs)
	adapted.SelfAttention = sdxl.SelfAttention{Scale: 0.75, BlurSigma: 1}
	adapted.Images = []sdxl.ImagePrompt{{Adapter: m.plus(vision), Component: "ip_adapter", Weights: []float32{1}, Scale: ipadapter.Scale{Down: 1, Mid: 1, Up: 1},
		State: []int{vision.Tokens(), vision.Hidden}}}
	return []Stage{
		{"text encoders, 2 prompts", program.Optimize(text.Program())},
		{"image encoder, 2 pictures", program.Optimize(sdxl.EncodeImageProgram(vision, g.Precision, prompts))},
		{"sampling", program.Optimize(adapted.Program())},
		{"decoding", program.Optimize(sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, g.Height/scale, g.Width/scale))},
	}
}

// GuideStep builds the sampling of the guide's first step without self-attention guidance: each step is one evaluation of the UNet for two prompts.
func (m *Model) GuideStep(g Guide) *program.Program {
	d := m.denoise(g)
	return program.Optimize(d.Program())
}

func (m *Model) denoise(g Guide) sdxl.Denoise {
	scale := m.VAE.Scale()
	return sdxl.Denoise{UNet: m.UNet, Precision: g.Precision, Batch: 1, Height: g.Height / scale, Width: g.Width / scale, Tokens: m.Text[0].MaxPositions,
		Pooled: m.Text[1].Projection, Steps: g.Steps, Guidance: 5}
}

// visionH is the encoder of h94/IP-Adapter's models/image_encoder: CLIP's ViT-H/14.
func visionH() *config.Vision {
	return &config.Vision{Hidden: 1280, Intermediate: 5120, Layers: 32, Heads: 16, Channels: 3, ImageSize: 224, Patch: 14, Act: program.GELU,
		LayerNormEps: 1e-5, Projection: 1024}
}

// plus is ip-adapter-plus_sdxl_vit-h: a resampler of four layers that makes 16 tokens of a picture.
func (m *Model) plus(v *config.Vision) *ipadapter.Config {
	return &ipadapter.Config{Plus: true, Width: v.Hidden, Tokens: 16, Context: m.UNet.CrossAttentionDim, Sites: unet.Sites(m.UNet), Dim: 1280, Depth: 4,
		Heads: 20, FeedForward: 4 * 1280}
}

// everywhere are LoRAs of a rank on all linear layers of the transformer blocks.
func everywhere(d *sdxl.Denoise, rank, count int) program.Patches {
	out := make(program.Patches)
	for _, w := range d.Program().Weights() {
		if strings.Contains(w.Name, "transformer_blocks") && len(w.Shape) == 2 {
			for i := range count {
				out[w.Name] = append(out[w.Name], lowRank(fmt.Sprintf("lora.%d/%s", i, w.Name), w.Shape, rank))
			}
		}
	}
	return out
}

// lowRank is a LoRA of a matrix.
func lowRank(name string, shape []int, rank int) program.Patch {
	return program.Patch{Scale: 0.1, Down: program.Factor{Name: name + ".down", Shape: []int{rank, shape[1]}},
		Up: program.Factor{Name: name + ".up", Shape: []int{shape[0], rank}}}
}
