package config

import (
	"encoding/json"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Vision is the architecture of a CLIPVisionModel or CLIPVisionModelWithProjection.
type Vision struct {
	Hidden, Intermediate, Layers, Heads int
	Channels                            int // of a pixel
	ImageSize, Patch                    int // pixels
	Act                                 program.Activation
	LayerNormEps                        float32
	Projection                          int // width of the projected class token; 0 for a model without projection
}

// Tokens is the number of rows of the hidden states: the class token and one for each patch.
func (v *Vision) Tokens() int { side := v.ImageSize / v.Patch; return 1 + side*side }

type visionJSON struct {
	Architectures []string        `json:"architectures"`
	ModelType     string          `json:"model_type"`
	Hidden        int             `json:"hidden_size"`
	Intermediate  int             `json:"intermediate_size"`
	Layers        int             `json:"num_hidden_layers"`
	Heads         int             `json:"num_attention_heads"`
	Channels      int             `json:"num_channels"`
	ImageSize     int             `json:"image_size"`
	Patch         int             `json:"patch_size"`
	Act           string          `json:"hidden_act"`
	Eps           float32         `json:"layer_norm_eps"`
	Projection    int             `json:"projection_dim"`
	Inner         json.RawMessage `json:"vision_config"` // of a whole CLIPModel
}

// ParseVision reads an image encoder's config.json, or that of a whole CLIP model, which has the image encoder's inside;
// absent fields have transformers' defaults.
func ParseVision(data []byte) (*Vision, error) {
	j := visionJSON{Hidden: 768, Intermediate: 3072, Layers: 12, Heads: 12, Channels: 3, ImageSize: 224, Patch: 32, Act: "quick_gelu", Eps: 1e-5, Projection: 512}
	if err := decode("image encoder", data, &j); err != nil {
		return nil, err
	}
	whole := isSet(j.Inner)
	if whole {
		projection := j.Projection
		if err := decode("image encoder", j.Inner, &j); err != nil {
			return nil, err
		}
		j.Projection = projection // the outer one counts
	} else if j.ModelType != "" && j.ModelType != "clip_vision_model" {
		return nil, fmt.Errorf("image encoder configuration: model_type is %q; a clip_vision_model is wanted", j.ModelType)
	}
	act, err := activation("image encoder", "hidden_act", j.Act)
	if err != nil {
		return nil, err
	}
	if !positive(1<<16, j.Hidden, j.Intermediate, j.Layers, j.Heads, j.Channels, j.ImageSize, j.Patch, j.Projection) || j.Hidden%j.Heads != 0 || j.ImageSize < j.Patch {
		return nil, fmt.Errorf("image encoder configuration: sizes must be positive, hidden_size a multiple of num_attention_heads and image_size at least patch_size")
	}
	if j.Channels != 3 {
		return nil, fmt.Errorf("image encoder configuration: num_channels is %d; pictures have 3", j.Channels)
	}
	v := &Vision{Hidden: j.Hidden, Intermediate: j.Intermediate, Layers: j.Layers, Heads: j.Heads, Channels: j.Channels,
		ImageSize: j.ImageSize, Patch: j.Patch, Act: act, LayerNormEps: j.Eps}
	for _, a := range j.Architectures {
		if whole || a == "CLIPVisionModelWithProjection" {
			v.Projection = j.Projection
		}
	}
	return v, nil
}
