package keymap

import (
	"fmt"
	"strings"
)

// unetEnds has the layers outside the blocks.
var unetEnds = map[string]string{
	"input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out",
	"time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
	"label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2",
}

// unetResnet has the layers of a residual block.
var unetResnet = map[string]string{
	"in_layers.0": "norm1", "in_layers.2": "conv1", "emb_layers.1": "time_emb_proj",
	"out_layers.0": "norm2", "out_layers.3": "conv2", "skip_connection": "conv_shortcut",
}

// unetTargets maps a name below model.diffusion_model.
func (c *Checkpoint) unetTargets(name string) []Target {
	if to, ok := renameFirst(name, unetEnds); ok {
		return one(to)
	}
	list, rest, _ := strings.Cut(name, ".")
	i, rest, ok := layerIndex(rest)
	if !ok {
		return nil
	}
	switch list {
	case "middle_block":
		return middle(i, rest)
	case "input_blocks":
		if i < len(c.unet.in) {
			return inBlock("down_blocks", "downsamplers.0.conv", c.unet.in[i], rest)
		}
	case "output_blocks":
		if i < len(c.unet.out) {
			return inBlock("up_blocks", "upsamplers.0.conv", c.unet.out[i], rest)
		}
	}
	return nil
}

// middle maps an entry of middle_block: residual block, transformer, residual block, ...
func middle(i int, rest string) []Target {
	if i%2 == 1 {
		return one(fmt.Sprintf("mid_block.attentions.%d.%s", i/2, rest))
	}
	if to, ok := renameFirst(rest, unetResnet); ok {
		return one(fmt.Sprintf("mid_block.resnets.%d.%s", i/2, to))
	}
	return nil
}

// inBlock maps the parts of one entry of input_blocks or output_blocks: 0 is a residual block or a
// downsampler, 1 a transformer, and an upsampler comes last.
func inBlock(list, resampler string, at place, rest string) []Target {
	part, layer, ok := layerIndex(rest)
	if !ok {
		return nil
	}
	block := fmt.Sprintf("%s.%d.", list, at.block)
	for _, name := range []string{"op.", "conv."} {
		if leaf, is := strings.CutPrefix(layer, name); is {
			return one(block + resampler + "." + leaf)
		}
	}
	switch part {
	case 0:
		if to, ok := renameFirst(layer, unetResnet); ok {
			return one(fmt.Sprintf("%sresnets.%d.%s", block, at.layer, to))
		}
	case 1:
		return one(fmt.Sprintf("%sattentions.%d.%s", block, at.layer, layer))
	}
	return nil
}
