package clip

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// VisionOutputs are the outputs of an image encoder; T is 1 + the number of patches.
type VisionOutputs struct {
	Penultimate program.ID // [B,T,hidden]: before the last layer, not normalised (hidden_states[-2])
	Embeds      program.ID // [B,projection]: the class token, normalised and projected; None without a projection
}

// Vision builds an image encoder below the scope prefix ("image_encoder/"). pixels is [B,size,size,3], normalised. Weights are named as
// in a CLIPVisionModelWithProjection's file, with vision_model.
func Vision(b *program.Builder, prefix string, c *config.Vision, pixels program.ID) (out VisionOutputs) {
	b.Scope(prefix, func() {
		var class program.ID
		b.Scope("vision_model", func() { out.Penultimate, class = vision(b, c, pixels) })
		if c.Projection != 0 {
			out.Embeds = nn.LinearNoBias(b, "visual_projection", class, c.Projection)
		}
	})
	return out
}

// vision gives the penultimate hidden states and the normalised class token [B,hidden].
func vision(b *program.Builder, c *config.Vision, pixels program.ID) (penultimate, class program.ID) {
	var h program.ID
	b.Scope("embeddings", func() { h = patches(b, c, pixels) })
	h = nn.LayerNorm(b, "pre_layrnorm", c.LayerNormEps, h)
	for i := range c.Layers {
		penultimate = h
		b.Scope(fmt.Sprintf("encoder.layers.%d", i), func() {
			h = block{heads: c.Heads, intermediate: c.Intermediate, act: c.Act, eps: c.LayerNormEps}.apply(b, h)
		})
	}
	class = b.Reshape(b.Slice(h, 1, 0, 1), b.Dim(h, 0), c.Hidden)
	return penultimate, nn.LayerNorm(b, "post_layernorm", c.LayerNormEps, class)
}

// patches cuts a picture into patches, projects each, puts the class token before them and adds positions.
func patches(b *program.Builder, c *config.Vision, pixels program.ID) program.ID {
	batch, side := b.Dim(pixels, 0), c.ImageSize/c.Patch
	w := b.Weight("patch_embedding.weight", c.Hidden, c.Channels, c.Patch, c.Patch)
	h := b.Product([]program.Tap{{X: pixels, W: w, KH: c.Patch, KW: c.Patch, Stride: c.Patch, OutH: side, OutW: side}}, nil, program.None)
	h = b.Reshape(h, batch, side*side, c.Hidden)
	row := func(name string, rows int, shape ...int) program.ID {
		return b.Repeat(b.Reshape(b.Weight(name, shape...), 1, rows, c.Hidden), batch)
	}
	h = b.Concat(1, row("class_embedding", 1, c.Hidden), h)
	return b.Add(h, row("position_embedding.weight", c.Tokens(), c.Tokens(), c.Hidden))
}
