package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
)

// Store keeps records and their blobs. All methods are safe for many goroutines.
type Store interface {
	// Get finds the record of an action. It has looked that every blob is there
	// with its size, Read looks at the bytes. The error is always a *Miss.
	Get(ActionKey) (*Record, error)
	// Read gives a blob whose bytes have been hashed. A corrupt blob is deleted.
	// The error is always a *Miss.
	Read(BlobID) ([]byte, error)
	// Put stores blobs, then the record whose outputs they are, and gives the
	// record as stored. After an error the store holds all it held before and
	// nothing half-written; the caller can go on without it.
	Put(context.Context, Record, []NewBlob) (*Record, error)
	// Records gives all records, in the order of their keys; for one that cannot
	// be read, nil and a *Miss.
	Records() iter.Seq2[*Record, error]
	// Find gives the keys of all records that start with the given hexadecimal
	// digits, sorted.
	Find(prefix string) []ActionKey
	// GetMemo gives the small value that PutMemo remembered under key.
	GetMemo(key string) ([]byte, bool)
	// PutMemo remembers a small value. It may be forgotten at any time.
	PutMemo(key string, val []byte)
	// Close ends the lease on what was used. The store is not used afterwards.
	Close() error
}

// DefaultDir is the folder of the store: FLOW_CACHE_DIR, else "flow" in the
// user's cache folder.
func DefaultDir() (string, error) {
	if dir := os.Getenv("FLOW_CACHE_DIR"); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", fmt.Errorf("FLOW_CACHE_DIR=%s: %w", dir, err)
		}
		return abs, nil
	}
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder for the cache: %w: set FLOW_CACHE_DIR to a folder that can be written", err)
	}
	return filepath.Join(base, "flow"), nil
}

const mostCap = 20 << 30 // 20 GiB

// DefaultCap is the size in bytes that a store in dir may have: 20 GiB or a
// tenth of the disk, whichever is less. dir need not exist yet.
func DefaultCap(dir string) int64 {
	for {
		total, err := diskSize(dir)
		if err == nil && total > 0 {
			return min(mostCap, total/10)
		}
		up := filepath.Dir(dir)
		if up == dir || !errors.Is(err, fs.ErrNotExist) {
			return mostCap
		}
		dir = up
	}
}

// OpenOrMemory opens the store in dir ("" for [DefaultDir]) or, where that
// cannot be written, one that lives in memory and in front of whatever dir holds.
// The store is never nil; the error is a warning: this run works, the next will
// not find what it made.
func OpenOrMemory(dir string, opts Options) (Store, error) {
	if dir == "" {
		var err error
		if dir, err = DefaultDir(); err != nil {
			return NewMemory(), fmt.Errorf("nothing will be kept for the next run: %w", err)
		}
	}
	d, err := Open(dir, opts)
	if err == nil && (opts.ReadOnly || d.writable()) {
		return d, nil
	}
	if err == nil {
		err = d.sessionErr()
		d.Close()
	}
	warning := fmt.Errorf("nothing will be kept for the next run: %w", err)
	opts.ReadOnly = true
	behind, err := Open(dir, opts)
	if err != nil {
		return NewMemory(), warning
	}
	return &overlay{Memory: NewMemory(), behind: behind}, warning
}
