package keymap

import (
	"fmt"
	"strings"
)

// clipTargets maps a name of the first text encoder, which is stored as transformers has it.
func clipTargets(name string) []Target {
	if isBuffer(name) || !strings.HasPrefix(name, textPrefix) {
		return nil
	}
	return one(name)
}

// openClipEnds has the layers of open_clip's text encoder outside its blocks.
var openClipEnds = map[string]string{
	"positional_embedding": "text_model.embeddings.position_embedding.weight",
	"token_embedding":      "text_model.embeddings.token_embedding",
	"ln_final":             "text_model.final_layer_norm",
}

// openClipBlock has the layers of one of its blocks.
var openClipBlock = map[string]string{
	"ln_1": "layer_norm1", "ln_2": "layer_norm2", "mlp.c_fc": "mlp.fc1", "mlp.c_proj": "mlp.fc2", "attn.out_proj": "self_attn.out_proj",
}

// openClipTargets maps a name of the second text encoder, stored as open_clip has it:
// query, key and value in one matrix, the projection as [in, out].
func openClipTargets(name string) []Target {
	if name == "text_projection" {
		return []Target{{Name: TextProjection, Transform: Transpose}}
	}
	if to, ok := renameFirst(name, openClipEnds); ok {
		return one(to)
	}
	rest, ok := strings.CutPrefix(name, "transformer.resblocks.")
	if !ok {
		return nil
	}
	i, layer, ok := layerIndex(rest)
	if !ok {
		return nil
	}
	block := fmt.Sprintf("text_model.encoder.layers.%d.", i)
	if leaf, ok := strings.CutPrefix(layer, "attn.in_proj_"); ok {
		var targets []Target
		for part, letter := range []string{"q", "k", "v"} {
			targets = append(targets, Target{Name: block + "self_attn." + letter + "_proj." + leaf, Transform: Third, Part: part})
		}
		return targets
	}
	if to, ok := renameFirst(layer, openClipBlock); ok {
		return one(block + to)
	}
	return nil
}
