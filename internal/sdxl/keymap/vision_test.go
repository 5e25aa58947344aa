package keymap

import "testing"

func TestFolderImageEncoder(t *testing.T) {
	for name, want := range map[string]string{
		"vision_model.pre_layrnorm.weight":             "vision_model.pre_layrnorm.weight",
		"embeddings.class_embedding":                   "vision_model.embeddings.class_embedding",
		"encoder.layers.3.mlp.fc1.bias":                "vision_model.encoder.layers.3.mlp.fc1.bias",
		"visual_projection.weight":                     "visual_projection.weight",
		"text_model.embeddings.token_embedding.weight": "",
		"text_projection.weight":                       "",
		"logit_scale":                                  "",
		"vision_model.embeddings.position_ids":         "",
	} {
		got, ok := Folder("image_encoder", name)
		if ok != (want != "") || got.Name != want || got.Transform != Keep {
			t.Errorf("%s: got %q, %v", name, got.Name, ok)
		}
	}
}
