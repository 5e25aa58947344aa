// Package ipadapter builds IP-Adapters (Ye et al., 2023) for the UNet of SDXL: pictures, encoded by CLIP, become a few tokens, and each
// cross-attention looks at these by keys and values of their own. It knows the base adapter (one linear layer) and Plus (a
// resampler), in the layout of the original files: image_proj.*, ip_adapter.N.to_k_ip.weight, ip_adapter.N.to_v_ip.weight.
package ipadapter

import (
	"math"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
)

// ID is a value of a program.
type ID = program.ID

// normEps is the epsilon of all layer norms: torch's default.
const normEps = 1e-5

// headWidth is the width of a resampler's heads in every published adapter; shapes do not tell it.
const headWidth = 64

// Config is an adapter's architecture, found from the shapes in its file by [Infer].
type Config struct {
	Plus    bool
	Width   int // of what it reads of a picture: of the hidden states (Plus) or of the projection (base)
	Tokens  int // that it makes of a picture
	Context int // their width: the UNet's cross_attention_dim
	Sites   []unet.Site

	// Of a resampler.
	Dim, Depth, Heads, FeedForward int
}

// Scale is how much the image prompt counts in each part of the UNet.
type Scale struct{ Down, Mid, Up float32 }

// At is the scale of a part.
func (s Scale) At(p unet.Part) float32 {
	return map[unet.Part]float32{unet.Down: s.Down, unet.Mid: s.Mid, unet.Up: s.Up}[p]
}

// MakeTokens builds the tokens [n,Tokens,Context] of n pictures. states is [n,T,Width] for Plus - penultimate hidden states - or
// [n,Width] for base - projections. Weights are below the scope prefix ("ip_adapter/").
func (c *Config) MakeTokens(b *program.Builder, prefix string, states ID) (tokens ID) {
	b.Scope(prefix+"image_proj", func() {
		if c.Plus {
			tokens = c.resample(b, states)
			return
		}
		h := nn.Linear(b, "proj", states, c.Tokens*c.Context)
		tokens = nn.LayerNorm(b, "norm", normEps, b.Reshape(h, b.Dim(h, 0), c.Tokens, c.Context))
	})
	return tokens
}

// Attend builds keys and values of tokens [B,S,Context] for every cross-attention that scale does not leave out.
func (c *Config) Attend(b *program.Builder, prefix string, tokens ID, scale Scale) unet.ImagePrompt {
	out := make(unet.ImagePrompt, len(c.Sites))
	for i, site := range c.Sites {
		if out[i].Scale = scale.At(site.Part); out[i].Scale == 0 {
			continue
		}
		b.Scope(prefix+siteName(i), func() {
			out[i].K = nn.LinearNoBias(b, "to_k_ip", tokens, site.Channels)
			out[i].V = nn.LinearNoBias(b, "to_v_ip", tokens, site.Channels)
		})
	}
	return out
}

// resample is the Resampler of IP-Adapter Plus, after Flamingo's (Alayrac et al., 2022): learned queries look at the hidden
// states, layer by layer.
func (c *Config) resample(b *program.Builder, states ID) ID {
	x := nn.Linear(b, "proj_in", states, c.Dim)
	latents := b.Repeat(b.Reshape(b.Weight("latents", 1, c.Tokens, c.Dim), 1, c.Tokens, c.Dim), b.Dim(states, 0))
	for i := range c.Depth {
		b.Scope(layerName(i), func() {
			b.Scope("0", func() { latents = b.Add(c.perceive(b, x, latents), latents) })
			b.Scope("1", func() {
				h := nn.LinearNoBias(b, "1", nn.LayerNorm(b, "0", normEps, latents), c.FeedForward)
				latents = b.Add(nn.LinearNoBias(b, "3", b.Activate(program.GELU, h), c.Dim), latents)
			})
		})
	}
	return nn.LayerNorm(b, "norm_out", normEps, nn.Linear(b, "proj_out", latents, c.Context))
}

// perceive is the attention of a resampler's layer: from the latents to the hidden states and the latents themselves.
func (c *Config) perceive(b *program.Builder, x, latents ID) ID {
	inner := c.Heads * headWidth
	x, l := nn.LayerNorm(b, "norm1", normEps, x), nn.LayerNorm(b, "norm2", normEps, latents)
	q := nn.LinearNoBias(b, "to_q", l, inner)
	kv := nn.LinearNoBias(b, "to_kv", b.Concat(1, x, l), 2*inner)
	h := b.Attention(q, b.Slice(kv, -1, 0, inner), b.Slice(kv, -1, inner, 2*inner), c.Heads, 1/math.Sqrt(headWidth), false)
	return nn.LinearNoBias(b, "to_out", h, c.Dim)
}
