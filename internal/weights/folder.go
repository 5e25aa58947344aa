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
	ledger  *ledger
}

// component opens one of the folder's components.
func (d *folder) component(m *Model, name string) (*Component, error) {
	return d.componentIn(m, name, filepath.Join(d.path, name))
}

// componentIn opens a component that lies in dir.
func (d *folder) componentIn(m *Model, name, dir string) (*Component, error) {
	c := newComponent(name, dir)
	var err error
	if c.Config, err = d.ledger.object(filepath.Join(dir, "config.json")); err != nil {
		return nil, err
	}
	sel, err := findWeights(dir, formatsOf(name), d.variant)
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
	return d.ledger.object(filepath.Join(d.path, name, "config.json"))
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
	if _, err := m.ledger.json(path, &index); err != nil {
		return err
	}
	if len(index.Map) == 0 || len(index.Map) > maxTensors {
		return &Error{File: path, Problem: fmt.Sprintf("weight_map has %d tensors; want 1 to %d", len(index.Map), maxTensors)}
	}
	shards := make(map[string]map[string]bool)
	for tensor, shard := range index.Map {
		if shard != filepath.Base(shard) || strings.ContainsAny(shard, `/\:`) || !strings.HasSuffix(shard, ".safetensors") && !strings.HasSuffix(shard, ".bin") {
			return &Error{File: path, Tensor: tensor, Problem: fmt.Sprintf("%s is not the name of a safetensors or .bin file in the same folder", quoteName(shard))}
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

// format is a way in which libraries name weight files: base.safetensors, base.VARIANT.bin, ...
type format struct {
	base, extension string
}

// formatsOf gives the names that a component's weights may have, the preferred one first.
func formatsOf(component string) []format {
	if strings.HasPrefix(component, "text_encoder") || component == "image_encoder" { // as transformers saves
		return []format{{"model", "safetensors"}, {"pytorch_model", "bin"}}
	}
	return []format{{"diffusion_pytorch_model", "safetensors"}, {"diffusion_pytorch_model", "bin"}}
}

// FindWeights gives the path of a component's weight file, or index of several, in the component's folder.
func FindWeights(dir, component, variant string) (string, error) {
	sel, err := findWeights(dir, formatsOf(component), variant)
	return filepath.Join(dir, sel.name), err
}

// findWeights picks the weights in dir: those of the variant asked for, in the first format that has it; else, in the first
// format that is there, those without a variant, or those of the only variant.
func findWeights(dir string, formats []format, variant string) (selection, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return selection{}, &Error{File: dir, Problem: "cannot list the folder", Err: err}
	}
	var first map[string]selection
	for _, f := range formats {
		found := f.find(list)
		if sel, ok := found[variant]; ok {
			return sel, nil
		}
		if len(first) == 0 {
			first = found
		}
	}
	names := slices.Sorted(maps.Keys(first))
	switch {
	case len(first) == 0:
		return selection{}, &Error{File: filepath.Join(dir, formats[0].base+"."+formats[0].extension), Problem: "the model lacks this file", Err: fs.ErrNotExist}
	case variant == "" && len(first) == 1:
		return first[names[0]], nil
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

// find gives the weights of a format by their variant.
func (f format) find(list []os.DirEntry) map[string]selection {
	found := make(map[string]selection)
	for _, entry := range list {
		v, sharded, ok := f.parse(entry.Name())
		if !ok {
			continue
		}
		if old, dup := found[v]; !dup || old.sharded && !sharded {
			found[v] = selection{entry.Name(), sharded}
		}
	}
	return found
}

// parse reads "base.safetensors", "base.VARIANT.safetensors",
// "base.safetensors.index.json", "base.safetensors.index.VARIANT.json" and
// "base.VARIANT.safetensors.index.json", or the same with "bin".
func (f format) parse(name string) (variant string, sharded, ok bool) {
	rest, ok := strings.CutPrefix(name, f.base+".")
	if !ok {
		return "", false, false
	}
	head, tail, sharded := strings.Cut(rest, f.extension+".index.")
	if sharded {
		tail, ok = strings.CutSuffix("."+tail, ".json")
	} else {
		head, ok = strings.CutSuffix(rest, f.extension)
	}
	head, tail = strings.Trim(head, "."), strings.Trim(tail, ".")
	variant = head + tail
	if !ok || head != "" && tail != "" || strings.Contains(variant, ".") {
		return "", false, false
	}
	return variant, sharded, true
}

// tokenizerFiles are what a CLIP tokenizer may consist of.
var tokenizerFiles = []string{"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json", fastTokenizer}

// fastTokenizer is what transformers 5 saves in place of vocabulary and merges. Beside these it says nothing more, and is not read.
const fastTokenizer = "tokenizer.json"

// tokenizer reads the files of a tokenizer that are there; nil when none are.
func (d *folder) tokenizer(name string) (map[string][]byte, error) {
	var files map[string][]byte
	for _, file := range tokenizerFiles {
		if file == fastTokenizer && files["vocab.json"] != nil {
			continue
		}
		data, err := d.ledger.small(filepath.Join(d.path, name, file))
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
	return d.ledger.object(filepath.Join(d.path, "scheduler", "scheduler_config.json"))
}
