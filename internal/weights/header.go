package weights

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/bits"
	"sort"
	"unicode/utf8"
)

// Limits of a header. SDXL has some 2,500 tensors and a header of 0.3 MB.
const (
	maxHeader   = 16 << 20
	maxTensors  = 100_000
	maxRank     = 8
	maxMetadata = 10_000
	maxDType    = 16
)

// dtype is an element type of known size.
type dtype struct {
	name string
	size uint64 // bytes
}

// dtypes has the element types whose size is known, by name.
var dtypes = func() map[string]dtype {
	m := make(map[string]dtype)
	for size, names := range map[uint64][]string{
		1: {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"},
		2: {"U16", "I16", "F16", "BF16"}, 4: {"U32", "I32", "F32"}, 8: {"U64", "I64", "F64", "C64"},
	} {
		for _, name := range names {
			m[name] = dtype{name, size}
		}
	}
	return m
}()

// entry is one tensor of a header, checked.
type entry struct {
	name       string
	dtype      string
	shape      []uint64
	begin, end uint64 // from the start of the data
	from, to   int    // bytes of `"name": {...}` in the header
}

// header is a scanned header.
type header struct {
	raw      []byte // the JSON
	metadata map[string]string
	entries  []entry // by offset
}

// tensorError is a problem of one tensor, before the file's name is known.
type tensorError struct {
	tensor, problem string
}

func (e *tensorError) Error() string { return e.problem }

// readHeader reads and checks the header of a file of the given size.
func readHeader(r io.ReaderAt, size int64) (*header, error) {
	var prefix [8]byte
	if size < 8 {
		return nil, fmt.Errorf("%d bytes are too few for a safetensors file", size)
	}
	if _, err := r.ReadAt(prefix[:], 0); err != nil {
		return nil, fmt.Errorf("cannot read the header: %w", err)
	}
	n := binary.LittleEndian.Uint64(prefix[:])
	switch {
	case n > maxHeader:
		return nil, fmt.Errorf("header of %d bytes: more than %d are not accepted, or this is not a safetensors file", n, maxHeader)
	case n > uint64(size-8):
		return nil, fmt.Errorf("header of %d bytes in a file of %d: the file is truncated or not a safetensors file", n, size)
	}
	raw := make([]byte, n)
	if _, err := r.ReadAt(raw, 8); err != nil {
		return nil, fmt.Errorf("cannot read the header: %w", err)
	}
	h, err := scanHeader(raw)
	if err != nil {
		return nil, err
	}
	return h, h.layout(uint64(size) - 8 - n)
}

// scanHeader parses the JSON of a header: nothing but what the format has.
func scanHeader(raw []byte) (*header, error) {
	if !utf8.Valid(raw) {
		return nil, fmt.Errorf("header is not UTF-8")
	}
	h := &header{raw: raw}
	s := &scanner{buf: raw}
	seen := make(map[string]struct{})
	err := s.list('{', '}', func() error {
		s.space()
		from := s.pos
		name, err := s.str()
		if err != nil {
			return err
		}
		if _, dup := seen[name]; dup {
			return &tensorError{name, "stands twice in the header"}
		}
		seen[name] = struct{}{}
		if err := s.expect(':'); err != nil {
			return err
		}
		if name == "__metadata__" {
			h.metadata, err = s.metadata()
			return err
		}
		if len(h.entries) == maxTensors {
			return fmt.Errorf("more than %d tensors are not accepted", maxTensors)
		}
		e := entry{name: name, from: from}
		if err := s.tensor(&e); err != nil {
			return &tensorError{name, err.Error()}
		}
		e.to = s.pos
		h.entries = append(h.entries, e)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if s.space(); s.pos != len(raw) {
		return nil, s.fail("something follows the header's end")
	}
	return h, nil
}

// metadata reads an object of strings.
func (s *scanner) metadata() (map[string]string, error) {
	m := make(map[string]string)
	err := s.list('{', '}', func() error {
		key, err := s.str()
		if err != nil {
			return err
		}
		if _, dup := m[key]; dup {
			return s.fail("__metadata__ has %s twice", quoteName(key))
		}
		if len(m) == maxMetadata {
			return s.fail("__metadata__ has more than %d entries", maxMetadata)
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		m[key], err = s.str()
		return err
	})
	return m, err
}

// tensor reads {"dtype": ..., "shape": [...], "data_offsets": [b, e]} in any order.
func (s *scanner) tensor(e *entry) error {
	var dtype, shape, offsets bool
	err := s.list('{', '}', func() error {
		key, err := s.bytes()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		switch {
		case string(key) == "dtype" && !dtype:
			dtype = true
			e.dtype, err = s.dtype()
		case string(key) == "shape" && !shape:
			shape = true
			var dims [maxRank]uint64
			n := 0
			n, err = s.naturals(dims[:])
			e.shape = append([]uint64{}, dims[:n]...)
		case string(key) == "data_offsets" && !offsets:
			offsets = true
			var pair [2]uint64
			n := 0
			if n, err = s.naturals(pair[:]); err == nil && n != 2 {
				err = s.fail("data_offsets has %d numbers; want 2", n)
			}
			e.begin, e.end = pair[0], pair[1]
		case string(key) == "dtype" || string(key) == "shape" || string(key) == "data_offsets":
			err = s.fail("%s stands twice", key)
		default:
			err = s.fail("unknown field %s", quoteName(string(key)))
		}
		return err
	})
	if err == nil && !(dtype && shape && offsets) {
		err = s.fail("dtype, shape or data_offsets is missing")
	}
	return err
}

// dtype reads an element type's name. Known names share their memory.
func (s *scanner) dtype() (string, error) {
	b, err := s.bytes()
	if err == nil && len(b) > maxDType {
		err = s.fail("dtype of %d bytes", len(b))
	}
	if known, ok := dtypes[string(b)]; ok {
		return known.name, err
	}
	return string(b), err
}

// naturals reads a list of at most len(out) numbers and gives how many they are.
func (s *scanner) naturals(out []uint64) (n int, err error) {
	err = s.list('[', ']', func() (err error) {
		if n == len(out) {
			return s.fail("more than %d numbers", n)
		}
		out[n], err = s.natural()
		n++
		return err
	})
	return n, err
}

// layout checks that the tensors fill the data, of size bytes, without gap or
// overlap, and that each has as many bytes as its shape and type ask for.
func (h *header) layout(size uint64) error {
	sort.Slice(h.entries, func(i, j int) bool {
		a, b := &h.entries[i], &h.entries[j]
		if a.begin != b.begin {
			return a.begin < b.begin
		}
		if a.end != b.end {
			return a.end < b.end
		}
		return a.name < b.name
	})
	at := uint64(0)
	for i := range h.entries {
		e := &h.entries[i]
		switch {
		case e.end < e.begin:
			return &tensorError{e.name, fmt.Sprintf("data_offsets run backwards: %d to %d", e.begin, e.end)}
		case e.begin < at:
			return &tensorError{e.name, fmt.Sprintf("its data, from byte %d, overlaps tensor %s, up to %d", e.begin, quoteName(h.entries[i-1].name), at)}
		case e.begin > at:
			return &tensorError{e.name, fmt.Sprintf("its data starts at byte %d and leaves a gap after %d", e.begin, at)}
		case e.end > size:
			return &tensorError{e.name, fmt.Sprintf("its data ends at byte %d of %d: the file is truncated or the offsets are wrong", e.end, size)}
		}
		if err := e.checkSize(); err != nil {
			return err
		}
		at = e.end
	}
	if at != size {
		return fmt.Errorf("%d bytes after the last tensor belong to none", size-at)
	}
	return nil
}

// checkSize compares the number of bytes with shape and type.
func (e *entry) checkSize() error {
	elems, err := elements(e.shape)
	if err != nil {
		return &tensorError{e.name, err.Error()}
	}
	d, known := dtypes[e.dtype]
	if !known {
		return nil
	}
	hi, want := bits.Mul64(elems, d.size)
	if hi != 0 || want != e.end-e.begin {
		return &tensorError{e.name, fmt.Sprintf("shape %v of %s does not take the %d bytes that it has", e.shape, e.dtype, e.end-e.begin)}
	}
	return nil
}

// elements is the product of shape.
func elements(shape []uint64) (uint64, error) {
	n := uint64(1)
	for _, d := range shape {
		hi, lo := bits.Mul64(n, d)
		if hi != 0 || lo > 1<<62 {
			return 0, fmt.Errorf("shape %v has too many elements", shape)
		}
		n = lo
	}
	return n, nil
}
