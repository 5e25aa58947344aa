package keymap

import (
	"errors"
	"fmt"
)

// Paths of the text encoders in a DoubleTextEncoder; the second's last layer stands apart.
const (
	textL    = "Parallel.CLIPTextEncoderL"
	textG    = "Parallel.TextEncoderWithPooling.CLIPTextEncoderG"
	textTail = "Parallel.TextEncoderWithPooling.Parallel.Chain"
)

// refinersCLIP has the layers of one layer of a CLIP encoder, of text or of images.
var refinersCLIP = [][2]string{
	{"layer_norm1", "Residual_1.LayerNorm"}, {"layer_norm2", "Residual_2.LayerNorm"},
	{"self_attn.q_proj", "Residual_1.SelfAttention.Distribute.Linear_1"}, {"self_attn.k_proj", "Residual_1.SelfAttention.Distribute.Linear_2"},
	{"self_attn.v_proj", "Residual_1.SelfAttention.Distribute.Linear_3"}, {"self_attn.out_proj", "Residual_1.SelfAttention.Linear"},
	{"mlp.fc1", "Residual_2.FeedForward.Linear_1"}, {"mlp.fc2", "Residual_2.FeedForward.Linear_2"},
}

// textLayers counts the layers of a text encoder by its canonical names.
func textLayers(p paths) int { return p.count("text_model.encoder.layers.%d") }

// text makes the tables of a DoubleTextEncoder from the layers of the whole encoders.
func (r *Refiners) text(l, g int) error {
	if l < 2 || g < 2 {
		return fmt.Errorf("text encoders of %d and %d layers; Refiners' file has both, of two layers or more", l, g)
	}
	r.lastLayer = fmt.Sprintf("text_model.encoder.layers.%d.", l-1)
	for _, e := range []struct {
		component, path string
		layers          int
	}{{"text_encoder", textL, l - 1}, {"text_encoder_2", textG, g - 1}} {
		r.add(e.component, "text_model.embeddings.token_embedding", e.path+".Sum.TokenEncoder")
		r.add(e.component, "text_model.embeddings.position_embedding", e.path+".Sum.PositionalEncoder.Embedding")
		for i := range e.layers {
			r.clipLayer(e.component, fmt.Sprintf("text_model.encoder.layers.%d", i), e.path+"."+sibling("TransformerLayer", i, e.layers))
		}
	}
	r.clipLayer("text_encoder_2", fmt.Sprintf("text_model.encoder.layers.%d", g-1), textTail+".CLIPTextEncoderG.TransformerLayer")
	r.add("text_encoder_2", "text_model.final_layer_norm", textTail+".CLIPTextEncoderG.LayerNorm")
	r.add("text_encoder_2", "text_projection", textTail+".Linear")
	return nil
}

func (r *Refiners) clipLayer(component, canonical, refiners string) {
	for _, l := range refinersCLIP {
		r.add(component, canonical+"."+l[0], refiners+"."+l[1])
	}
}

// vision makes the tables of a CLIPImageEncoder.
func (r *Refiners) vision(layers int) error {
	if layers == 0 {
		return errors.New("not a CLIP image encoder: it has no layers")
	}
	const component = "image_encoder"
	r.add(component, "vision_model.embeddings.patch_embedding", "ViTEmbeddings.Concatenate.Chain.PatchEncoder.Conv2d")
	r.add(component, "vision_model.embeddings.position_embedding", "ViTEmbeddings.Residual.PositionalEncoder.Embedding")
	r.addReshaped(component, "vision_model.embeddings.class_embedding", "ViTEmbeddings.Concatenate.ClassToken.Parameter.weight", AddLead)
	r.add(component, "vision_model.pre_layrnorm", "LayerNorm_1")
	r.add(component, "vision_model.post_layernorm", "LayerNorm_2")
	r.add(component, "visual_projection", "Linear")
	for i := range layers {
		r.clipLayer(component, fmt.Sprintf("vision_model.encoder.layers.%d", i), "Chain."+sibling("TransformerLayer", i, layers))
	}
	return nil
}
