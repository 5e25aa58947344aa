package panels

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// Files is where files are kept. All methods are safe for many goroutines and processes.
type Files interface {
	// OpenPacked opens the file of a key for reading; an error where there is none.
	OpenPacked(key [32]byte) (*os.File, error)
	// RoomPacked says whether packed weights of so many bytes are wanted.
	RoomPacked(size int64) bool
	// PutPacked makes the file of a key, of size bytes: by what fill writes to a temporary file that is synced and renamed.
	PutPacked(ctx context.Context, key [32]byte, size int64, fill func(w io.Writer) error) error
	// RemovePacked removes a damaged file.
	RemovePacked(key [32]byte) error
	// LockPacked makes this process the one that packs, until unlock; not ok where another one is.
	LockPacked() (unlock func(), ok bool)
}

// ErrNoRoom says that packed weights may not take more than they do.
var ErrNoRoom = errors.New("no room for packed weights")

// Store opens and makes panels.
type Store struct {
	files   Files
	writers sync.Pool // of buffers, one for each file that is made at a time
}

// writeBuffer is what is written at once, in bytes.
const writeBuffer = 1 << 20

// NewStore gives the store over files.
func NewStore(files Files) *Store {
	return &Store{files: files, writers: sync.Pool{New: func() any { return bufio.NewWriterSize(nil, writeBuffer) }}}
}

// Open maps what is kept; nil where there is nothing, or nothing whole: that is removed.
func (s *Store) Open(id ID) *Panels {
	if id.check() != nil {
		return nil
	}
	f, err := s.files.OpenPacked(id.Key())
	if err != nil {
		return nil
	}
	defer func() { _ = f.Close() }() // the mapping stays
	p, err := open(f, id)
	if err != nil {
		_ = s.files.RemovePacked(id.Key()) // else it is found again
		return nil
	}
	p.store = s
	return p
}

// Has says whether a file is there, whole or not.
func (s *Store) Has(id ID) bool {
	f, err := s.files.OpenPacked(id.Key())
	if err != nil {
		return false
	}
	_ = f.Close()
	return true
}

// Lock makes this process the one that packs; see [Files].
func (s *Store) Lock() (unlock func(), ok bool) { return s.files.LockPacked() }

// Make makes the file of an ID. block writes block i to dst.
func (s *Store) Make(ctx context.Context, id ID, block func(i int, dst []byte) error) error {
	if err := id.check(); err != nil {
		return err
	}
	if !s.files.RoomPacked(id.Size()) {
		return ErrNoRoom
	}
	return s.files.PutPacked(ctx, id.Key(), id.Size(), func(w io.Writer) error {
		out := s.writers.Get().(*bufio.Writer) // the garbage of hundreds of files would stand beside a run
		defer s.writers.Put(out)
		defer out.Reset(nil)
		out.Reset(w)
		if _, err := out.Write(id.header()); err != nil {
			return err
		}
		sums := make([]uint32, id.Blocks)
		buf := make([]byte, id.Block)
		for i := range sums {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := block(i, buf); err != nil {
				return err
			}
			sums[i] = checksum(buf)
			if _, err := out.Write(buf); err != nil {
				return err
			}
		}
		if _, err := out.Write(id.end(sums)); err != nil {
			return err
		}
		return out.Flush()
	})
}

// Check reads a whole file and says what is wrong with it.
func Check(f *os.File) error {
	header := make([]byte, headerSize)
	if _, err := f.ReadAt(header, 0); err != nil {
		return fmt.Errorf("header: %w", err)
	}
	id, ok := parse(header)
	if !ok {
		return errors.New("no header of packed weights")
	}
	p, err := open(f, id)
	if err != nil {
		return err
	}
	defer p.Close()
	return Guard(func() error {
		for i := range id.Blocks {
			if !p.Verify(i) {
				return fmt.Errorf("block %d has another checksum", i)
			}
		}
		return nil
	}, []*Panels{p})
}
