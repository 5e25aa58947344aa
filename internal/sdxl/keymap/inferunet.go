package keymap

import "fmt"

// unet infers a UNet2DConditionModel.
func (s *shapeSet) unet(pooled int) object {
	n := s.count("down_blocks.%d.resnets.0.conv1.weight")
	if n == 0 {
		s.fail("down_blocks.0.resnets.0.conv1.weight is missing")
		return nil
	}
	channels, layers, depth, heads := make([]int, n), make([]int, n), make([]int, n), make([]int, n)
	down, up := make([]string, n), make([]string, n)
	context, linear := 0, true
	for i := range n {
		channels[i] = s.dim(0, "down_blocks.%d.resnets.0.conv1.weight", i)
		layers[i] = s.count("down_blocks.%d.resnets.%d.conv1.weight", i)
		depth[i], heads[i] = 1, max(1, channels[i]/headWidth)
		down[i], up[n-1-i] = "DownBlock2D", "UpBlock2D"
		if s.has("down_blocks.%d.attentions.0.proj_in.weight", i) {
			down[i] = "CrossAttnDownBlock2D"
			depth[i], heads[i] = s.depth("down_blocks.%d.attentions.0", i), s.heads(channels[i])
			context = s.dim(1, "down_blocks.%d.attentions.0.transformer_blocks.0.attn2.to_k.weight", i)
			linear = len(s.shapes[fmt.Sprintf("down_blocks.%d.attentions.0.proj_in.weight", i)]) == 2
		}
		if s.has("up_blocks.%d.attentions.0.proj_in.weight", n-1-i) {
			up[n-1-i] = "CrossAttnUpBlock2D"
		}
	}
	mid := s.depth("mid_block.attentions.%d", 0)
	heads[n-1] = s.heads(channels[n-1])
	if down[n-1] == "DownBlock2D" {
		depth[n-1] = mid
	} else if depth[n-1] != mid {
		s.fail("%d transformer layers in the middle and %d in the last block: a configuration cannot say that", mid, depth[n-1])
	}
	return object{
		"_class_name": "UNet2DConditionModel", "act_fn": "silu", "sample_size": 128,
		"in_channels": s.dim(1, "conv_in.weight"), "out_channels": s.dim(0, "conv_out.weight"),
		"block_out_channels": channels, "down_block_types": down, "up_block_types": up, "mid_block_type": "UNetMidBlock2DCrossAttn",
		"layers_per_block": layers, "transformer_layers_per_block": depth, "attention_head_dim": heads, "cross_attention_dim": context,
		"use_linear_projection": linear, "norm_num_groups": normGroups, "norm_eps": 1e-5,
		"flip_sin_to_cos": true, "freq_shift": 0, "downsample_padding": 1,
		"addition_embed_type": "text_time", "addition_time_embed_dim": s.timeWidth(pooled),
		"projection_class_embeddings_input_dim": s.dim(1, "add_embedding.linear_1.weight"),
	}
}

// depth is the number of layers of a transformer.
func (s *shapeSet) depth(format string, i int) int {
	return max(1, s.count(format+".transformer_blocks.%d.norm1.weight", i))
}

// timeWidth is the width of each time id's sinusoids: what the pooled prompt leaves of the embedding's input.
func (s *shapeSet) timeWidth(pooled int) int {
	if pooled == 0 {
		return timeIDWidth
	}
	rest := s.dim(1, "add_embedding.linear_1.weight") - pooled
	if rest <= 0 || rest%timeIDs != 0 {
		s.fail("add_embedding.linear_1 reads %d values, which a pooled prompt of %d and %d time ids cannot fill", rest+pooled, pooled, timeIDs)
		return timeIDWidth
	}
	return rest / timeIDs
}
