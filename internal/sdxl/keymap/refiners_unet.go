package keymap

import "fmt"

// unetShape is what names depend on: blocks from the outside in, and from the inside out.
type unetShape struct {
	downs, ups []unetBlock
	mid        int // transformer layers in the middle
}

// unetBlock has layers residual blocks, each with a transformer of depth layers (0: none).
type unetBlock struct {
	layers, depth int
	resampler     bool
}

// unetOfCanonical reads the shape from the names of a UNet2DConditionModel.
func unetOfCanonical(p paths) unetShape {
	block := func(list, resampler string, i int) unetBlock {
		return unetBlock{
			layers:    p.count(list+".%d.resnets.%d", i),
			depth:     p.count(list+".%d.attentions.0.transformer_blocks.%d", i),
			resampler: p.has(fmt.Sprintf("%s.%d.%s.0", list, i, resampler)),
		}
	}
	s := unetShape{mid: p.count("mid_block.attentions.0.transformer_blocks.%d")}
	for i := range p.count("down_blocks.%d") {
		s.downs = append(s.downs, block("down_blocks", "downsamplers", i))
	}
	for i := range p.count("up_blocks.%d") {
		s.ups = append(s.ups, block("up_blocks", "upsamplers", i))
	}
	return s
}

// unetOfRefiners reads the shape from the names of an SDXLUNet. A downsampler has an entry of its own, an upsampler is
// the end of the last entry of its block.
func unetOfRefiners(p paths) unetShape {
	const transformer = ".SDXLCrossAttention.Chain_2."
	blocks := func(list string, first int, resampler string) (out []unetBlock) {
		n := siblings(list+".", "Chain", p.has)
		var b unetBlock
		for i := first; i < n; i++ {
			chain := list + "." + sibling("Chain", i, n)
			if p.has(chain + ".ResidualBlock") {
				b.layers++
				b.depth = siblings(chain+transformer, "CrossAttentionBlock", p.has)
			}
			if b.resampler = p.has(chain + resampler); b.resampler {
				out = append(out, b)
				b = unetBlock{}
			}
		}
		if b.layers > 0 {
			out = append(out, b)
		}
		return out
	}
	return unetShape{
		downs: blocks("DownBlocks", 1, ".Downsample"), ups: blocks("UpBlocks", 0, ".Upsample"),
		mid: siblings("MiddleBlock"+transformer, "CrossAttentionBlock", p.has),
	}
}

// refinersResnet has the layers of a residual block.
var refinersResnet = [][2]string{
	{"norm1", "Chain.GroupNorm_1"}, {"conv1", "Chain.RangeAdapter2d.Conv2d"}, {"time_emb_proj", "Chain.RangeAdapter2d.Chain.Linear"},
	{"norm2", "Chain.GroupNorm_2"}, {"conv2", "Chain.Conv2d"},
}

// refinersTransformer has the layers of one layer of a transformer.
var refinersTransformer = [][2]string{
	{"norm1", "Residual_1.LayerNorm"}, {"norm2", "Residual_2.LayerNorm"}, {"norm3", "Residual_3.LayerNorm"},
	{"attn1.to_q", "Residual_1.SelfAttention.Distribute.Linear_1"}, {"attn1.to_k", "Residual_1.SelfAttention.Distribute.Linear_2"},
	{"attn1.to_v", "Residual_1.SelfAttention.Distribute.Linear_3"}, {"attn1.to_out.0", "Residual_1.SelfAttention.Linear"},
	{"attn2.to_q", "Residual_2.Attention.Distribute.Linear_1"}, {"attn2.to_k", "Residual_2.Attention.Distribute.Linear_2"},
	{"attn2.to_v", "Residual_2.Attention.Distribute.Linear_3"}, {"attn2.to_out.0", "Residual_2.Attention.Linear"},
	{"ff.net.0.proj", "Residual_3.Linear_1"}, {"ff.net.2", "Residual_3.Linear_2"},
}

// unet makes the tables of an SDXLUNet.
func (r *Refiners) unet(s unetShape) error {
	if len(s.downs) == 0 || len(s.downs) != len(s.ups) || s.mid == 0 {
		return fmt.Errorf("not an SDXL UNet: %d down blocks, %d up blocks, %d transformer layers in the middle", len(s.downs), len(s.ups), s.mid)
	}
	for _, ends := range [][2]string{
		{"time_embedding.linear_1", "TimestepEncoder.Sum.Chain.RangeEncoder.Linear_1"},
		{"time_embedding.linear_2", "TimestepEncoder.Sum.Chain.RangeEncoder.Linear_2"},
		{"add_embedding.linear_1", "TimestepEncoder.Sum.TextTimeEmbedding.Linear_1"},
		{"add_embedding.linear_2", "TimestepEncoder.Sum.TextTimeEmbedding.Linear_2"},
		{"conv_norm_out", "OutputBlock.GroupNorm"}, {"conv_out", "OutputBlock.Conv2d"},
	} {
		r.add(PartUNet, ends[0], ends[1])
	}
	r.unetDown(s.downs)
	r.resnet("mid_block.resnets.0", "MiddleBlock.ResidualBlock_1", false)
	r.transformer("mid_block.attentions.0", "MiddleBlock.SDXLCrossAttention", s.mid)
	r.resnet("mid_block.resnets.1", "MiddleBlock.ResidualBlock_2", false)
	r.unetUp(s.ups)
	return nil
}

// unetDown adds conv_in and the down blocks: an entry a residual block, an entry a downsampler.
func (r *Refiners) unetDown(blocks []unetBlock) {
	n := 1
	for _, b := range blocks {
		if n += b.layers; b.resampler {
			n++
		}
	}
	r.add(PartUNet, "conv_in", "DownBlocks."+sibling("Chain", 0, n)+".Conv2d")
	at := 1
	for i, b := range blocks {
		for l := range b.layers {
			chain := "DownBlocks." + sibling("Chain", at, n)
			r.resnet(fmt.Sprintf("down_blocks.%d.resnets.%d", i, l), chain+".ResidualBlock", true)
			r.transformer(fmt.Sprintf("down_blocks.%d.attentions.%d", i, l), chain+".SDXLCrossAttention", b.depth)
			at++
		}
		if b.resampler {
			r.add(PartUNet, fmt.Sprintf("down_blocks.%d.downsamplers.0.conv", i), "DownBlocks."+sibling("Chain", at, n)+".Downsample.Conv2d")
			at++
		}
	}
}

// unetUp adds the up blocks: an entry a residual block, the last with the upsampler.
func (r *Refiners) unetUp(blocks []unetBlock) {
	n := 0
	for _, b := range blocks {
		n += b.layers
	}
	at := 0
	for i, b := range blocks {
		for l := range b.layers {
			chain := "UpBlocks." + sibling("Chain", at, n)
			r.resnet(fmt.Sprintf("up_blocks.%d.resnets.%d", i, l), chain+".ResidualBlock", true)
			r.transformer(fmt.Sprintf("up_blocks.%d.attentions.%d", i, l), chain+".SDXLCrossAttention", b.depth)
			if b.resampler && l == b.layers-1 {
				r.add(PartUNet, fmt.Sprintf("up_blocks.%d.upsamplers.0.conv", i), chain+".Upsample.Conv2d")
			}
			at++
		}
	}
}

// resnet adds a residual block. Whether it has a shortcut shows only in shapes, so one that may is optional.
func (r *Refiners) resnet(canonical, refiners string, shortcut bool) {
	for _, l := range refinersResnet {
		r.add(PartUNet, canonical+"."+l[0], refiners+"."+l[1])
	}
	if shortcut {
		r.optional(PartUNet, canonical+".conv_shortcut", refiners+".Conv2d")
	}
}

// transformer adds a transformer of depth layers; none where depth is 0.
func (r *Refiners) transformer(canonical, refiners string, depth int) {
	if depth == 0 {
		return
	}
	r.add(PartUNet, canonical+".norm", refiners+".Chain_1.GroupNorm")
	r.add(PartUNet, canonical+".proj_in", refiners+".Chain_1.Linear")
	r.add(PartUNet, canonical+".proj_out", refiners+".Chain_3.Linear")
	for i := range depth {
		block := refiners + ".Chain_2." + sibling("CrossAttentionBlock", i, depth)
		for _, l := range refinersTransformer {
			r.add(PartUNet, fmt.Sprintf("%s.transformer_blocks.%d.%s", canonical, i, l[0]), block+"."+l[1])
		}
	}
}
