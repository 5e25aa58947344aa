package torchfile

import (
	"fmt"
	"slices"
	"sort"

	"github.com/seed-8af8f8e1/flow/internal/pickle"
)

// place finds a tensor's bytes: the part of its storage that it covers.
func place(t *pickle.Tensor, storages map[string]span) (Tensor, error) {
	s, ok := storages[t.Storage.Key]
	if !ok {
		return Tensor{}, fmt.Errorf("its storage %.40q is not in the file", t.Storage.Key)
	}
	size := sizes[t.Storage.DType]
	if t.Storage.Elements > (s.end-s.begin)/size {
		return Tensor{}, fmt.Errorf("its storage has %d bytes where %d of %s were promised: the file is truncated or was tampered with",
			s.end-s.begin, t.Storage.Elements, t.Storage.DType)
	}
	if len(t.Shape) > maxRank {
		return Tensor{}, fmt.Errorf("%d dimensions; at most %d are accepted", len(t.Shape), maxRank)
	}
	out := Tensor{DType: t.Storage.DType, Shape: slices.Clone(t.Shape)}
	n, err := elements(t.Shape, t.Storage.Elements)
	if err != nil {
		return Tensor{}, err
	}
	if n == 0 {
		out.Begin, out.End = s.begin, s.begin
		return out, nil
	}
	if t.Offset > t.Storage.Elements-n {
		return Tensor{}, fmt.Errorf("%d elements from element %d on reach beyond its storage of %d", n, t.Offset, t.Storage.Elements)
	}
	if out.Permute, err = order(t.Shape, t.Stride); err != nil {
		return Tensor{}, err
	}
	out.Begin = s.begin + t.Offset*size
	out.End = out.Begin + n*size
	return out, nil
}

// elements is the product of shape, at most limit.
func elements(shape []int64, limit int64) (int64, error) {
	if slices.Contains(shape, 0) {
		return 0, nil
	}
	n := int64(1)
	for _, d := range shape {
		if d > limit/n {
			return 0, fmt.Errorf("shape %v has more elements than its storage, which has %d", shape, limit)
		}
		n *= d
	}
	return n, nil
}

// order gives the dimensions from slowest to fastest; nil for row-major. Strides that leave gaps or
// visit an element twice are an error. No dimension is 0.
func order(shape, stride []int64) ([]int, error) {
	var dims []int
	for i, d := range shape {
		if d > 1 {
			dims = append(dims, i)
		}
	}
	sort.SliceStable(dims, func(a, b int) bool { return stride[dims[a]] > stride[dims[b]] })
	want := int64(1)
	for i := len(dims) - 1; i >= 0; i-- {
		if stride[dims[i]] != want {
			return nil, fmt.Errorf("strides %v of shape %v leave gaps or overlap; save it after .contiguous()", stride, shape)
		}
		want *= shape[dims[i]]
	}
	if slices.IsSorted(dims) {
		return nil, nil
	}
	for i, d := range shape {
		if d == 1 {
			dims = append([]int{i}, dims...)
		}
	}
	return dims, nil
}

// Gather copies a tensor's bytes to row-major order.
func (t *Tensor) Gather(data []byte) []byte {
	if t.Permute == nil {
		return slices.Clone(data)
	}
	size := sizes[t.DType]
	stride := make([]int64, len(t.Shape)) // in bytes
	at := size
	for i := len(t.Permute) - 1; i >= 0; i-- {
		stride[t.Permute[i]] = at
		at *= t.Shape[t.Permute[i]]
	}
	out := make([]byte, 0, len(data))
	index := make([]int64, len(t.Shape))
	from := int64(0)
	for {
		out = append(out, data[from:from+size]...)
		i := len(index) - 1
		for ; i >= 0; i-- {
			index[i]++
			from += stride[i]
			if index[i] < t.Shape[i] {
				break
			}
			from -= stride[i] * t.Shape[i]
			index[i] = 0
		}
		if i < 0 {
			return out
		}
	}
}
