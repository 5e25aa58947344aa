package sdxl

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/vae"
)

// Names of the autoencoder programs' inputs and outputs beside OutLatents.
const (
	InPicture  = "picture" // [B,H,W,3] in [-1,1]
	OutPicture = "picture"
	OutMoments = "moments"
)

// DecodeProgram decodes latents [batch,height,width,c] to a picture.
func DecodeProgram(c *config.VAE, eps float32, batch, height, width int) *program.Program {
	b := program.NewBuilder("decode", program.F32)
	latents := b.Input(InLatents, program.Float32, batch, height, width, c.LatentChannels)
	b.Output(OutPicture, vae.Decode(b, c, eps, latents))
	return b.Program()
}

// EncodeProgram encodes a picture [batch,height,width,3] in [-1,1] to the mean of its latents and their moments.
func EncodeProgram(c *config.VAE, eps float32, batch, height, width int) *program.Program {
	b := program.NewBuilder("encode", program.F32)
	picture := b.Input(InPicture, program.Float32, batch, height, width, c.InChannels)
	latents, moments := vae.Encode(b, c, eps, picture)
	b.Output(OutLatents, latents)
	b.Output(OutMoments, moments)
	return b.Program()
}

// Pixels turns a picture in [-1,1] into bytes: clamp(x/2 + 0.5, 0, 1) * 255, rounded to
// nearest, ties to even, or else cut off. A NaN is 0.
func Pixels(picture []float32, round bool) []byte {
	out := make([]byte, len(picture))
	for i, x := range picture {
		v := float32(x*0.5) + 0.5
		v = float32(max(0, min(1, v)) * 255)
		if v != v {
			continue
		}
		if round {
			v = float32(math.RoundToEven(float64(v)))
		}
		out[i] = byte(v)
	}
	return out
}
