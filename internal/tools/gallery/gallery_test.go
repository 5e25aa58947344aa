package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

const examples = "../../../examples"

// pixels reads a picture's digest, which is of pixels, not of the file.
func pixels(t *testing.T, path string) nodes.Digest {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := nodes.DecodePNG(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return m.Digest()
}

// TestPictures renders the examples: the committed pictures are what they give, and all unlike each other.
func TestPictures(t *testing.T) {
	out := t.TempDir()
	if err := renderAll(context.Background(), examples+"/guide", out); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(out, "*.png"))
	if err != nil || len(files) != 4 {
		t.Fatalf("%d pictures, %v", len(files), err)
	}
	committed, err := filepath.Glob(examples + "/guide/pictures/*.png")
	if err != nil || len(committed) != len(files) {
		t.Errorf("%d pictures are committed, %d rendered: run go run ./internal/tools/gallery", len(committed), len(files))
	}
	seen := make(map[nodes.Digest]string)
	for _, file := range files {
		name := filepath.Base(file)
		got := pixels(t, file)
		if got != pixels(t, filepath.Join(examples, "guide", "pictures", name)) {
			t.Errorf("%s is not the picture that is committed", name)
		}
		if other, ok := seen[got]; ok {
			t.Errorf("%s and %s are one picture", name, other)
		}
		seen[got] = name
	}
}

// TestReadme: docs/castle-42.png, which the README shows, is what its command renders.
func TestReadme(t *testing.T) {
	written, err := render(context.Background(), examples+"/castle/castle.flow.yaml", t.TempDir(), cache.NewMemory())
	if err != nil {
		t.Fatal(err)
	}
	if pixels(t, written) != pixels(t, "../../../docs/castle-42.png") {
		t.Error("docs/castle-42.png is another picture")
	}
}
