package weights

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// folder is a model in the diffusers layout.
type folder struct {
	path    string
	variant string
}

// component opens one of the folder's components.
func (d *folder) component(m *Model, name string) (*Component, error) {
	return d.componentIn(m, name, filepath.Join(d.path, name))
}

// componentIn opens a component that lies in dir.
func (d *folder) componentIn(m *Model, name, dir string) (*Component, error) {
	c := newComponent(name, dir)
	var err error
	if c.Config, err = readObject(filepath.Join(dir, "config.json")); err != nil {
		return nil, err
	}
	base := "diffusion_pytorch_model"
	if strings.HasPrefix(name, "text_encoder") {
		base = "model"
	}
	sel, err := findWeights(dir, base, d.variant)
	if err != nil {
		return nil, err
	}
	if !sel.sharded {
		c.origin = filepath.Join(dir, sel.name)
		return c, m.addFile(c, c.origin, nil)
	}
	return c, m.addShards(c, filepath.Join(dir, sel.name))
}

// configuration reads a component's config.json.
func (d *folder) configuration(name string) ([]byte, error) {
	return readObject(filepath.Join(d.path, name, "config.json"))
}

// addFile adds the tensors of a file to c: all, or those that only asks for.
func (m *Model) addFile(c *Component, path string, only map[string]bool) error {
	f, err := m.open(path)
	if err != nil {
		return err
	}
	for name := range only {
		if _, ok := f.Tensor(name); !ok {
			return &Error{File: path, Tensor: name, Problem: "the index says that it is here, and it is not"}
		}
	}
	for _, source := range f.Names() {
		target, ok := keymap.Folder(c.Name, source)
		if !ok || only != nil && !only[source] {
			c.ignored = append(c.ignored, source)
			continue
		}
		if err := c.add(f, source, target); err != nil {
			return err
		}
	}
	return nil
}

// addShards adds the tensors of the files that an index names.
func (m *Model) addShards(c *Component, path string) error {
	c.origin = path
	var index struct {
		Map map[string]string `json:"weight_map"`
	}
	if _, err := readJSON(path, &index); err != nil {
		return err
	}
	if len(index.Map) == 0 || len(index.Map) > maxTensors {
		return &Error{File: path, Problem: fmt.Sprintf("weight_map has %d tensors; want 1 to %d", len(index.Map), maxTensors)}
	}
	shards := make(map[string]map[string]bool)
	for tensor, shard := range index.Map {
		if shard != filepath.Base(shard) || strings.ContainsAny(shard, `/\:`) || !strings.HasSuffix(shard, ".safetensors") {
			return &Error{File: path, Tensor: tensor, Problem: fmt.Sprintf("%s is not the name of a safetensors file in the same folder", quoteName(shard))}
		}
		if shards[shard] == nil {
			shards[shard] = make(map[string]bool)
		}
		shards[shard][tensor] = true
	}
	for _, shard := range slices.Sorted(maps.Keys(shards)) {
		if err := m.addFile(c, filepath.Join(filepath.Dir(path), shard), shards[shard]); err != nil {
			return err
		}
	}
	return nil
}

// selection is a weight file or the index of several.
type selection struct {
	name    string
	sharded bool
}

// findWeights picks the weights in dir: those of the variant asked for, else
// those without a variant, else those of the only variant that is there.
func findWeights(dir, base, variant string) (selection, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return selection{}, &Error{File: dir, Problem: "cannot list the folder", Err: err}
	}
	found := make(map[string]selection)
	other := false
	for _, entry := range list {
		v, sharded, ok := parseWeightName(entry.Name(), base)
		if !ok {
			other = other || strings.HasPrefix(entry.Name(), base) || strings.HasSuffix(entry.Name(), ".bin")
			continue
		}
		if old, dup := found[v]; !dup || old.sharded && !sharded {
			found[v] = selection{entry.Name(), sharded}
		}
	}
	if sel, ok := found[variant]; ok {
		return sel, nil
	}
	names := slices.Sorted(maps.Keys(found))
	switch {
	case len(found) == 0:
		e := &Error{File: filepath.Join(dir, base+".safetensors"), Problem: "the model lacks this file", Err: fs.ErrNotExist}
		if other {
			e.Hint = "only safetensors files are read; convert the others"
		}
		return selection{}, e
	case variant == "" && len(found) == 1:
		return found[names[0]], nil
	case variant == "":
		return selection{}, &Error{File: dir, Problem: "weights in several variants: " + strings.Join(names, ", "), Hint: "say which: variant: " + names[0]}
	}
	for i, n := range names {
		if n == "" {
			names[i] = "the one without a name"
		}
	}
	return selection{}, &Error{File: dir, Problem: fmt.Sprintf("no weights of variant %q; there is %s", variant, strings.Join(names, ", "))}
}

// parseWeightName reads "base.safetensors", "base.VARIANT.safetensors",
// "base.safetensors.index.json", "base.safetensors.index.VARIANT.json" and
// "base.VARIANT.safetensors.index.json".
func parseWeightName(name, base string) (variant string, sharded, ok bool) {
	rest, ok := strings.CutPrefix(name, base+".")
	if !ok {
		return "", false, false
	}
	head, tail, sharded := strings.Cut(rest, "safetensors.index.")
	if sharded {
		tail, ok = strings.CutSuffix("."+tail, ".json")
	} else {
		head, ok = strings.CutSuffix(rest, "safetensors")
	}
	head, tail = strings.Trim(head, "."), strings.Trim(tail, ".")
	variant = head + tail
	if !ok || head != "" && tail != "" || strings.Contains(variant, ".") {
		return "", false, false
	}
	return variant, sharded, true
}

// tokenizerFiles are what a CLIP tokenizer may consist of.
var tokenizerFiles = []string{"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"}

// tokenizer reads the files of a tokenizer that are there; nil when none are.
func (d *folder) tokenizer(name string) (map[string][]byte, error) {
	var files map[string][]byte
	for _, file := range tokenizerFiles {
		data, err := readSmall(filepath.Join(d.path, name, file))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if files == nil {
			files = make(map[string][]byte)
		}
		files[file] = data
	}
	return files, nil
}

func (d *folder) scheduler() ([]byte, error) {
	return readObject(filepath.Join(d.path, "scheduler", "scheduler_config.json"))
}
