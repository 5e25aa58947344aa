package weights

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"github.com/nlpodyssey/safetensors"

	"github.com/seed-8af8f8e1/flow/internal/mapping"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// File is one file of tensors, safetensors or torch's, its header checked and its data mapped read-only.
type File struct {
	path     string
	stamp    FileStamp
	mapping  []byte // the whole file
	data     int64  // where the tensors of a safetensors file begin; 0 for torch's
	metadata map[string]string
	names    []string // by offset
	tensors  map[string]RawTensor

	mu     sync.Mutex
	kept   int  // users that keep the mapping
	closed bool // unmapped when the last of them is done
}

// RawTensor is a tensor as it lies in its file.
type RawTensor struct {
	DType string // as safetensors names it: "F16", "BF16", ...
	Shape []int
	Data  []byte // little-endian, row-major; part of the mapping, but for tensors that a torch file keeps permuted
}

// weightTypes has the element types that can be computed with.
var weightTypes = map[string]program.WeightType{
	safetensors.F16.String(): program.WF16, safetensors.BF16.String(): program.WBF16,
	safetensors.F32.String(): program.WF32, safetensors.F64.String(): program.WF64,
}

// OpenFile opens a safetensors file, or a file of torch.save (.bin, .ckpt, .pt), told by its first bytes. A malformed
// one is refused with an [*Error] that names the file, the tensor and what is wrong; element types
// that flow cannot compute with are accepted until such a tensor is used.
func OpenFile(path string) (*File, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, &Error{File: path, Problem: "cannot open the weights", Err: err}
	}
	defer func() { _ = f.Close() }() // the mapping stays
	stamp, err := stampFile(f)
	if err != nil {
		return nil, &Error{File: path, Problem: "cannot open the weights", Err: err}
	}
	if isTorch(f) {
		return openTorch(f, path, stamp)
	}
	h, err := readHeader(f, stamp.Size)
	if err != nil {
		if named := strange(path, f, stamp.Size); named != nil {
			return nil, named
		}
		return nil, headerError(path, err)
	}
	if err := h.parseByLibrary(); err != nil {
		return nil, headerError(path, err)
	}
	out, err := mapped(f, path, stamp)
	if err != nil {
		return nil, err
	}
	out.metadata = h.metadata
	out.index(h)
	return out, nil
}

// mapped maps a file; its tensors are not known yet.
func mapped(f *os.File, path string, stamp FileStamp) (*File, error) {
	data, err := mapping.Map(f, stamp.Size)
	if err != nil {
		return nil, &Error{File: path, Problem: "cannot map the file into memory", Err: err}
	}
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return &File{path: path, stamp: stamp, mapping: data}, nil
}

// headerError adds the file's name.
func headerError(path string, err error) error {
	hint := "get the file again from where it came"
	var te *tensorError
	if errors.As(err, &te) {
		return &Error{File: path, Tensor: te.tensor, Problem: te.problem, Hint: hint}
	}
	return &Error{File: path, Problem: err.Error(), Hint: hint}
}

// index makes the table of tensors.
func (f *File) index(h *header) {
	f.data = int64(8 + len(h.raw))
	data := f.mapping[f.data:]
	f.names = make([]string, 0, len(h.entries))
	f.tensors = make(map[string]RawTensor, len(h.entries))
	for i := range h.entries {
		e := &h.entries[i]
		t := RawTensor{DType: e.dtype, Shape: make([]int, len(e.shape)), Data: data[e.begin:e.end:e.end]}
		for j, d := range e.shape {
			t.Shape[j] = int(min(d, math.MaxInt))
		}
		f.names = append(f.names, e.name)
		f.tensors[e.name] = t
	}
}

// maps says whether data lies in the mapping.
func (f *File) maps(data []byte) bool {
	return len(data) > 0 && mapping.Holds(f.mapping, uintptr(unsafe.Pointer(unsafe.SliceData(data))))
}

// Path is the file's absolute path.
func (f *File) Path() string { return f.path }

// Stamp is the file's stamp when it was opened.
func (f *File) Stamp() FileStamp { return f.stamp }

// Metadata is the header's __metadata__; nil when it has none.
func (f *File) Metadata() map[string]string { return f.metadata }

// Names lists the tensors in the order of their data. It must not be changed.
func (f *File) Names() []string { return f.names }

// Tensor gives a tensor by its name in the file. Its data is read inside
// [File.Guard] and not used after [File.Close].
func (f *File) Tensor(name string) (RawTensor, bool) {
	t, ok := f.tensors[name]
	return t, ok
}

// Verify compares the path's file with what was opened. The error names the
// file and says how it changed.
func (f *File) Verify() error { return f.stamp.Verify(f.path) }

// Close unmaps the file, once nobody keeps it. No slice of its data may be used any more, but by who keeps it.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tensors, f.names, f.closed = nil, nil, true
	return f.unmap()
}

// Keep makes the data that was taken of the file readable beyond Close, until release is called.
func (f *File) Keep() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.kept++
	return sync.OnceFunc(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.kept--
		_ = f.unmap() // as much as Close could do
	})
}

// unmap unmaps a file that is closed and that nobody keeps.
func (f *File) unmap() error {
	m := f.mapping
	if m == nil || !f.closed || f.kept > 0 {
		return nil
	}
	f.mapping = nil
	if err := mapping.Unmap(m); err != nil {
		return fmt.Errorf("%s: cannot unmap: %w", f.path, err)
	}
	return nil
}
