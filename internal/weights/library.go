package weights

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/nlpodyssey/safetensors"
)

// libraryChunk is the number of tensors that the library parses at a time, which
// bounds what it allocates.
const libraryChunk = 1000

// parseByLibrary has the safetensors library read the entries whose types it
// knows, as they stand in the header, and makes sure that it reads what the
// scan read. Entries of other types are left out: the library refuses whole files for them.
func (h *header) parseByLibrary() (map[string]*safetensors.TensorInfo, error) {
	all := make(map[string]*safetensors.TensorInfo, len(h.entries))
	for chunk := range slices.Chunk(h.entries, libraryChunk) {
		doc := []byte{'{'}
		n := 0
		for i := range chunk {
			e := &chunk[i]
			if _, err := safetensors.ParseDType(e.dtype); err != nil {
				continue
			}
			if n++; n > 1 {
				doc = append(doc, ',')
			}
			doc = append(doc, h.raw[e.from:e.to]...)
		}
		var meta safetensors.Metadata
		if err := json.Unmarshal(append(doc, '}'), &meta); err != nil {
			return nil, fmt.Errorf("header: %w", err)
		}
		infos := meta.Tensors()
		if len(infos) != n {
			return nil, fmt.Errorf("header: %d tensors read as %d", n, len(infos))
		}
		for i := range chunk {
			e := &chunk[i]
			info := infos[e.name]
			if info == nil {
				continue
			}
			if info.DType.String() != e.dtype || !slices.Equal(info.Shape, e.shape) || info.DataOffsets != [2]uint64{e.begin, e.end} {
				return nil, &tensorError{e.name, "its header entry has two readings"}
			}
			all[e.name] = info
		}
	}
	return all, nil
}
