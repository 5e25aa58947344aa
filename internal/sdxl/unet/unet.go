// Package unet builds the UNet of SDXL (Podell et al., 2023) as diffusers'
// UNet2DConditionModel has it, from its configuration.
package unet

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// ID is a value of a program.
type ID = program.ID

// Inputs of one evaluation.
type Inputs struct {
	Latents  ID  // [B,H,W,in_channels]
	Timestep ID  // [1,1]; in a loop the table of all steps, [Steps,1]
	Steps    int // of the loop that this is built in; 0 for none
	Context  ID  // [B,T,cross_attention_dim]
	Pooled   ID  // [B,pooled width]; None without text-time embedding
	TimeIDs  ID  // [B,6]; None without text-time embedding
	Images   []ImagePrompt
}

// builder carries what all blocks share.
type builder struct {
	*program.Builder
	c       *config.UNet
	time    times
	context ID
	prompts []ImagePrompt
	sites   map[string]int // by path, the index in Sites
	probe   *Middle        // where the next self-attention leaves what it computed; nil for nowhere
}

// Outputs of one evaluation.
type Outputs struct {
	Prediction ID // [B,H,W,out_channels]
	Middle     Middle
}

// Middle is the first self-attention of the middle block, over MapH x MapW pixels.
type Middle struct {
	nn.Probe
	MapH, MapW int
}

// Predict builds one evaluation below the scope "unet/".
func Predict(pb *program.Builder, c *config.UNet, in Inputs) (out Outputs) {
	b := &builder{Builder: pb, c: c, time: times{steps: in.Steps, batch: pb.Dim(in.Latents, 0)}, context: in.Context, prompts: in.Images, sites: make(map[string]int)}
	for i, s := range Sites(c) {
		b.sites["unet/"+s.Path] = i
	}
	b.Scope("unet/", func() {
		b.time.emb = b.Activate(c.Act, b.embedding(in))
		h := nn.Conv3x3(c.BlockChannels[0]).Apply(pb, "conv_in", in.Latents)
		skips := []ID{h}
		for i := range c.BlockChannels {
			b.Scope(fmt.Sprintf("down_blocks.%d", i), func() { h, skips = b.down(i, h, skips) })
		}
		b.Scope("mid_block", func() { h = b.mid(h, &out.Middle) })
		for i := range c.BlockChannels {
			b.Scope(fmt.Sprintf("up_blocks.%d", i), func() { h, skips = b.up(i, h, skips) })
		}
		h = b.Activate(c.Act, nn.GroupNorm(pb, "conv_norm_out", c.NormGroups, c.NormEps, h))
		out.Prediction = nn.Conv3x3(c.OutChannels).Apply(pb, "conv_out", h)
	})
	return out
}

// down is one down block; it adds what the up blocks will read to skips.
func (b *builder) down(i int, h ID, skips []ID) (ID, []ID) {
	for j := range b.c.LayersPerBlock[i] {
		h = b.resnet(j, b.c.BlockChannels[i], h)
		if b.c.Attention[i] {
			h = b.transformer(j, i, h)
		}
		skips = append(skips, h)
	}
	if i == len(b.c.BlockChannels)-1 {
		return h, skips
	}
	pad := b.c.DownsamplePadding
	conv := nn.Conv{Out: b.c.BlockChannels[i], Kernel: 3, Stride: 2, PadBefore: pad, PadAfter: pad}
	if pad == 0 {
		conv.PadAfter = 1 // diffusers pads the bottom and right itself
	}
	h = conv.Apply(b.Builder, "downsamplers.0.conv", h)
	return h, append(skips, h)
}

func (b *builder) mid(h ID, probe *Middle) ID {
	last := len(b.c.BlockChannels) - 1
	h = b.resnet(0, b.c.BlockChannels[last], h)
	probe.MapH, probe.MapW = b.Dim(h, 1), b.Dim(h, 2)
	b.probe = probe
	h = b.transformer(0, last, h)
	return b.resnet(1, b.c.BlockChannels[last], h)
}

// up is one up block: block 0 mirrors the last down block. It enlarges to the size of the
// next skip, as diffusers' upsample_size does for odd sizes.
func (b *builder) up(i int, h ID, skips []ID) (ID, []ID) {
	level := len(b.c.BlockChannels) - 1 - i
	for j := range b.c.LayersPerBlock[level] + 1 {
		skip := skips[len(skips)-1]
		skips = skips[:len(skips)-1]
		h = b.resnet(j, b.c.BlockChannels[level], h, skip)
		if b.c.UpAttention[i] {
			h = b.transformer(j, level, h)
		}
	}
	if level == 0 {
		return h, skips
	}
	next := skips[len(skips)-1]
	h = b.Upsample(h, b.Dim(next, 1), b.Dim(next, 2))
	return nn.Conv3x3(b.c.BlockChannels[level]).Apply(b.Builder, "upsamplers.0.conv", h), skips
}

// resnet is a ResnetBlock2D over xs, read as if concatenated. The second convolution and the
// shortcut are one product: their terms go into one accumulator.
func (b *builder) resnet(j, out int, xs ...ID) (y ID) {
	b.Scope(fmt.Sprintf("resnets.%d", j), func() {
		c := b.c
		h := b.Activate(c.Act, nn.GroupNorm(b.Builder, "norm1", c.NormGroups, c.NormEps, xs...))
		time := b.time.row(b.Builder, nn.Linear(b.Builder, "time_emb_proj", b.time.emb, out))
		h = nn.Conv3x3(out).ApplyWith(b.Builder, "conv1", h, time, nil, nil)
		h = b.Activate(c.Act, nn.GroupNorm(b.Builder, "norm2", c.NormGroups, c.NormEps, h))
		in := 0
		for _, x := range xs {
			in += b.Dim(x, -1)
		}
		if in == out && len(xs) == 1 {
			y = b.Add(xs[0], nn.Conv3x3(out).Apply(b.Builder, "conv2", h))
			return
		}
		if in == out { // a concatenation as wide as the result: no shortcut's weights
			y = b.Add(b.Concat(-1, xs...), nn.Conv3x3(out).Apply(b.Builder, "conv2", h))
			return
		}
		taps, biases := nn.Shortcut(b.Builder, "conv_shortcut", out, xs...)
		y = nn.Conv3x3(out).ApplyWith(b.Builder, "conv2", h, program.None, taps, biases)
	})
	return y
}
