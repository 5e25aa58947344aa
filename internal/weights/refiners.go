package weights

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// refinersFiles has the names of Refiners' files in a folder, by part, the preferred one first.
var refinersFiles = map[string][]string{
	keymap.PartUNet: {"unet.safetensors"}, keymap.PartText: {"text_encoder.safetensors"}, keymap.PartVAE: {"lda.safetensors", "vae.safetensors"},
}

// refinersFolder is a model in Refiners' layout: three files in a folder, or one of them alone.
type refinersFolder struct {
	path   string
	alone  *File   // the one file; nil for a folder
	config *folder // describes the model; nil means that shapes do
	parts  map[string]map[string]*Component
}

// findRefiners gives the layout of a folder that is no diffusers folder and holds a UNet under Refiners' name.
func findRefiners(path, config string) (*refinersFolder, bool) {
	if isFile(filepath.Join(path, "model_index.json")) || !isFile(filepath.Join(path, refinersFiles[keymap.PartUNet][0])) {
		return nil, false
	}
	return newRefinersFolder(path, nil, config), true
}

func newRefinersFolder(path string, alone *File, config string) *refinersFolder {
	r := &refinersFolder{path: path, alone: alone, parts: make(map[string]map[string]*Component)}
	if config != "" {
		r.config = &folder{path: config}
	}
	return r
}

// component opens one of the parts. Components that share a file are made at once.
func (r *refinersFolder) component(m *Model, name string) (*Component, error) {
	part := name
	if strings.HasPrefix(name, "text_encoder") {
		part = keymap.PartText
	}
	c, err := r.bare(m, part, name)
	if err != nil {
		return nil, err
	}
	if r.config != nil {
		c.Config, err = r.config.configuration(name)
		return c, err
	}
	pooled := 0
	if name == "unet" && r.alone == nil {
		text, err := r.bare(m, keymap.PartText, "text_encoder_2")
		if err != nil {
			return nil, err
		}
		if t := text.tensors[keymap.TextProjection]; t != nil {
			pooled = t.Shape[0]
		}
	}
	if c.Config, err = inferRefiners(name, c.Shapes(), pooled); err != nil {
		return nil, &Error{File: c.origin, Problem: "cannot infer the configuration of the " + name, Err: err,
			Hint: "name a diffusers folder with the model's configuration files: {path: ..., config: FOLDER}"}
	}
	return c, nil
}

// bare gives a component without its configuration.
func (r *refinersFolder) bare(m *Model, part, name string) (*Component, error) {
	if r.parts[part] == nil {
		f, err := r.file(m, part)
		if err != nil {
			return nil, err
		}
		found, components, err := RefinersParts(f, keymap.SDXLAttentions)
		if err != nil {
			return nil, err
		}
		if found != part {
			return nil, &Error{File: f.path, Problem: fmt.Sprintf("does not hold the %s in Refiners' names", name), Hint: "flow convert --to refiners makes such a file"}
		}
		r.parts[part] = components
	}
	return r.parts[part][name], nil
}

// file opens the file of a part.
func (r *refinersFolder) file(m *Model, part string) (*File, error) {
	if r.alone != nil {
		return r.alone, nil
	}
	names := refinersFiles[part]
	for _, n := range names[1:] {
		if p := filepath.Join(r.path, n); isFile(p) && !isFile(filepath.Join(r.path, names[0])) {
			return m.open(p)
		}
	}
	return m.open(filepath.Join(r.path, names[0]))
}

// inferRefiners infers a configuration. Refiners' file lacks the last layer of the first text encoder, which SDXL's conditioning does not read.
func inferRefiners(name string, shapes map[string][]int, pooled int) ([]byte, error) {
	raw, err := keymap.Infer(name, shapes, pooled)
	if err != nil || name != "text_encoder" {
		return raw, err
	}
	var config map[string]any
	if err := json.Unmarshal(raw, &config); err != nil {
		return nil, err
	}
	layers, _ := config["num_hidden_layers"].(float64)
	config["num_hidden_layers"] = int(layers) + 1
	return json.MarshalIndent(config, "", "  ")
}

func (r *refinersFolder) tokenizer(name string) (map[string][]byte, error) {
	if r.config != nil {
		return r.config.tokenizer(name)
	}
	return nil, nil
}

func (r *refinersFolder) scheduler() ([]byte, error) {
	if r.config != nil {
		return r.config.scheduler()
	}
	return new(keymap.Checkpoint).Scheduler(false), nil
}

// RefinersParts gives the components of one of Refiners' files under their canonical names, without configuration, and
// which part the file is. The part is empty for a file with other names. a matters for an IP-Adapter only.
func RefinersParts(f *File, a keymap.Attentions) (part string, components map[string]*Component, err error) {
	names, err := keymap.FromRefiners(f.Names(), a)
	if err != nil {
		return "", nil, &Error{File: f.path, Problem: err.Error()}
	}
	if names == nil {
		return "", nil, nil
	}
	components = make(map[string]*Component)
	for _, c := range keymap.PartComponents(names.Part) {
		components[c] = newComponent(c, f.path)
	}
	var unknown []string
	for _, source := range f.Names() {
		component, target, ok := names.Canonical(source)
		if !ok {
			unknown = append(unknown, source)
			continue
		}
		if err := components[component].add(f, source, target); err != nil {
			return "", nil, err
		}
	}
	if len(unknown) > 0 {
		return "", nil, &Error{File: f.path, Tensor: unknown[0], Problem: fmt.Sprintf("is not in Refiners' %s, nor are %d others", names.Part, len(unknown)-1)}
	}
	return names.Part, components, nil
}

// FromFile makes a component of the tensors of a file that targets knows.
func FromFile(name string, f *File, targets func(source string) []keymap.Target) (*Component, error) {
	c := newComponent(name, f.path)
	for _, source := range f.Names() {
		list := targets(source)
		if len(list) == 0 {
			c.ignored = append(c.ignored, source)
		}
		for _, t := range list {
			if err := c.add(f, source, t); err != nil {
				return nil, err
			}
		}
	}
	return c, nil
}
