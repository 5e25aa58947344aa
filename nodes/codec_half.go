package nodes

import (
	"encoding/binary"
	"fmt"

	"github.com/nlpodyssey/safetensors"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
)

// EncodeHalf writes arrays in fp16, rounded to nearest, as safetensors: half the room, for what is compared within bounds.
func EncodeHalf(list map[string]Tensor) ([]byte, error) {
	views := make(map[string]safetensors.TensorView, len(list))
	for name, t := range list {
		raw := make([]byte, 0, 2*len(t.Data))
		for _, x := range t.Data {
			raw = binary.LittleEndian.AppendUint16(raw, numeric.ToF16(x))
		}
		shape := make([]uint64, len(t.Shape))
		for i, d := range t.Shape {
			shape[i] = uint64(d)
		}
		view, err := safetensors.NewTensorView(safetensors.F16, shape, raw)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		views[name] = view
	}
	return safetensors.Serialize(views, nil)
}

// DecodeHalf reads what EncodeHalf wrote.
func DecodeHalf(data []byte) (map[string]Tensor, error) {
	st, err := safetensors.Deserialize(data)
	if err != nil {
		return nil, err
	}
	out := make(map[string]Tensor)
	for _, named := range st.Tensors() {
		view := named.TensorView
		if view.DType() != safetensors.F16 {
			return nil, fmt.Errorf("tensor %q is %s, want F16", named.Name, view.DType())
		}
		t := Tensor{}
		for _, d := range view.Shape() {
			t.Shape = append(t.Shape, int(d))
		}
		raw := view.Data()
		t.Data = make([]float32, len(raw)/2)
		for i := range t.Data {
			t.Data[i] = numeric.FromF16(binary.LittleEndian.Uint16(raw[2*i:]))
		}
		out[named.Name] = t
	}
	return out, nil
}
