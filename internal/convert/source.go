package convert

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// source is what is converted: components by name, or a file whose names mean nothing to us.
type source struct {
	path       string
	file       *weights.File                 // where it is one file
	components map[string]*weights.Component // opened
	model      *weights.Model                // where it is a model
	closers    []io.Closer
}

func (s *source) close() {
	for _, c := range s.closers {
		_ = c.Close()
	}
}

// open opens a model folder, a component's folder or a file.
func open(path string, opt Options, a keymap.Attentions) (*source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, &weights.Error{File: path, Problem: "cannot open what to convert", Err: err}
	}
	s := &source{path: path, components: make(map[string]*weights.Component)}
	switch {
	case !info.IsDir():
		err = s.openFile(a)
	case isFile(filepath.Join(path, "config.json")) && !isFile(filepath.Join(path, "model_index.json")):
		err = s.openAlone(opt)
	default:
		if s.model, err = weights.Open(path, weights.Options{Variant: opt.Variant}); err == nil {
			s.closers = append(s.closers, s.model)
		}
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// classes has the component that a folder's configuration names.
var classes = map[string]string{
	"UNet2DConditionModel": "unet", "AutoencoderKL": "vae", "CLIPTextModel": "text_encoder", "CLIPTextModelWithProjection": "text_encoder_2",
	"CLIPVisionModelWithProjection": "image_encoder", "CLIPVisionModel": "image_encoder",
}

// openAlone opens a folder that is one component.
func (s *source) openAlone(opt Options) error {
	raw, err := os.ReadFile(filepath.Join(s.path, "config.json"))
	if err != nil {
		return err
	}
	var c struct {
		Class         string   `json:"_class_name"`
		Architectures []string `json:"architectures"`
	}
	if err := json.Unmarshal(raw, &c); err != nil {
		return &weights.Error{File: filepath.Join(s.path, "config.json"), Problem: "not the JSON that it should be", Err: err}
	}
	name, ok := classes[c.Class]
	for _, a := range c.Architectures {
		if !ok {
			name, ok = classes[a]
		}
	}
	if !ok {
		return &weights.Error{File: filepath.Join(s.path, "config.json"), Problem: fmt.Sprintf("describes no part that is known (class %q, architectures %q)", c.Class, c.Architectures),
			Hint: "UNet2DConditionModel, AutoencoderKL, CLIPTextModel, CLIPTextModelWithProjection and CLIPVisionModelWithProjection are"}
	}
	path, err := weights.FindWeights(s.path, name, opt.Variant)
	if err != nil {
		return err
	}
	if strings.HasSuffix(path, ".json") {
		return &weights.Error{File: path, Problem: "a component in shards is converted from its model's folder"}
	}
	f, err := s.openWeights(path)
	if err != nil {
		return err
	}
	return s.addFolder(name, f)
}

func (s *source) openWeights(path string) (*weights.File, error) {
	f, err := weights.OpenFile(path)
	if err != nil {
		return nil, err
	}
	s.file = f
	s.closers = append(s.closers, f)
	return f, nil
}

// addFolder adds a component whose names are those of a folder.
func (s *source) addFolder(name string, f *weights.File) error {
	c, err := weights.FromFile(name, f, func(source string) []keymap.Target {
		if t, ok := keymap.Folder(name, source); ok {
			return []keymap.Target{t}
		}
		return nil
	})
	s.components[name] = c
	return err
}

// openFile tells by its names what a file holds. One that is nothing that is known can still be copied.
func (s *source) openFile(a keymap.Attentions) error {
	f, err := s.openWeights(s.path)
	if err != nil {
		return err
	}
	part, components, err := weights.RefinersParts(f, a)
	if part != "" || err != nil {
		s.components = components
		return err
	}
	if keys, err := keymap.NewCheckpoint(f.Names()); err == nil {
		for _, name := range weights.Components {
			c, err := weights.FromFile(name, f, func(source string) []keymap.Target {
				if component, targets := keys.Targets(source); component == name {
					return targets
				}
				return nil
			})
			if err != nil {
				return err
			}
			if len(c.Names()) > 0 {
				s.components[name] = c
			}
		}
		return nil
	}
	if name := loose(f.Names()); name != "" {
		return s.addFolder(name, f)
	}
	return nil
}

// loose tells the component of a file that lies alone, in the names of a folder.
func loose(names []string) string {
	has := func(prefix string) bool {
		return slices.ContainsFunc(names, func(n string) bool { return strings.HasPrefix(n, prefix) })
	}
	switch {
	case has("ip_adapter.1.") && has("image_proj."):
		return "ip_adapter"
	case has("conv_in.") && has("add_embedding.") && has("down_blocks.0.") && has("mid_block."):
		return "unet"
	case has("decoder.conv_in.") && has("decoder.up_blocks.0."):
		return "vae"
	case has("vision_model.") && !has("text_model."):
		return "image_encoder"
	case has("text_model.") && has("text_projection.") && !has("vision_model."):
		return "text_encoder_2"
	case has("text_model.") && !has("vision_model."):
		return "text_encoder"
	}
	return ""
}

// part finds the part to convert: the one asked for, or the only one that there is.
func (s *source) part(opt Options) (string, error) {
	have := func(part string) bool {
		for _, c := range components(part) {
			if s.components[c] == nil && (s.model == nil || !slices.Contains(weights.Components, c)) {
				return false
			}
		}
		return true
	}
	if opt.Part != "" {
		if have(opt.Part) {
			return opt.Part, nil
		}
		return "", &weights.Error{File: s.path, Problem: "has no " + opt.Part, Hint: s.holds()}
	}
	var found []string
	for _, part := range Parts {
		if have(part) && !(strings.HasPrefix(part, "text-") && have(keymap.PartText)) {
			found = append(found, part)
		}
	}
	switch len(found) {
	case 0:
		return "", &weights.Error{File: s.path, Problem: "its names are those of no part that is known", Hint: "--to original keeps them"}
	case 1:
		return found[0], nil
	}
	return "", &weights.Error{File: s.path, Problem: "holds several parts", Hint: "say which: --part " + strings.Join(found, ", --part ")}
}

// holds says which components there are.
func (s *source) holds() string {
	var names []string
	for c := range s.components {
		names = append(names, strings.ReplaceAll(c, "_", "-"))
	}
	if s.model != nil {
		names = []string{"text", "unet", "vae"}
	}
	if len(names) == 0 {
		return "its names are those of no part that is known"
	}
	slices.Sort(names)
	return "it holds " + strings.Join(names, ", ")
}

// component opens a component of the source.
func (s *source) component(name string) (*weights.Component, error) {
	if c := s.components[name]; c != nil {
		return c, nil
	}
	if s.model == nil {
		return nil, errors.New("no " + name)
	}
	return s.model.Component(name)
}
