package unet

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/nn"
)

// transformer is a Transformer2DModel: group norm (eps 1e-6), projection,
// transformer blocks over the pixels, projection, residual.
func (b *builder) transformer(j, level int, x ID) (y ID) {
	b.Scope(fmt.Sprintf("attentions.%d", j), func() {
		shape := b.Shape(x)
		c := shape[3]
		h := nn.GroupNorm(b.Builder, "norm", b.c.NormGroups, 1e-6, x)
		if !b.c.LinearProjection {
			h = nn.Conv1x1(c).Apply(b.Builder, "proj_in", h)
		}
		h = b.Reshape(h, shape[0], shape[1]*shape[2], c)
		if b.c.LinearProjection {
			h = nn.Linear(b.Builder, "proj_in", h, c)
		}
		for k := range b.c.TransformerLayers[level] {
			b.Scope(fmt.Sprintf("transformer_blocks.%d", k), func() { h = b.block(b.c.Heads[level], h) })
		}
		if b.c.LinearProjection {
			h = nn.Linear(b.Builder, "proj_out", h, c)
		}
		h = b.Reshape(h, shape...)
		if !b.c.LinearProjection {
			h = nn.Conv1x1(c).Apply(b.Builder, "proj_out", h)
		}
		y = b.Add(h, x)
	})
	return y
}

// block is a BasicTransformerBlock: self-attention, cross-attention and a gated feed-forward, each after a layer norm.
func (b *builder) block(heads int, h ID) ID {
	c := b.Dim(h, -1)
	attend := func(name string, x, context ID) (y ID) {
		b.Scope(name, func() {
			var p nn.Probe
			a := nn.Diffusers(heads, false)
			a.Second = b.images(b.Path(""))
			y, p = a.ApplyProbed(b.Builder, x, context, c, c)
			if b.probe != nil {
				b.probe.Probe, b.probe = p, nil
			}
		})
		return y
	}
	n := nn.LayerNorm(b.Builder, "norm1", 1e-5, h)
	h = b.Add(attend("attn1", n, n), h)
	n = nn.LayerNorm(b.Builder, "norm2", 1e-5, h)
	h = b.Add(attend("attn2", n, b.context), h)
	n = nn.LayerNorm(b.Builder, "norm3", 1e-5, h)
	b.Scope("ff", func() {
		n = nn.Linear(b.Builder, "net.2", b.GEGLU(nn.Linear(b.Builder, "net.0.proj", n, 8*c)), c)
	})
	return b.Add(n, h)
}
