package lora

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// File is an opened LoRA file, its keys sorted into layers.
type File struct {
	file     *weights.File
	layers   []*layer // by name
	strange  []string // keys of no known form
	settings *settings
}

// layer is what a file has for one layer of a model.
type layer struct {
	name  string          // as in the file, without the suffix
	keys  map[role]string // keys of the file
	alpha *float64        // nil where the file has none
}

// Open opens a safetensors file and reads names, shapes and alphas. It knows no model yet.
func Open(path string) (*File, error) {
	raw, err := weights.OpenFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{file: raw}
	if err := f.read(); err != nil {
		_ = raw.Close()
		return nil, err
	}
	return f, nil
}

// Path is the file's absolute path.
func (f *File) Path() string { return f.file.Path() }

// Metadata is the header's metadata: what the trainer wrote.
func (f *File) Metadata() map[string]string { return f.file.Metadata() }

// Close unmaps the file.
func (f *File) Close() error { return f.file.Close() }

func (f *File) read() error {
	byName := make(map[string]*layer)
	for _, key := range slices.Sorted(slices.Values(f.file.Names())) {
		name, r, ok := split(key)
		if !ok {
			f.strange = append(f.strange, key)
			continue
		}
		l := byName[name]
		if l == nil {
			l = &layer{name: name, keys: make(map[role]string)}
			byName[name] = l
			f.layers = append(f.layers, l)
		}
		if other, dup := l.keys[r]; dup {
			return f.fail(key, fmt.Sprintf("and %q are both the %s of one layer", other, r), "only one of the two can be meant; remove the other")
		}
		l.keys[r] = key
	}
	if len(f.layers) == 0 {
		return f.fail("", "is not a LoRA: no key ends as LoRA, LoCon, DoRA, LoHa, LoKr or difference files have it"+examples(f.strange), "give a LoRA as trained by kohya's scripts, peft, diffusers or LyCORIS")
	}
	for _, l := range f.layers {
		if err := f.readAlpha(l); err != nil {
			return err
		}
	}
	var err error
	f.settings, err = readSettings(f.file)
	return err
}

// fail makes an error about one key, or about the file where key is empty.
func (f *File) fail(key, problem, hint string) error {
	return &weights.Error{File: f.file.Path(), Tensor: key, Problem: problem, Hint: hint}
}

// examples shows the first of some keys.
func examples(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return fmt.Sprintf(" (it begins with %q)", keys[0])
}

// shape gives a tensor's shape; nil where the layer has none of the role.
func (f *File) shape(l *layer, r role) []int {
	key, ok := l.keys[r]
	if !ok {
		return nil
	}
	t, _ := f.file.Tensor(key)
	return t.Shape
}

// readAlpha reads a layer's alpha, one number.
func (f *File) readAlpha(l *layer) error {
	key, ok := l.keys[alpha]
	if !ok {
		return nil
	}
	values, err := f.values(key)
	if err != nil {
		return err
	}
	if len(values) != 1 {
		t, _ := f.file.Tensor(key)
		return f.fail(key, fmt.Sprintf("has shape %v; an alpha is one number", t.Shape), "")
	}
	a := values[0]
	switch {
	case math.IsNaN(a) || math.IsInf(a, 0):
		return f.fail(key, "is not a number", "the file is damaged or was saved after a diverged training")
	case a == 0:
		return f.fail(key, "is 0: sd-scripts takes the rank for it and diffusers switches the layer off", "write the alpha that is meant; the rank means a strength of 1")
	}
	l.alpha = &a
	return nil
}

// values widens a tensor to float64.
func (f *File) values(key string) ([]float64, error) {
	t, ok := f.file.Tensor(key)
	if !ok {
		return nil, f.fail(key, "is not in the file", "")
	}
	width := map[string]int{"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I32": 4, "I64": 8}[t.DType]
	if width == 0 {
		return nil, f.fail(key, "has element type "+t.DType, "convert the file to F16, BF16 or F32")
	}
	out := make([]float64, len(t.Data)/width)
	err := f.file.Guard(func() error {
		for i := range out {
			out[i] = element(t.DType, t.Data[i*width:])
		}
		return nil
	})
	return out, err
}

func element(dtype string, b []byte) float64 {
	switch dtype {
	case "F16":
		return float64(numeric.FromF16(binary.LittleEndian.Uint16(b)))
	case "BF16":
		return float64(numeric.FromBF16(binary.LittleEndian.Uint16(b)))
	case "F32":
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(b)))
	case "F64":
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	case "I32":
		return float64(int32(binary.LittleEndian.Uint32(b)))
	}
	return float64(int64(binary.LittleEndian.Uint64(b)))
}
