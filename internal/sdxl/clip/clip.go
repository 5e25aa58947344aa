// Package clip builds CLIP's encoders (Radford et al., 2021) as the transformers library has them:
// CLIPTextModel and CLIPTextModelWithProjection, CLIPVisionModel and CLIPVisionModelWithProjection.
package clip

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// Outputs of a text encoder.
type Outputs struct {
	Penultimate program.ID // [B,T,hidden]: before the last layer, not normalised
	Last        program.ID // [B,T,hidden]: after the last layer, normalised
	Pooled      program.ID // [B,projection]: Last at the end of text, projected; None without a projection
}

// Text builds a text encoder below the scope prefix ("text_encoder/"). ids [B,T] are token ids, ends [B] the
// rows of the end-of-text tokens. Weights are named as in a CLIPTextModel's file, with text_model.
func Text(b *program.Builder, prefix string, c *config.Text, ids, ends program.ID) (out Outputs) {
	b.Scope(prefix, func() {
		b.Scope("text_model", func() { out.hidden(b, c, ids) })
		if c.WithProjection {
			out.Pooled = nn.LinearNoBias(b, "text_projection", b.Row(out.Last, ends), c.Projection)
		}
	})
	return out
}

// Penultimate builds a text encoder up to its last layer, which it leaves out.
func Penultimate(b *program.Builder, prefix string, c *config.Text, ids program.ID) (h program.ID) {
	b.Scope(prefix, func() {
		b.Scope("text_model", func() { h = layers(b, c, ids, c.Layers-1) })
	})
	return h
}

func (o *Outputs) hidden(b *program.Builder, c *config.Text, ids program.ID) {
	o.Penultimate = layers(b, c, ids, c.Layers-1)
	var h program.ID
	b.Scope(fmt.Sprintf("encoder.layers.%d", c.Layers-1), func() { h = textBlock(c).apply(b, o.Penultimate) })
	o.Last = nn.LayerNorm(b, "final_layer_norm", c.LayerNormEps, h)
}

// layers is the embedding and the first n layers.
func layers(b *program.Builder, c *config.Text, ids program.ID, n int) (h program.ID) {
	b.Scope("embeddings", func() {
		h = b.Embed(ids, b.Weight("token_embedding.weight", c.Vocab, c.Hidden), b.Weight("position_embedding.weight", c.MaxPositions, c.Hidden))
	})
	for i := range n {
		b.Scope(fmt.Sprintf("encoder.layers.%d", i), func() { h = textBlock(c).apply(b, h) })
	}
	return h
}

func textBlock(c *config.Text) block {
	return block{heads: c.Heads, intermediate: c.Intermediate, act: c.Act, eps: c.LayerNormEps, causal: true}
}

// block is one CLIPEncoderLayer: pre-norm attention and MLP. Its width is that of its input.
type block struct {
	heads, intermediate int
	act                 program.Activation
	eps                 float32
	causal              bool
}

func (l block) apply(b *program.Builder, h program.ID) program.ID {
	c := b.Dim(h, -1)
	attention := nn.Attention{Heads: l.heads, Q: "q_proj", K: "k_proj", V: "v_proj", Out: "out_proj", InBias: true, Causal: l.causal}
	n := nn.LayerNorm(b, "layer_norm1", l.eps, h)
	b.Scope("self_attn", func() { n = attention.Apply(b, n, n, c, c) })
	h = b.Add(h, n)
	n = nn.LayerNorm(b, "layer_norm2", l.eps, h)
	b.Scope("mlp", func() {
		n = nn.Linear(b, "fc2", b.Activate(l.act, nn.Linear(b, "fc1", n, l.intermediate)), c)
	})
	return b.Add(h, n)
}

// End finds the end of text of one row of ids as transformers does: the first eos, or the
// first greatest id where the configuration says 2.
func End(c *config.Text, ids []int32) int32 {
	best := 0
	for i, id := range ids {
		if c.EOS == 2 {
			if id > ids[best] {
				best = i
			}
		} else if id == int32(c.EOS) {
			return int32(i)
		}
	}
	if c.EOS != 2 {
		return 0
	}
	return int32(best)
}
