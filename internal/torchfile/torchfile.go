package torchfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/seed-8af8f8e1/flow/internal/pickle"
)

// Limits of a file.
const (
	maxTensors   = 100_000
	maxRank      = 8
	maxDirectory = 32 << 20 // bytes of zip directory
	maxNesting   = 8        // dicts within dicts
)

// Tensor is one tensor: a range of the file.
type Tensor struct {
	Name       string // keys of nested dicts are joined by a dot
	DType      string // as safetensors names it
	Shape      []int64
	Begin, End int64 // bytes of the file; of a permuted tensor, all that it touches
	// Permute says how a tensor that is not row-major lies in its bytes: dimension Permute[i] is the i-th
	// slowest. Nil means row-major.
	Permute []int
}

// TensorError is a problem of one tensor.
type TensorError struct{ Name, Problem string }

// Error gives the problem.
func (e *TensorError) Error() string { return e.Problem }

// Sizes of element types in bytes.
var sizes = map[string]int64{"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U8": 1, "BOOL": 1}

// zipMagic and legacyMagic begin the two formats: a local file header, and protocol 2 with the number
// 0x1950a86a20f9469cfc6c.
var (
	zipMagic    = []byte("PK\x03\x04")
	legacyMagic = []byte("\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.")
)

// Recognise says whether the first bytes of a file are those of a torch file. 16 bytes are enough.
func Recognise(start []byte) bool {
	return bytes.HasPrefix(start, zipMagic) || bytes.HasPrefix(start, legacyMagic)
}

// span is a storage's place in the file.
type span struct{ begin, end int64 }

// Read finds the tensors of a file of the given size, by their place in it.
func Read(r io.ReaderAt, size int64) ([]Tensor, error) {
	var start [16]byte
	n, err := r.ReadAt(start[:], 0)
	if err != nil && err != io.EOF {
		return nil, err
	}
	var value any
	var storages map[string]span
	switch {
	case bytes.HasPrefix(start[:n], zipMagic):
		value, storages, err = readZip(r, size)
	case bytes.HasPrefix(start[:n], legacyMagic):
		value, storages, err = readLegacy(r, size)
	default:
		err = errors.New("neither a zip archive of torch.save nor its older format")
	}
	if err != nil {
		return nil, err
	}
	named, err := flatten(value)
	if err != nil {
		return nil, err
	}
	out := make([]Tensor, 0, len(named))
	for _, x := range named {
		t, err := place(x.tensor, storages)
		if err != nil {
			return nil, &TensorError{x.name, err.Error()}
		}
		t.Name = x.name
		out = append(out, t)
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Begin < out[j].Begin })
	return out, nil
}

// entry is a tensor in the value that a pickle gave.
type entry struct {
	name   string
	tensor *pickle.Tensor
}

// flatten finds the tensors in nested dicts. A "state_dict" at the top is taken alone: what
// stands beside it belongs to a training run.
func flatten(value any) ([]entry, error) {
	top, ok := value.(*pickle.Dict)
	if !ok {
		return nil, errors.New("the file does not hold a dict of tensors")
	}
	if inner, ok := top.Get("state_dict"); ok {
		if d, ok := inner.(*pickle.Dict); ok {
			top = d
		}
	}
	f := &flattener{seen: make(map[string]bool)}
	if err := f.walk(top, "", 0); err != nil {
		return nil, err
	}
	if len(f.out) == 0 {
		return nil, errors.New("the file holds no tensors")
	}
	return f.out, nil
}

type flattener struct {
	out     []entry
	seen    map[string]bool
	visited int
}

func (f *flattener) walk(d *pickle.Dict, prefix string, depth int) error {
	if depth == maxNesting {
		return fmt.Errorf("more than %d dicts within dicts are not accepted", maxNesting)
	}
	for _, key := range d.Keys {
		if f.visited++; f.visited > 4*maxTensors {
			return fmt.Errorf("more than %d values are not accepted", 4*maxTensors)
		}
		name := prefix + fmt.Sprint(key)
		value, _ := d.Get(key)
		switch v := value.(type) {
		case *pickle.Dict:
			if err := f.walk(v, name+".", depth+1); err != nil {
				return err
			}
		case *pickle.Tensor:
			if f.seen[name] {
				return &TensorError{name, "stands twice in the file"}
			}
			if len(f.out) == maxTensors {
				return fmt.Errorf("more than %d tensors are not accepted", maxTensors)
			}
			f.seen[name] = true
			f.out = append(f.out, entry{name, v})
		}
	}
	return nil
}
