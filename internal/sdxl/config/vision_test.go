package config

import (
	"os"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

func TestParseVision(t *testing.T) {
	data, err := os.ReadFile("../../../examples/image-prompt/ip-adapter/image_encoder/config.json")
	if err != nil {
		t.Fatal(err)
	}
	v, err := ParseVision(data)
	if err != nil {
		t.Fatal(err)
	}
	want := Vision{Hidden: 96, Intermediate: 384, Layers: 4, Heads: 3, Channels: 3, ImageSize: 64, Patch: 8, Act: program.GELU, LayerNormEps: 1e-5, Projection: 96}
	if *v != want {
		t.Errorf("got %+v", *v)
	}
	if v.Tokens() != 65 {
		t.Errorf("%d tokens, want 65", v.Tokens())
	}
}

// TestParseVisionWhole: a CLIPModel's configuration has the image encoder's inside and the projection's width outside.
func TestParseVisionWhole(t *testing.T) {
	v, err := ParseVision([]byte(`{"architectures": ["CLIPModel"], "model_type": "clip", "projection_dim": 768, "text_config": {"hidden_size": 768},
		"vision_config": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "patch_size": 14, "projection_dim": 512}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := Vision{Hidden: 1024, Intermediate: 4096, Layers: 24, Heads: 16, Channels: 3, ImageSize: 224, Patch: 14, Act: program.QuickGELU, LayerNormEps: 1e-5, Projection: 768}
	if *v != want {
		t.Errorf("got %+v", *v)
	}
}

// TestParseVisionAlone: a CLIPVisionModel has no projection.
func TestParseVisionAlone(t *testing.T) {
	v, err := ParseVision([]byte(`{"architectures": ["CLIPVisionModel"], "model_type": "clip_vision_model"}`))
	if err != nil || v.Projection != 0 {
		t.Errorf("got %+v, %v", v, err)
	}
}

func TestParseVisionRefuses(t *testing.T) {
	for text, want := range map[string]string{
		`{"model_type": "siglip_vision_model"}`:              "model_type",
		`{"num_channels": 1}`:                                "num_channels",
		`{"hidden_size": 100, "num_attention_heads": 3}`:     "hidden_size",
		`{"patch_size": 0}`:                                  "positive",
		`{"image_size": 16, "patch_size": 32}`:               "image_size",
		`{"hidden_act": "mish"}`:                             "hidden_act",
		`{"num_hidden_layers": 1e9}`:                         "image encoder configuration",
		`[]`:                                                 "image encoder configuration",
		`{"vision_config": {"model_type": 3}}`:               "image encoder configuration",
		`{"vision_config": {"hidden_size": 100}, "a": "b"}`:  "hidden_size",
		`{"projection_dim": -1, "architectures": ["x"]}`:     "positive",
		`{"model_type": "clip_text_model", "vocab_size": 3}`: "clip_text_model",
	} {
		if _, err := ParseVision([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
