// Package vae builds the KL autoencoder of SDXL (Rombach et al., 2022) as
// diffusers' AutoencoderKL has it, from its configuration. Its products are fp32 in every numerics class.
package vae

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// ID is a value of a program.
type ID = program.ID

// outEps is the epsilon of the attention's and the output's norms, in all references.
const outEps = 1e-6

// builder carries what all blocks share.
type builder struct {
	*program.Builder
	c   *config.VAE
	eps float32
}

// Decode builds the decoder below "vae/": latents [B,h,w,latent_channels], scaled as the UNet sees them, to a
// picture [B,h*8,w*8,out_channels] in about [-1,1]. eps is that of the residual blocks' norms.
func Decode(pb *program.Builder, c *config.VAE, eps float32, latents ID) (picture ID) {
	b := &builder{pb, c, eps}
	pb.WithPrecision(program.F32, func() {
		pb.Scope("vae/", func() {
			h := pb.Affine(latents, float32(1/c.ScalingFactor), float32(c.ShiftFactor))
			if c.PostQuantConv {
				h = nn.Conv1x1(c.LatentChannels).Apply(pb, "post_quant_conv", h)
			}
			pb.Scope("decoder", func() { picture = b.decoder(h) })
		})
	})
	return picture
}

func (b *builder) decoder(h ID) ID {
	last := len(b.c.BlockChannels) - 1
	h = b.conv("conv_in", b.c.BlockChannels[last], h)
	h = b.mid(h, b.c.BlockChannels[last])
	for i := range b.c.BlockChannels {
		channels := b.c.BlockChannels[last-i]
		b.Scope(fmt.Sprintf("up_blocks.%d", i), func() {
			for j := range b.c.LayersPerBlock + 1 {
				h = b.resnet(fmt.Sprintf("resnets.%d", j), channels, h)
			}
			if i < last {
				h = b.Upsample(h, 2*b.Dim(h, 1), 2*b.Dim(h, 2))
				h = b.conv("upsamplers.0.conv", channels, h)
			}
		})
	}
	return b.head(h, b.c.OutChannels)
}

// Encode builds the encoder below "vae/": a picture [B,H,W,in_channels] in [-1,1] to the mean of its
// latents [B,H/8,W/8,latent_channels], scaled as the UNet sees them, and the moments [B,H/8,W/8,2*latent_channels]
// (means, then log variances) as diffusers' latent_dist.parameters.
func Encode(pb *program.Builder, c *config.VAE, eps float32, picture ID) (latents, moments ID) {
	b := &builder{pb, c, eps}
	pb.WithPrecision(program.F32, func() {
		pb.Scope("vae/", func() {
			pb.Scope("encoder", func() { moments = b.encoder(picture) })
			if c.QuantConv {
				moments = nn.Conv1x1(2*c.LatentChannels).Apply(pb, "quant_conv", moments)
			}
			mean := pb.Slice(moments, -1, 0, c.LatentChannels)
			latents = pb.Affine(pb.Affine(mean, 1, float32(-c.ShiftFactor)), float32(c.ScalingFactor), 0)
		})
	})
	return latents, moments
}

func (b *builder) encoder(h ID) ID {
	last := len(b.c.BlockChannels) - 1
	h = b.conv("conv_in", b.c.BlockChannels[0], h)
	for i, channels := range b.c.BlockChannels {
		b.Scope(fmt.Sprintf("down_blocks.%d", i), func() {
			for j := range b.c.LayersPerBlock {
				h = b.resnet(fmt.Sprintf("resnets.%d", j), channels, h)
			}
			if i < last {
				h = nn.Conv{Out: channels, Kernel: 3, Stride: 2, PadAfter: 1}.Apply(b.Builder, "downsamplers.0.conv", h)
			}
		})
	}
	return b.head(b.mid(h, b.c.BlockChannels[last]), 2*b.c.LatentChannels)
}

// head is the norm, activation and convolution at the end of either half.
func (b *builder) head(h ID, out int) ID {
	h = b.Activate(b.c.Act, nn.GroupNorm(b.Builder, "conv_norm_out", b.c.NormGroups, outEps, h))
	return b.conv("conv_out", out, h)
}

// mid is a residual block, attention over all pixels with one head, and a residual block.
func (b *builder) mid(h ID, channels int) ID {
	b.Scope("mid_block", func() {
		h = b.resnet("resnets.0", channels, h)
		if b.c.MidAttention {
			b.Scope("attentions.0", func() { h = b.attention(h) })
		}
		h = b.resnet("resnets.1", channels, h)
	})
	return h
}

func (b *builder) attention(x ID) ID {
	shape := b.Shape(x)
	h := nn.GroupNorm(b.Builder, "group_norm", b.c.NormGroups, outEps, x)
	h = b.Reshape(h, shape[0], shape[1]*shape[2], shape[3])
	h = nn.Diffusers(1, true).Apply(b.Builder, h, h, shape[3], shape[3])
	return b.Add(b.Reshape(h, shape...), x)
}

// resnet is a ResnetBlock2D without a timestep.
func (b *builder) resnet(name string, out int, x ID) (y ID) {
	b.Scope(name, func() {
		c := b.c
		h := b.Activate(c.Act, nn.GroupNorm(b.Builder, "norm1", c.NormGroups, b.eps, x))
		h = b.conv("conv1", out, h)
		h = b.Activate(c.Act, nn.GroupNorm(b.Builder, "norm2", c.NormGroups, b.eps, h))
		h = b.conv("conv2", out, h)
		if b.Dim(x, -1) != out {
			x = nn.Conv1x1(out).Apply(b.Builder, "conv_shortcut", x)
		}
		y = b.Add(x, h)
	})
	return y
}

// leastWinograd is the number of channels, of both input and output, from which on a 3x3 convolution is summed by Winograd's
// algorithm. It is a part of the numerics classes (docs/numerics.md).
const leastWinograd = 32

// conv is a 3x3 convolution that keeps the size.
func (b *builder) conv(name string, out int, x ID) ID {
	c := nn.Conv3x3(out)
	c.Winograd = min(out, b.Dim(x, -1)) >= leastWinograd
	return c.Apply(b.Builder, name, x)
}
