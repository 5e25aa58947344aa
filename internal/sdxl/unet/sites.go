package unet

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// Part is a third of the UNet.
type Part string

// Parts of the UNet.
const (
	Down Part = "down"
	Mid  Part = "mid"
	Up   Part = "up"
)

// Site is a cross-attention of the UNet.
type Site struct {
	Path     string // below "unet/", such as "mid_block.attentions.0.transformer_blocks.0.attn2"
	Part     Part
	Channels int
}

// Sites lists the cross-attentions in the order of diffusers' attn_processors: down, up, mid. Adapters number them so.
func Sites(c *config.UNet) []Site {
	var out []Site
	add := func(part Part, block string, level, transformers int) {
		for j := range transformers {
			for k := range c.TransformerLayers[level] {
				out = append(out, Site{Path: fmt.Sprintf("%s.attentions.%d.transformer_blocks.%d.attn2", block, j, k), Part: part, Channels: c.BlockChannels[level]})
			}
		}
	}
	last := len(c.BlockChannels) - 1
	for i := range c.BlockChannels {
		if c.Attention[i] {
			add(Down, fmt.Sprintf("down_blocks.%d", i), i, c.LayersPerBlock[i])
		}
	}
	for i := range c.BlockChannels {
		if level := last - i; c.UpAttention[i] {
			add(Up, fmt.Sprintf("up_blocks.%d", i), level, c.LayersPerBlock[level]+1)
		}
	}
	add(Mid, "mid_block", last, 1)
	return out
}

// ImagePrompt has keys and values [B,S,channels] made of pictures for the cross-attentions, by the index in [Sites]; with
// them goes the scale at which their attention is added. A site of scale 0 has none.
type ImagePrompt []nn.Keys

// images are the keys of all image prompts for the attention at path; none for self-attention.
func (b *builder) images(path string) []nn.Keys {
	i, ok := b.sites[path]
	if !ok {
		return nil
	}
	var out []nn.Keys
	for _, p := range b.prompts {
		if p[i].Scale != 0 {
			out = append(out, p[i])
		}
	}
	return out
}
