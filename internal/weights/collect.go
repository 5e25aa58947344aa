package weights

import (
	"maps"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// Collect makes a component of tensors of one file: sources are their names in the file by canonical name. name
// tells components of one file apart in the memo of digests.
func Collect(name string, f *File, sources map[string]string) (*Component, error) {
	c := newComponent(name, f.path)
	c.files = []*File{f}
	for _, canonical := range slices.Sorted(maps.Keys(sources)) {
		if err := c.add(f, sources[canonical], keymap.Target{Name: canonical}); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// Join adds a component under another name than its own: the weight "lora.0/x" is the tensor "x" of the
// component joined as "lora.0".
func (b *Bundle) Join(name string, c *Component) {
	b.parts[name] = c
	for _, f := range c.files {
		if !slices.Contains(b.files, f) {
			b.files = append(b.files, f)
		}
	}
}
