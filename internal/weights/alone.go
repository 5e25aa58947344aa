package weights

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// OpenAlone opens a component that is part of no model, such as an image encoder or an adapter: a folder with config.json beside
// the weights, or one safetensors file. Config is the config.json in the file's folder; nil where there is none.
func OpenAlone(path, name string, opt Options) (*Model, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &Error{File: path, Problem: "cannot open the " + name, Err: err}
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, &Error{File: abs, Problem: "cannot open the " + name, Err: err}
	}
	m := &Model{path: abs, files: make(map[string]*File), parts: make(map[string]*Component)}
	if info.IsDir() {
		m.layout = &lonePart{folder{path: abs, variant: opt.Variant}, name}
		m.track()
		return m, nil
	}
	if opt.Variant != "" {
		return nil, &Error{File: abs, Problem: fmt.Sprintf("a single file has no variant %q", opt.Variant), Hint: "leave variant out"}
	}
	m.layout = &loneFile{lonePart{folder{path: abs}, name}, opt.Attentions}
	m.track()
	return m, nil
}

// loneFile is a component in one file, with or without config.json beside it, in its own names or Refiners'.
type loneFile struct {
	lonePart
	attentions keymap.Attentions
}

// component opens the one component that there is.
func (d *loneFile) component(m *Model, name string) (*Component, error) {
	if name != d.name {
		return nil, &Error{File: d.path, Problem: fmt.Sprintf("is a %s alone and has no %s", d.name, name)}
	}
	c, err := d.tensors(m)
	if err != nil {
		return nil, err
	}
	config, err := d.ledger.object(filepath.Join(filepath.Dir(d.path), "config.json"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	err = nil
	if c.Config = config; config == nil && name == "image_encoder" {
		c.Config, err = inferEncoder(c.Shapes())
	}
	return c, err
}

// tensors gives the component without its configuration.
func (d *loneFile) tensors(m *Model) (*Component, error) {
	f, err := m.open(d.path)
	if err != nil {
		return nil, err
	}
	part, found, err := RefinersParts(f, d.attentions)
	if err != nil {
		return nil, err
	}
	if part == "" {
		c := newComponent(d.name, d.path)
		return c, m.addFile(c, d.path, nil)
	}
	want := keymap.PartIPAdapter
	if d.name == "image_encoder" {
		want = keymap.PartImageEncoder
	}
	if part != want {
		return nil, &Error{File: d.path, Problem: fmt.Sprintf("is Refiners' %s; wanted is its %s", part, want)}
	}
	c := found[keymap.PartComponents(part)[0]]
	c.Name = d.name
	return c, nil
}

// inferEncoder makes the configuration of OpenCLIP's image encoders H and bigG, such as Refiners' files of them, which carry none: 16
// heads, exact GELU. It is nil for other widths, whose heads nothing tells.
func inferEncoder(shapes map[string][]int) ([]byte, error) {
	patch := shapes["vision_model.embeddings.patch_embedding.weight"]
	positions, fc1 := shapes["vision_model.embeddings.position_embedding.weight"], shapes["vision_model.encoder.layers.0.mlp.fc1.weight"]
	projection := shapes["visual_projection.weight"]
	if len(patch) != 4 || len(positions) != 2 || len(fc1) != 2 || len(projection) != 2 || patch[0] != 1280 && patch[0] != 1664 {
		return nil, nil
	}
	side, layers := 0, 0
	for side*side < positions[0]-1 {
		side++
	}
	for shapes[fmt.Sprintf("vision_model.encoder.layers.%d.mlp.fc1.weight", layers)] != nil {
		layers++
	}
	return json.Marshal(map[string]any{"architectures": []string{"CLIPVisionModelWithProjection"}, "model_type": "clip_vision_model", "hidden_act": "gelu",
		"hidden_size": patch[0], "intermediate_size": fc1[0], "num_attention_heads": 16, "num_hidden_layers": layers, "patch_size": patch[2],
		"image_size": side * patch[2], "projection_dim": projection[0], "layer_norm_eps": 1e-5})
}
