package weights

import (
	"fmt"
	"runtime"
	"slices"

	"github.com/nlpodyssey/safetensors"
	"golang.org/x/sync/errgroup"
)

// libraryChunk is the number of tensors that the library parses at a time, which
// bounds what it allocates.
const libraryChunk = 500

// parseByLibrary has the safetensors library read the entries whose types it
// knows, as they stand in the header, and makes sure that it reads what the
// scan read. Entries of other types are left to the scan: the library refuses whole files for them.
func (h *header) parseByLibrary() error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for chunk := range slices.Chunk(h.entries, libraryChunk) {
		group.Go(func() error { return h.parseChunk(chunk) })
	}
	return group.Wait()
}

// parseChunk replaces shape and offsets of each entry by the library's reading.
func (h *header) parseChunk(chunk []entry) error {
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
	if err := meta.UnmarshalJSON(append(doc, '}')); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	infos := meta.Tensors()
	if len(infos) != n {
		return fmt.Errorf("header: %d tensors read as %d", n, len(infos))
	}
	for i := range chunk {
		e := &chunk[i]
		info := infos[e.name]
		if info == nil {
			continue
		}
		if info.DType.String() != e.dtype || !slices.Equal(info.Shape, e.shape) || info.DataOffsets != [2]uint64{e.begin, e.end} {
			return &tensorError{e.name, "its header entry has two readings"}
		}
		e.shape, e.begin, e.end = info.Shape, info.DataOffsets[0], info.DataOffsets[1]
	}
	return nil
}
