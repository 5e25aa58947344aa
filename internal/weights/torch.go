package weights

import (
	"errors"
	"io"
	"os"

	"github.com/seed-8af8f8e1/flow/internal/torchfile"
)

// isTorch says whether a file begins like one of torch.save. A safetensors file that began so would have a header
// beyond the limit.
func isTorch(f io.ReaderAt) bool {
	var start [16]byte
	n, _ := f.ReadAt(start[:], 0)
	return torchfile.Recognise(start[:n])
}

// openTorch opens a file of torch.save. Nothing in it is run.
func openTorch(f *os.File, path string, stamp FileStamp) (*File, error) {
	tensors, err := torchfile.Read(f, stamp.Size)
	if err != nil {
		return nil, torchError(path, err)
	}
	out, err := mapped(f, path, stamp)
	if err != nil {
		return nil, err
	}
	if err := out.indexTorch(tensors); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	return out, nil
}

// torchError adds the file's name.
func torchError(path string, err error) error {
	e := &Error{File: path, Problem: err.Error(),
		Hint: "flow reads weights of torch files and runs nothing in them; get the model as safetensors, or save its weights alone: torch.save(model.state_dict(), path)"}
	var te *torchfile.TensorError
	if errors.As(err, &te) {
		e.Tensor, e.Problem = te.Name, te.Problem
	}
	return e
}

// indexTorch makes the table of tensors. Permuted tensors are copied; together they may not take more than the file.
func (f *File) indexTorch(tensors []torchfile.Tensor) error {
	f.names = make([]string, 0, len(tensors))
	f.tensors = make(map[string]RawTensor, len(tensors))
	copies := int64(0)
	for i := range tensors {
		t := &tensors[i]
		raw := RawTensor{DType: t.DType, Shape: make([]int, len(t.Shape)), Data: f.mapping[t.Begin:t.End:t.End]}
		for j, d := range t.Shape {
			raw.Shape[j] = int(d)
		}
		if t.Permute != nil {
			if copies += t.End - t.Begin; copies > f.stamp.Size {
				return &Error{File: f.path, Tensor: t.Name, Problem: "too many tensors are not in the order of their dimensions", Hint: "save them after .contiguous()"}
			}
			if err := f.Guard(func() error {
				raw.Data = t.Gather(raw.Data)
				return nil
			}); err != nil {
				return err
			}
		}
		f.names = append(f.names, t.Name)
		f.tensors[t.Name] = raw
	}
	return nil
}
