package weights

import (
	"path/filepath"
	"testing"
)

// castle is the small model of the examples.
var castle = filepath.Join("..", "..", "examples", "castle", "model")

// openModel opens a model and closes it after the test.
func openModel(t *testing.T, path string, opt Options) *Model {
	t.Helper()
	m, err := Open(path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// part opens a component.
func part(t *testing.T, m *Model, name string) *Component {
	t.Helper()
	c, err := m.Component(name)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// digest gives a component's digest without memo or documents.
func digest(t *testing.T, c *Component) Digest {
	t.Helper()
	d, err := c.Digest(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestFolder(t *testing.T) {
	m := openModel(t, castle, Options{})
	for name, tensors := range map[string]int{"unet": 600, "vae": 184, "text_encoder": 52, "text_encoder_2": 53} {
		c := part(t, m, name)
		if got := len(c.Names()); got != tensors || len(c.Ignored()) != 0 || len(c.Files()) != 1 || len(c.Config) == 0 {
			t.Errorf("%s has %d tensors, %d ignored, %d files, %d bytes of configuration; want %d tensors in one file",
				name, got, len(c.Ignored()), len(c.Files()), len(c.Config), tensors)
		}
		digest(t, c)
	}
	b := NewBundle(part(t, m, "unet"), part(t, m, "vae"))
	w, err := b.Weight("unet/conv_in.weight")
	if err != nil || len(w.Data) != 2*48*4*9 || len(w.Shape) != 4 {
		t.Fatalf("unet/conv_in.weight has shape %v, %d bytes, error %v", w.Shape, len(w.Data), err)
	}
	for _, name := range []string{"tokenizer", "tokenizer_2"} {
		files, err := m.Tokenizer(name)
		if err != nil || len(files) != 4 {
			t.Errorf("%s has %d files, error %v; want 4", name, len(files), err)
		}
	}
	if s, err := m.Scheduler(); err != nil || len(s) == 0 {
		t.Errorf("scheduler: %d bytes, error %v", len(s), err)
	}
}
