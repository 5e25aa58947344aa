package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"os"
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

// OpenPacked opens packed weights; none are put.
func (o *overlay) OpenPacked(key [32]byte) (*os.File, error) { return o.behind.OpenPacked(key) }

// RoomPacked is false: nothing can be put.
func (o *overlay) RoomPacked(int64) bool { return false }

// PutPacked fails.
func (o *overlay) PutPacked(ctx context.Context, key [32]byte, size int64, fill func(w io.Writer) error) error {
	return o.behind.PutPacked(ctx, key, size, fill)
}

// RemovePacked fails.
func (o *overlay) RemovePacked(key [32]byte) error { return o.behind.RemovePacked(key) }

// LockPacked locks nothing.
func (o *overlay) LockPacked() (unlock func(), ok bool) { return o.behind.LockPacked() }

// Tombstones gives those of the store behind.
func (o *overlay) Tombstones() iter.Seq[*Tombstone] { return o.behind.Tombstones() }

func (o *overlay) Close() error { return errors.Join(o.Memory.Close(), o.behind.Close()) }

// GetCheckpoint implements [Checkpoints].
func (o *overlay) GetCheckpoint(key ActionKey) (*Checkpoint, error) {
	return o.behind.GetCheckpoint(key)
}

// PutCheckpoint implements [Checkpoints]. It keeps nothing: who would go on from a state in memory ends with it.
func (o *overlay) PutCheckpoint(context.Context, Checkpoint) error { return nil }

// DropCheckpoint implements [Checkpoints]. It drops nothing, since it keeps nothing.
func (o *overlay) DropCheckpoint(ActionKey) error { return nil }
