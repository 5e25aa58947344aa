package parity

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// WriteBaseAdapter writes the base adapter that a golden describes: its tensors "base.image_proj." with the attentions of a Plus adapter.
func WriteBaseAdapter(path, golden, plus string) error {
	type entry struct {
		DType   string `json:"dtype"`
		Shape   []int  `json:"shape"`
		Offsets [2]int `json:"data_offsets"`
	}
	header := make(map[string]entry)
	var content []byte
	for _, from := range [][2]string{{golden, "base.image_proj."}, {plus, "ip_adapter."}} {
		f, err := weights.OpenFile(from[0])
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(slices.Values(f.Names())) {
			if !strings.HasPrefix(name, from[1]) {
				continue
			}
			t, _ := f.Tensor(name)
			header[strings.TrimPrefix(name, "base.")] = entry{t.DType, t.Shape, [2]int{len(content), len(content) + len(t.Data)}}
			content = append(content, t.Data...)
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	text, err := json.Marshal(header)
	if err != nil {
		return err
	}
	text = append(text, strings.Repeat(" ", -len(text)&7)...) // content begins at a multiple of 8
	return os.WriteFile(path, slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, content), 0o600)
}
