package lora

import (
	"fmt"
)

// Blocks of Refiners' UNet that its manager leaves out unless a key names them.
const (
	timestepEncoder = "TimestepEncoder"
	residualBlock   = "ResidualBlock"
	downsample      = "Downsample"
	upsample        = "Upsample"
)

// slot is a linear layer or convolution in the order of Refiners' models.
type slot struct {
	place
	shape []int
	block string // the named block that it lies in; empty for others
	taken bool
}

// walker collects slots of one component.
type walker struct {
	component string
	shapes    map[string][]int
	slots     []*slot
}

// visit adds layers that there are.
func (w *walker) visit(block, prefix string, layers ...string) {
	for _, l := range layers {
		if shape, ok := w.shapes[prefix+l+".weight"]; ok {
			w.slots = append(w.slots, &slot{place: place{w.component, prefix + l}, shape: shape, block: block})
		}
	}
}

// has says whether a block is there.
func (w *walker) has(format string, args ...any) bool {
	_, ok := w.shapes[fmt.Sprintf(format, args...)]
	return ok
}

// walkUNet lists the layers of SDXLUNet: time embeddings first, then the blocks as they run.
func walkUNet(shapes map[string][]int) []*slot {
	w := &walker{component: "unet", shapes: shapes}
	w.visit(timestepEncoder, "", "time_embedding.linear_1", "time_embedding.linear_2", "add_embedding.linear_1", "add_embedding.linear_2")
	w.visit("", "", "conv_in")
	w.blocks("down_blocks")
	w.parts("mid_block.", 0)
	w.visit(residualBlock, "mid_block.resnets.1.", "conv1", "time_emb_proj", "conv2", "conv_shortcut")
	w.blocks("up_blocks")
	w.visit("", "", "conv_out")
	return w.slots
}

func (w *walker) blocks(list string) {
	for i := 0; w.has("%s.%d.resnets.0.conv1.weight", list, i); i++ {
		block := fmt.Sprintf("%s.%d.", list, i)
		for j := 0; w.has("%sresnets.%d.conv1.weight", block, j); j++ {
			w.parts(block, j)
		}
		w.visit(downsample, block, "downsamplers.0.conv")
		w.visit(upsample, block, "upsamplers.0.conv")
	}
}

// parts is a residual block and the transformer after it.
func (w *walker) parts(block string, j int) {
	w.visit(residualBlock, fmt.Sprintf("%sresnets.%d.", block, j), "conv1", "time_emb_proj", "conv2", "conv_shortcut")
	attention := fmt.Sprintf("%sattentions.%d.", block, j)
	w.visit("", attention, "proj_in")
	for k := 0; w.has("%stransformer_blocks.%d.attn1.to_q.weight", attention, k); k++ {
		w.visit("", fmt.Sprintf("%stransformer_blocks.%d.", attention, k), "attn1.to_q", "attn1.to_k", "attn1.to_v", "attn1.to_out.0",
			"attn2.to_q", "attn2.to_k", "attn2.to_v", "attn2.to_out.0", "ff.net.0.proj", "ff.net.2")
	}
	w.visit("", attention, "proj_out")
}

// walkText lists the layers of DoubleTextEncoder. The first encoder's last layer is not among them: nothing reads it.
func walkText(m Model) []*slot {
	var out []*slot
	for _, component := range []string{"text_encoder", "text_encoder_2"} {
		w := &walker{component: component, shapes: m[component]}
		for i := 0; w.has("text_model.encoder.layers.%d.mlp.fc1.weight", i); i++ {
			if component == "text_encoder" && !w.has("text_model.encoder.layers.%d.mlp.fc1.weight", i+1) {
				break
			}
			w.visit("", fmt.Sprintf("text_model.encoder.layers.%d.", i), "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")
		}
		if component == "text_encoder_2" {
			w.visit("", "", "text_projection")
		}
		out = append(out, w.slots...)
	}
	return out
}
