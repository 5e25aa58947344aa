package keymap

import (
	"fmt"
	"strings"
)

// vaeEnds has the layers of encoder and decoder outside the blocks.
var vaeEnds = map[string]string{"conv_in": "conv_in", "conv_out": "conv_out", "norm_out": "conv_norm_out"}

// vaeMiddle has the parts of the middle block.
var vaeMiddle = map[string]string{"block_1": "resnets.0", "block_2": "resnets.1", "attn_1": "attentions.0"}

// vaeTargets maps a name below first_stage_model.
func (c *Checkpoint) vaeTargets(name string) []Target {
	half, rest, _ := strings.Cut(name, ".")
	switch half {
	case "quant_conv", "post_quant_conv":
		return one(name)
	case "encoder", "decoder":
	default:
		return nil
	}
	if to, ok := renameFirst(rest, vaeEnds); ok {
		return one(half + "." + to)
	}
	list, rest, _ := strings.Cut(rest, ".")
	if list == "mid" {
		if to, ok := renameFirst(rest, vaeMiddle); ok {
			return []Target{vaeAttention(half + ".mid_block." + vaeShortcut(to))}
		}
		return nil
	}
	i, rest, ok := layerIndex(rest)
	if !ok || list != "down" && list != "up" {
		return nil
	}
	if list == "up" {
		if i = c.ups - 1 - i; i < 0 {
			return nil
		}
	}
	block := fmt.Sprintf("%s.%s_blocks.%d.", half, list, i)
	if leaf, ok := strings.CutPrefix(rest, list+"sample.conv."); ok {
		return one(fmt.Sprintf("%s%ssamplers.0.conv.%s", block, list, leaf))
	}
	if layer, ok := strings.CutPrefix(rest, "block."); ok {
		return one(block + "resnets." + vaeShortcut(layer))
	}
	return nil
}

// vaeShortcut renames the 1x1 convolution of a residual block.
func vaeShortcut(name string) string {
	return strings.Replace(name, ".nin_shortcut.", ".conv_shortcut.", 1)
}
