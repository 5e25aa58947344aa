package weights

import (
	"fmt"
	"os"
	"path/filepath"
)

// OpenPart opens a model of which one component is wanted: a model folder or file as [Open] takes
// them, or a folder that is the component alone (config.json beside its weights), as autoencoders are published.
func OpenPart(path, name string, opt Options) (*Model, error) {
	if _, err := os.Stat(filepath.Join(path, "model_index.json")); err == nil || !isFile(filepath.Join(path, "config.json")) {
		return Open(path, opt)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, &Error{File: path, Problem: "cannot open the model", Err: err}
	}
	m := &Model{path: abs, layout: &lonePart{folder{path: abs, variant: opt.Variant}, name},
		files: make(map[string]*File), parts: make(map[string]*Component)}
	m.track()
	return m, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// lonePart is a folder that is one component.
type lonePart struct {
	folder
	name string
}

// alone says that the layout knows its one component by name.
func (*lonePart) alone() {}

// component opens the one component that there is.
func (d *lonePart) component(m *Model, name string) (*Component, error) {
	if name != d.name {
		return nil, &Error{File: d.path, Problem: fmt.Sprintf("is a %s alone and has no %s", d.name, name)}
	}
	whole := folder{path: filepath.Dir(d.path), variant: d.variant, ledger: d.ledger}
	return whole.componentIn(m, name, d.path)
}

// ForceZeros is force_zeros_for_empty_prompt of a model_index.json: whether an absent negative prompt is
// zeros. True, as for SDXL base, where nothing says otherwise.
func (m *Model) ForceZeros() (bool, error) {
	d, _ := m.layout.(*folder)
	switch k := m.layout.(type) {
	case *checkpoint:
		d = k.config
	case *refinersFolder:
		d = k.config
	}
	if d == nil {
		return true, nil
	}
	var index struct {
		Force *bool `json:"force_zeros_for_empty_prompt"`
	}
	if _, err := m.ledger.json(filepath.Join(d.path, "model_index.json"), &index); err != nil {
		return false, err
	}
	return index.Force == nil || *index.Force, nil
}

// DigestDocuments is the identity of a component that has no tensors.
func DigestDocuments(docs []Document) Digest { return combine(nil, docs) }
