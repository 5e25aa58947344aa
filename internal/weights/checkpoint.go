package weights

import (
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// checkpoint is a single file in the original SDXL layout.
type checkpoint struct {
	file   *File
	keys   *keymap.Checkpoint
	config *folder // describes the model; nil means that shapes do
}

// newCheckpoint recognises the layout. config is a diffusers folder or empty.
func newCheckpoint(f *File, config string) (*checkpoint, error) {
	keys, err := keymap.NewCheckpoint(f.Names())
	if err != nil {
		return nil, &Error{File: f.path, Problem: err.Error(), Hint: "give a diffusers folder, or an SDXL checkpoint in the original layout"}
	}
	k := &checkpoint{file: f, keys: keys}
	if config != "" {
		k.config = &folder{path: config}
	}
	return k, nil
}

// component collects the tensors of one component and reads or infers its configuration.
func (k *checkpoint) component(_ *Model, name string) (*Component, error) {
	c := newComponent(name, k.file.path)
	for _, source := range k.file.Names() {
		part, targets := k.keys.Targets(source)
		if part != name {
			continue
		}
		if len(targets) == 0 {
			c.ignored = append(c.ignored, source)
		}
		for _, target := range targets {
			if err := c.add(k.file, source, target); err != nil {
				return nil, err
			}
		}
	}
	if len(c.tensors) == 0 {
		return nil, &Error{File: k.file.path, Problem: "the checkpoint has no " + name}
	}
	var err error
	if k.config != nil {
		c.Config, err = k.config.configuration(name)
		return c, err
	}
	if c.Config, err = keymap.Infer(name, c.Shapes(), k.pooled()); err != nil {
		return nil, &Error{File: k.file.path, Problem: "cannot infer the configuration of the " + name, Err: err,
			Hint: "name a diffusers folder with the model's configuration files: {path: ..., config: FOLDER}"}
	}
	return c, nil
}

// pooled is the width of the pooled prompt, which the second text encoder's projection tells; 0 if it is not there.
func (k *checkpoint) pooled() int {
	for _, source := range k.file.Names() {
		part, targets := k.keys.Targets(source)
		if part == "text_encoder_2" && len(targets) == 1 && targets[0].Name == keymap.TextProjection {
			if t, err := newTensor(k.file, source, targets[0]); err == nil {
				return t.Shape[0]
			}
		}
	}
	return 0
}

func (k *checkpoint) tokenizer(name string) (map[string][]byte, error) {
	if k.config != nil {
		return k.config.tokenizer(name)
	}
	return nil, nil
}

// scheduler makes the configuration of SDXL base, with what keys and metadata say of the prediction.
func (k *checkpoint) scheduler() ([]byte, error) {
	if k.config != nil {
		return k.config.scheduler()
	}
	v := strings.HasPrefix(strings.ToLower(k.file.Metadata()["modelspec.prediction_type"]), "v")
	return k.keys.Scheduler(v), nil
}
