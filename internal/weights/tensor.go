package weights

import (
	"fmt"
	"sync"

	"github.com/seed-8af8f8e1/flow/internal/mapping"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// Tensor is one tensor of a component under its canonical name. It is a view
// of its file except where the file keeps it transposed.
type Tensor struct {
	Name   string // canonical, such as "conv_in.weight"
	DType  string // as safetensors names it
	Shape  []int
	file   *File
	source string // name in the file
	kept   bool   // name, shape and elements are those of the file
	view   func() ([]byte, error)
	copied bool // view makes a copy
}

// File is the file that holds the tensor.
func (t *Tensor) File() *File { return t.file }

// Source is the tensor's name in its file.
func (t *Tensor) Source() string { return t.source }

// Bytes gives the elements: little-endian, row-major. To be read inside the file's Guard.
func (t *Tensor) Bytes() ([]byte, error) { return t.view() }

// drop takes the pages of a tensor that is mapped out of memory.
func (t *Tensor) drop() {
	if t.isMapped() {
		data, _ := t.view()
		mapping.Drop(data, t.file.mapping)
	}
}

// isMapped says whether the elements are read where they lie in the file.
func (t *Tensor) isMapped() bool {
	if t.copied {
		return false
	}
	data, err := t.view()
	return err == nil && t.file.maps(data)
}

// size is the number of bytes.
func (t *Tensor) size() int64 {
	raw, _ := t.file.Tensor(t.source)
	all, own := int64(1), int64(1)
	for _, d := range raw.Shape {
		all *= int64(d)
	}
	for _, d := range t.Shape {
		own *= int64(d)
	}
	if all == 0 {
		return 0
	}
	return int64(len(raw.Data)) / all * own
}

// data gives the tensor in the form that executors read.
func (t *Tensor) data() (program.WeightData, error) {
	wt, ok := weightTypes[t.DType]
	if !ok {
		return program.WeightData{}, t.fail(fmt.Sprintf("element type %s is not one of F16, BF16, F32, F64", t.DType),
			"convert the weights to one of these types")
	}
	data, err := t.view()
	if err != nil {
		return program.WeightData{}, err
	}
	return program.WeightData{Type: wt, Shape: t.Shape, Data: data}, nil
}

func (t *Tensor) fail(problem, hint string) error {
	return &Error{File: t.file.path, Tensor: t.source, Problem: problem, Hint: hint}
}

// newTensor makes the canonical tensor that target asks for of a tensor of f.
func newTensor(f *File, source string, target keymap.Target) (*Tensor, error) {
	raw, ok := f.Tensor(source)
	if !ok {
		return nil, &Error{File: f.path, Tensor: source, Problem: "is not in the file"}
	}
	t := &Tensor{Name: target.Name, DType: raw.DType, Shape: raw.Shape, file: f, source: source}
	t.view = func() ([]byte, error) { return raw.Data, nil }
	switch target.Transform {
	case keymap.Keep:
		t.kept = t.Name == source
	case keymap.Squeeze:
		for len(t.Shape) > 2 && t.Shape[len(t.Shape)-1] == 1 {
			t.Shape = t.Shape[:len(t.Shape)-1]
		}
	case keymap.Third:
		return t, t.third(raw, target.Part)
	case keymap.Transpose:
		return t, t.transpose(raw)
	case keymap.AddLead:
		t.Shape = append([]int{1}, raw.Shape...)
	case keymap.DropLead:
		if len(raw.Shape) == 0 || raw.Shape[0] != 1 {
			return nil, t.fail(fmt.Sprintf("shape %v does not begin with 1", raw.Shape), "")
		}
		t.Shape = raw.Shape[1:]
	}
	return t, nil
}

// third takes the rows of one of three tensors that are stored as one.
func (t *Tensor) third(raw RawTensor, part int) error {
	if len(raw.Shape) == 0 || raw.Shape[0]%3 != 0 || len(raw.Data)%3 != 0 {
		return t.fail(fmt.Sprintf("shape %v cannot be cut into query, key and value", raw.Shape), "")
	}
	n := len(raw.Data) / 3
	t.Shape = append([]int{raw.Shape[0] / 3}, raw.Shape[1:]...)
	rows := raw.Data[part*n : (part+1)*n : (part+1)*n]
	t.view = func() ([]byte, error) { return rows, nil }
	return nil
}

// transpose swaps the two dimensions. The copy is made when it is first read.
func (t *Tensor) transpose(raw RawTensor) error {
	if len(raw.Shape) != 2 {
		return t.fail(fmt.Sprintf("shape %v is not a matrix", raw.Shape), "")
	}
	rows, cols := raw.Shape[0], raw.Shape[1]
	t.Shape, t.copied = []int{cols, rows}, true
	t.view = sync.OnceValues(func() (out []byte, err error) {
		size := int(dtypes[raw.DType].size)
		if size == 0 {
			return nil, t.fail("element type "+raw.DType+" cannot be transposed", "convert the weights to F16, BF16 or F32")
		}
		err = t.file.Guard(func() error {
			out = make([]byte, len(raw.Data))
			for r := range rows {
				for c := range cols {
					copy(out[(c*rows+r)*size:][:size], raw.Data[(r*cols+c)*size:][:size])
				}
			}
			return nil
		})
		return out, err
	})
	return nil
}
