package cache

import (
	"bytes"
	"errors"
	"iter"
	"slices"
)

// overlay answers from a store that can only be read, and keeps what is new in memory.
type overlay struct {
	*Memory
	behind *Disk
}

func (o *overlay) Get(key ActionKey) (*Record, error) {
	if r, err := o.Memory.Get(key); err == nil {
		return r, nil
	}
	return o.behind.Get(key)
}

func (o *overlay) Read(id BlobID) ([]byte, error) {
	if data, err := o.Memory.Read(id); err == nil {
		return data, nil
	}
	return o.behind.Read(id)
}

func (o *overlay) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for r, err := range o.Memory.Records() {
			if !yield(r, err) {
				return
			}
		}
		for r, err := range o.behind.Records() {
			if err == nil && len(o.Memory.Find(r.Key.String())) > 0 {
				continue
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

func (o *overlay) Find(prefix string) []ActionKey {
	keys := append(o.Memory.Find(prefix), o.behind.Find(prefix)...)
	slices.SortFunc(keys, func(a, b ActionKey) int { return bytes.Compare(a[:], b[:]) })
	return slices.Compact(keys)
}

func (o *overlay) GetMemo(key string) ([]byte, bool) {
	if val, ok := o.Memory.GetMemo(key); ok {
		return val, true
	}
	return o.behind.GetMemo(key)
}

func (o *overlay) Close() error { return errors.Join(o.Memory.Close(), o.behind.Close()) }
