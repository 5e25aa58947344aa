package keymap

import (
	"fmt"
	"slices"
	"strings"
)

// Originals gives the UNet's layers their names in the original layout, which trainers write into LoRA files:
// "down_blocks.1.attentions.0.proj_in" is "input_blocks.4.1.proj_in". layers are canonical, without ".weight". Those without
// a name there are left out.
func Originals(layers []string) map[string]string {
	o := originals{has: make(map[string]bool)}
	for _, l := range layers {
		for at, c := range l {
			if c == '.' {
				o.has[l[:at]] = true
			}
		}
		o.has[l] = true
	}
	o.blocks = make(map[string]string)
	o.list("down_blocks", "downsamplers", "input_blocks", 1)
	o.list("up_blocks", "upsamplers", "output_blocks", 0)
	for i := 0; o.has[fmt.Sprintf("mid_block.resnets.%d", i)]; i++ {
		o.blocks[fmt.Sprintf("mid_block.resnets.%d", i)] = fmt.Sprintf("middle_block.%d", 2*i)
		o.blocks[fmt.Sprintf("mid_block.attentions.%d", i)] = fmt.Sprintf("middle_block.%d", 2*i+1)
	}
	out := make(map[string]string, len(layers))
	for _, l := range layers {
		if name, ok := o.name(l); ok {
			out[l] = name
		}
	}
	return out
}

// originals knows where the blocks of a UNet lie in the original layout.
type originals struct {
	has    map[string]bool   // layers and all that they lie in
	blocks map[string]string // "down_blocks.0.resnets.1": "input_blocks.2.0"
}

// list numbers the entries of one flat list, the first of which is at first.
func (o *originals) list(canonical, resampler, original string, first int) {
	at := first
	for i := 0; o.has[fmt.Sprintf("%s.%d", canonical, i)]; i++ {
		block := fmt.Sprintf("%s.%d", canonical, i)
		parts := 0
		for j := 0; o.has[fmt.Sprintf("%s.resnets.%d", block, j)]; j++ {
			o.blocks[fmt.Sprintf("%s.resnets.%d", block, j)] = fmt.Sprintf("%s.%d.0", original, at)
			parts = 1
			if o.has[fmt.Sprintf("%s.attentions.%d", block, j)] {
				o.blocks[fmt.Sprintf("%s.attentions.%d", block, j)] = fmt.Sprintf("%s.%d.1", original, at)
				parts = 2
			}
			at++
		}
		if !o.has[block+"."+resampler+".0"] {
			continue
		}
		if canonical == "down_blocks" { // an entry of its own
			o.blocks[block+".downsamplers.0.conv"] = fmt.Sprintf("%s.%d.0.op", original, at)
			at++
		} else { // the last part of the block's last entry
			o.blocks[block+".upsamplers.0.conv"] = fmt.Sprintf("%s.%d.%d.conv", original, at-1, parts)
		}
	}
}

// name gives one layer's.
func (o *originals) name(layer string) (string, bool) {
	for original, canonical := range unetEnds {
		if canonical == layer {
			return original, true
		}
	}
	if whole, ok := o.blocks[layer]; ok {
		return whole, true
	}
	parts := strings.Split(layer, ".")
	n := slices.IndexFunc(parts, func(s string) bool { return s == "resnets" || s == "attentions" })
	if n < 0 || n+2 >= len(parts) {
		return "", false
	}
	block, rest := strings.Join(parts[:n+2], "."), strings.Join(parts[n+2:], ".")
	original, ok := o.blocks[block]
	if !ok {
		return "", false
	}
	if parts[n] == "attentions" {
		return original + "." + rest, true
	}
	for from, to := range unetResnet {
		if to == rest {
			return original + "." + from, true
		}
	}
	return "", false
}
