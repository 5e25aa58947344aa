package weights

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const imageEncoder = "image_encoder"

var castleEncoder = filepath.Join("..", "..", "examples", "image-prompt", "ip-adapter", imageEncoder)

func openAlone(t *testing.T, path, name string) *Component {
	t.Helper()
	m, err := OpenAlone(path, name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	c, err := m.Component(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestOpenAlone: a folder and its file are the same component.
func TestOpenAlone(t *testing.T) {
	folder, file := openAlone(t, castleEncoder, imageEncoder), openAlone(t, filepath.Join(castleEncoder, "model.safetensors"), imageEncoder)
	if !slices.Equal(folder.Names(), file.Names()) || len(folder.Names()) != 72 {
		t.Errorf("the folder has %d tensors, the file %d", len(folder.Names()), len(file.Names()))
	}
	if string(folder.Config) != string(file.Config) || len(file.Config) == 0 {
		t.Error("the configurations differ")
	}
	a, err := folder.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := file.Digest(t.Context(), nil)
	if err != nil || a != b {
		t.Errorf("digests %v and %v, %v", a, b, err)
	}
}

func TestOpenAloneWithoutConfig(t *testing.T) {
	path := filepath.Join("..", "..", "examples", "image-prompt", "ip-adapter", "ip-adapter-plus.safetensors")
	if c := openAlone(t, path, "ip_adapter"); c.Config != nil || !slices.Contains(c.Names(), "image_proj.latents") {
		t.Errorf("config %q, tensors %v", c.Config, c.Names())
	}
	empty := t.TempDir()
	m, err := OpenAlone(empty, imageEncoder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Component(imageEncoder); err == nil || !strings.Contains(err.Error(), "config.json") {
		t.Errorf("an empty folder: %v", err)
	}
}

func TestOpenAloneRefuses(t *testing.T) {
	file := filepath.Join(castleEncoder, "model.safetensors")
	if _, err := OpenAlone(filepath.Join(t.TempDir(), "missing"), imageEncoder, Options{}); err == nil {
		t.Error("a missing path was opened")
	}
	if _, err := OpenAlone(file, imageEncoder, Options{Variant: "fp16"}); err == nil {
		t.Error("a file has a variant")
	}
	m, err := OpenAlone(file, imageEncoder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Component("unet"); err == nil {
		t.Error("an image encoder has a unet")
	}
	bad := filepath.Join(t.TempDir(), "bad.safetensors")
	if err := os.WriteFile(bad, []byte("not weights"), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err = OpenAlone(bad, imageEncoder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Component(imageEncoder); err == nil || !strings.Contains(err.Error(), bad) {
		t.Errorf("got %v", err)
	}
}

// TestInferEncoder: the image encoder H is what stable-diffusion-2-1-unclip has.
func TestInferEncoder(t *testing.T) {
	shapes := map[string][]int{
		"vision_model.embeddings.patch_embedding.weight": {1280, 3, 14, 14}, "vision_model.embeddings.position_embedding.weight": {257, 1280}, "visual_projection.weight": {1024, 1280},
	}
	for i := range 32 {
		shapes[fmt.Sprintf("vision_model.encoder.layers.%d.mlp.fc1.weight", i)] = []int{5120, 1280}
	}
	data, err := inferEncoder(shapes)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{"hidden_size": 1280.0, "intermediate_size": 5120.0, "num_hidden_layers": 32.0, "num_attention_heads": 16.0,
		"patch_size": 14.0, "image_size": 224.0, "projection_dim": 1024.0, "hidden_act": "gelu"} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
	shapes["vision_model.embeddings.patch_embedding.weight"][0] = 96
	if data, err := inferEncoder(shapes); data != nil || err != nil {
		t.Errorf("of another width: %s, %v", data, err)
	}
}
