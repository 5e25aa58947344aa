package weights

import (
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
