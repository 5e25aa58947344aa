package keymap

import (
	"encoding/json"
	"fmt"
)

// Defaults of SDXL base for what shapes cannot tell.
const (
	headWidth     = 64 // channels of one attention head, in the UNet and in both text encoders
	timeIDs       = 6  // sizes and crop that are embedded beside the pooled prompt
	timeIDWidth   = 256
	scalingFactor = 0.13025
	normGroups    = 32
)

// object is a JSON object.
type object = map[string]any

// Infer makes the configuration of a component from its canonical names and
// shapes, as JSON that diffusers or transformers would write, with the values of SDXL base for what
// shapes cannot tell. pooled is the width of the pooled prompt; 0 when it is not known.
func Infer(component string, shapes map[string][]int, pooled int) ([]byte, error) {
	s := shapeSet{shapes: shapes}
	var config object
	switch component {
	case "unet":
		config = s.unet(pooled)
	case "vae":
		config = s.vae()
	case "text_encoder":
		config = s.text("CLIPTextModel", "quick_gelu")
	case "text_encoder_2":
		config = s.text("CLIPTextModelWithProjection", "gelu")
	default:
		return nil, fmt.Errorf("no rule for component %q", component)
	}
	if s.err != nil {
		return nil, s.err
	}
	return json.MarshalIndent(config, "", "  ")
}

// shapeSet answers questions about shapes and keeps the first that has no answer.
type shapeSet struct {
	shapes map[string][]int
	err    error
}

// dim gives a dimension of a tensor that must be there.
func (s *shapeSet) dim(i int, format string, args ...any) int {
	name := fmt.Sprintf(format, args...)
	shape, ok := s.shapes[name]
	switch {
	case !ok:
		s.fail("%s is missing", name)
	case i >= len(shape):
		s.fail("%s has shape %v", name, shape)
	case shape[i] < 1:
		s.fail("%s has shape %v", name, shape)
	default:
		return shape[i]
	}
	return 1
}

func (s *shapeSet) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *shapeSet) has(format string, args ...any) bool {
	_, ok := s.shapes[fmt.Sprintf(format, args...)]
	return ok
}

// count is the number of i = 0, 1, ... for which a tensor of that name is there.
func (s *shapeSet) count(format string, args ...any) int {
	for n := 0; ; n++ {
		if !s.has(format, append(args[:len(args):len(args)], n)...) {
			return n
		}
	}
}

// heads is the number of heads of a width of channels.
func (s *shapeSet) heads(channels int) int {
	if channels%headWidth != 0 {
		s.fail("%d channels are not a multiple of %d, the width of SDXL's heads; a single file does not tell another width", channels, headWidth)
	}
	return max(1, channels/headWidth)
}

// text infers a text encoder.
func (s *shapeSet) text(class, act string) object {
	hidden := s.dim(1, "text_model.embeddings.token_embedding.weight")
	projection := hidden
	if s.has(TextProjection) {
		projection = s.dim(0, TextProjection)
	} else if class == "CLIPTextModelWithProjection" {
		s.fail("%s is missing", TextProjection)
	}
	return object{
		"architectures": []string{class}, "model_type": "clip_text_model", "hidden_act": act,
		"hidden_size":             hidden,
		"vocab_size":              s.dim(0, "text_model.embeddings.token_embedding.weight"),
		"max_position_embeddings": s.dim(0, "text_model.embeddings.position_embedding.weight"),
		"intermediate_size":       s.dim(0, "text_model.encoder.layers.0.mlp.fc1.weight"),
		"num_hidden_layers":       s.count("text_model.encoder.layers.%d.mlp.fc1.weight"),
		"num_attention_heads":     s.heads(hidden),
		"projection_dim":          projection,
		"layer_norm_eps":          1e-5, "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1,
	}
}

// vae infers an autoencoder from its decoder, whose blocks go from the inside out.
func (s *shapeSet) vae() object {
	n := s.count("decoder.up_blocks.%d.resnets.0.conv1.weight")
	if n == 0 {
		s.fail("decoder.up_blocks.0.resnets.0.conv1.weight is missing")
	}
	channels, down, up := make([]int, n), make([]string, n), make([]string, n)
	for i := range n {
		channels[n-1-i] = s.dim(0, "decoder.up_blocks.%d.resnets.0.conv1.weight", i)
		down[i], up[i] = "DownEncoderBlock2D", "UpDecoderBlock2D"
	}
	in := s.dim(0, "decoder.conv_out.weight")
	if s.has("encoder.conv_in.weight") {
		in = s.dim(1, "encoder.conv_in.weight")
	}
	return object{
		"_class_name": "AutoencoderKL", "act_fn": "silu", "force_upcast": true, "sample_size": 1024,
		"in_channels":             in,
		"out_channels":            s.dim(0, "decoder.conv_out.weight"),
		"latent_channels":         s.dim(1, "decoder.conv_in.weight"),
		"block_out_channels":      channels,
		"layers_per_block":        max(1, s.count("decoder.up_blocks.0.resnets.%d.conv1.weight")-1),
		"down_block_types":        down,
		"up_block_types":          up,
		"norm_num_groups":         normGroups,
		"scaling_factor":          scalingFactor,
		"use_quant_conv":          s.has("quant_conv.weight"),
		"use_post_quant_conv":     s.has("post_quant_conv.weight"),
		"mid_block_add_attention": s.has("decoder.mid_block.attentions.0.to_q.weight"),
	}
}
