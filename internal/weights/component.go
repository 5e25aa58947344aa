package weights

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// Component is one part of a model: its configuration and its tensors under canonical names.
type Component struct {
	Name   string // "unet", "vae", "text_encoder" or "text_encoder_2"
	Config []byte // JSON as diffusers or transformers write it

	origin  string // file or folder, for messages
	files   []*File
	tensors map[string]*Tensor
	ignored []string // tensors of the files that are not part of the component

	hashing sync.Mutex           // held while tensors are read
	mu      sync.Mutex           // guards sums, for a moment
	sums    map[string]tensorSum // by canonical name; complete or nil
}

func newComponent(name, origin string) *Component {
	return &Component{Name: name, origin: origin, tensors: make(map[string]*Tensor)}
}

// add puts a tensor of f under its canonical name.
func (c *Component) add(f *File, source string, target keymap.Target) error {
	t, err := newTensor(f, source, target)
	if err != nil {
		return err
	}
	if old := c.tensors[t.Name]; old != nil {
		return t.fail(fmt.Sprintf("is %s of the %s, and so is tensor %s of %s", t.Name, c.Name, quoteName(old.source), old.file.path),
			"only one of the two can be meant; remove the other")
	}
	c.tensors[t.Name] = t
	if !slices.Contains(c.files, f) {
		c.files = append(c.files, f)
	}
	return nil
}

// Names lists the canonical names, sorted.
func (c *Component) Names() []string { return slices.Sorted(maps.Keys(c.tensors)) }

// Tensor gives a tensor by its canonical name.
func (c *Component) Tensor(name string) (*Tensor, bool) {
	t, ok := c.tensors[name]
	return t, ok
}

// Ignored lists tensors of the files that belong to no part of the component,
// such as buffers ("position_ids").
func (c *Component) Ignored() []string { return c.ignored }

// Files lists the weight files that the component reads.
func (c *Component) Files() []*File { return c.files }

// Verify compares each file with what was opened.
func (c *Component) Verify() error {
	for _, f := range c.files {
		if err := f.Verify(); err != nil {
			return err
		}
	}
	return nil
}

// Shapes gives each tensor's shape by its canonical name.
func (c *Component) Shapes() map[string][]int {
	shapes := make(map[string][]int, len(c.tensors))
	for name, t := range c.tensors {
		shapes[name] = t.Shape
	}
	return shapes
}
