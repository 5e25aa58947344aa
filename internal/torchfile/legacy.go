package torchfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/seed-8af8f8e1/flow/internal/pickle"
)

// readLegacy reads torch's format before 1.6: a magic number, the protocol, what the machine was like, the value
// and the list of its storages, each a pickle, and then each storage: its number of elements in 8 bytes, and the elements.
func readLegacy(r io.ReaderAt, size int64) (any, map[string]span, error) {
	raw := make([]byte, min(size, pickle.MaxSize+1024))
	if _, err := r.ReadAt(raw, 0); err != nil && err != io.EOF {
		return nil, nil, err
	}
	at := int64(len(legacyMagic))
	next := func() (any, error) {
		value, n, err := pickle.Decode(raw[min(at, int64(len(raw))):])
		at += int64(n)
		return value, err
	}
	version, err := next()
	if err != nil {
		return nil, nil, err
	}
	if version != int64(1001) {
		return nil, nil, fmt.Errorf("version %v of torch's older format is not known", version)
	}
	system, err := next()
	if err != nil {
		return nil, nil, err
	}
	if d, ok := system.(*pickle.Dict); !ok || !littleEndian(d) {
		return nil, nil, errors.New("the file was not written on a little-endian machine")
	}
	value, err := next()
	if err != nil {
		return nil, nil, err
	}
	keys, err := next()
	if err != nil {
		return nil, nil, err
	}
	storages, err := spans(r, size, at, keys, elementSizes(value))
	return value, storages, err
}

func littleEndian(system *pickle.Dict) bool {
	little, ok := system.Get("little_endian")
	return ok && little == true
}

// elementSizes gives the bytes of an element of each storage that a tensor in value names.
func elementSizes(value any) map[string]int64 {
	out := make(map[string]int64)
	named, err := flatten(value)
	if err != nil {
		return out // Read will say so
	}
	for _, x := range named {
		out[x.tensor.Storage.Key] = sizes[x.tensor.Storage.DType]
	}
	return out
}

// spans walks over the storages from byte at on, in the order of their keys.
func spans(r io.ReaderAt, size, at int64, keys any, elementSize map[string]int64) (map[string]span, error) {
	list, ok := keys.(*pickle.List)
	if !ok {
		return nil, errors.New("the list of storages is no list")
	}
	out := make(map[string]span, min(len(list.Items), maxTensors))
	for _, item := range list.Items {
		key, ok := item.(string)
		if _, dup := out[key]; dup || !ok {
			return nil, errors.New("the list of storages is not one of texts, each once")
		}
		var count [8]byte
		if _, err := r.ReadAt(count[:], at); err != nil {
			return nil, fmt.Errorf("storage %.40q is not in the file: it is truncated", key)
		}
		n, width := int64(binary.LittleEndian.Uint64(count[:])), elementSize[key]
		if width == 0 {
			return nil, fmt.Errorf("storage %.40q belongs to no tensor, so that its size is not known; save the weights alone", key)
		}
		at += int64(len(count))
		if n < 0 || n > (size-at)/width {
			return nil, fmt.Errorf("storage %.40q has %d elements, which reach beyond the file's end", key, n)
		}
		out[key] = span{at, at + n*width}
		at += n * width
	}
	return out, nil
}
