package config

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Text is the architecture of a CLIPTextModel or CLIPTextModelWithProjection.
type Text struct {
	Hidden, Intermediate, Layers, Heads int
	MaxPositions, Vocab                 int
	Act                                 program.Activation
	LayerNormEps                        float32
	Projection                          int  // width of the projected pooled state
	WithProjection                      bool // a CLIPTextModelWithProjection
	EOS                                 int  // id of the end of text; 2 means the largest id, as in transformers
}

type textJSON struct {
	Architectures []string `json:"architectures"`
	Hidden        int      `json:"hidden_size"`
	Intermediate  int      `json:"intermediate_size"`
	Layers        int      `json:"num_hidden_layers"`
	Heads         int      `json:"num_attention_heads"`
	Positions     int      `json:"max_position_embeddings"`
	Vocab         int      `json:"vocab_size"`
	Act           string   `json:"hidden_act"`
	Eps           float32  `json:"layer_norm_eps"`
	Projection    int      `json:"projection_dim"`
	EOS           *int     `json:"eos_token_id"`
}

// ParseText reads a text encoder's config.json; absent fields have transformers' defaults.
func ParseText(data []byte) (*Text, error) {
	j := textJSON{Hidden: 512, Intermediate: 2048, Layers: 12, Heads: 8, Positions: 77, Vocab: 49408, Act: "quick_gelu", Eps: 1e-5, Projection: 512}
	if err := decode("text encoder", data, &j); err != nil {
		return nil, err
	}
	act, err := activation("text encoder", "hidden_act", j.Act)
	if err != nil {
		return nil, err
	}
	if !positive(1<<24, j.Hidden, j.Intermediate, j.Layers, j.Heads, j.Positions, j.Vocab, j.Projection) || j.Hidden%j.Heads != 0 {
		return nil, fmt.Errorf("text encoder configuration: sizes must be positive and hidden_size a multiple of num_attention_heads")
	}
	t := &Text{Hidden: j.Hidden, Intermediate: j.Intermediate, Layers: j.Layers, Heads: j.Heads, MaxPositions: j.Positions,
		Vocab: j.Vocab, Act: act, LayerNormEps: j.Eps, Projection: j.Projection, EOS: 49407}
	if j.EOS != nil {
		t.EOS = *j.EOS
	}
	for _, a := range j.Architectures {
		t.WithProjection = t.WithProjection || a == "CLIPTextModelWithProjection"
	}
	return t, nil
}
