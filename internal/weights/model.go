package weights

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// Components lists the names that [Model.Component] knows.
var Components = []string{"unet", "vae", "text_encoder", "text_encoder_2"}

// Options say how to open a model.
type Options struct {
	// Variant picks among weight files in a diffusers folder, such as "fp16".
	// Empty means the files without a variant or, where there are none, the only variant.
	Variant string
	// Config is a diffusers folder whose configuration and tokenizer files describe a single-file checkpoint or Refiners'
	// files, which carry none. Empty means that the configuration is inferred from shapes.
	Config string
	// Attentions are those of the UNet that an IP-Adapter is for, by which Refiners' files number its layers.
	Attentions keymap.Attentions
}

// Model is an opened model. Components are opened when they are first asked for.
type Model struct {
	path   string
	layout layout
	ledger ledger

	mu    sync.Mutex
	files map[string]*File
	parts map[string]*Component
}

// layout is a form in which a model lies on disk.
type layout interface {
	component(m *Model, name string) (*Component, error)
	tokenizer(name string) (map[string][]byte, error)
	scheduler() ([]byte, error)
}

// Open opens a diffusers folder, a single-file checkpoint, a folder with Refiners' files or one of these.
func Open(path string, opt Options) (*Model, error) {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, &Error{File: path, Problem: "cannot open the model", Err: err}
	}
	m := &Model{path: path, files: make(map[string]*File), parts: make(map[string]*Component)}
	if r, ok := findRefiners(path, opt.Config); ok {
		if err := noVariant(path, opt); err != nil {
			return nil, err
		}
		m.layout = r
		m.track()
		return m, nil
	}
	if info.IsDir() && opt.Config != "" {
		return nil, &Error{File: path, Problem: "a diffusers folder has its own configuration", Hint: "leave config out"}
	}
	if info.IsDir() {
		if err := m.checkIndex(filepath.Join(path, "model_index.json")); err != nil {
			return nil, err
		}
		m.layout = &folder{path: path, variant: opt.Variant}
		m.track()
		return m, nil
	}
	if err := noVariant(path, opt); err != nil {
		return nil, err
	}
	f, err := m.open(path)
	if err != nil {
		return nil, err
	}
	if m.layout, err = ofFile(f, opt.Config); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	m.track()
	return m, nil
}

// ofFile recognises the layout of a file.
func ofFile(f *File, config string) (layout, error) {
	names, err := keymap.FromRefiners(f.Names(), keymap.SDXLAttentions)
	if names != nil && err == nil {
		return newRefinersFolder(f.path, f, config), nil
	}
	return newCheckpoint(f, config)
}

// noVariant is the error for a variant of files that have none.
func noVariant(path string, opt Options) error {
	if opt.Variant == "" {
		return nil
	}
	return &Error{File: path, Problem: fmt.Sprintf("a single file has no variant %q", opt.Variant), Hint: "leave variant out"}
}

// checkIndex makes sure that a folder holds an SDXL pipeline.
func (m *Model) checkIndex(path string) error {
	var index struct {
		Class string `json:"_class_name"`
	}
	if _, err := m.ledger.json(path, &index); err != nil {
		return err
	}
	if !strings.HasPrefix(index.Class, "StableDiffusionXL") {
		return &Error{File: path, Problem: fmt.Sprintf("a pipeline of class %s is not supported", quoteName(index.Class)), Hint: "SDXL models are"}
	}
	return nil
}

// Path is the absolute path of the folder or file.
func (m *Model) Path() string { return m.path }

// Component opens a component. Later calls give the same one.
func (m *Model) Component(name string) (*Component, error) {
	if _, alone := m.layout.(interface{ alone() }); !alone && !slices.Contains(Components, name) {
		return nil, fmt.Errorf("a model has no component %q; it has %s", name, strings.Join(Components, ", "))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.parts[name]; c != nil {
		return c, nil
	}
	c, err := m.layout.component(m, name)
	if err != nil {
		return nil, err
	}
	m.parts[name] = c
	return c, nil
}

// Tokenizer gives the files of "tokenizer" or "tokenizer_2" by their names:
// vocab.json, merges.txt (or tokenizer.json, where there are none), tokenizer_config.json, special_tokens_map.json. It is nil
// for a model that carries none, such as a single file.
func (m *Model) Tokenizer(name string) (map[string][]byte, error) {
	if name != "tokenizer" && name != "tokenizer_2" {
		return nil, fmt.Errorf("a model has no tokenizer %q; it has tokenizer, tokenizer_2", name)
	}
	return m.layout.tokenizer(name)
}

// Scheduler gives scheduler_config.json.
func (m *Model) Scheduler() ([]byte, error) { return m.layout.scheduler() }

// open opens a weight file once. The caller holds m.mu or is Open.
func (m *Model) open(path string) (*File, error) {
	if f := m.files[path]; f != nil {
		return f, nil
	}
	f, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	m.files[path] = f
	return f, nil
}

// Close unmaps all files. Nothing that was given out may be read any more.
func (m *Model) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	var errs []error
	for _, f := range m.files {
		errs = append(errs, f.Close())
	}
	m.files, m.parts = make(map[string]*File), make(map[string]*Component)
	return errors.Join(errs...)
}
