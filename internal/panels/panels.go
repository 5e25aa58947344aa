package panels

import (
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"github.com/seed-8af8f8e1/flow/internal/mapping"
)

// Panels is a mapped file. Its methods but Close are safe for many goroutines.
type Panels struct {
	id      ID
	store   *Store
	file    []byte
	sums    []uint32
	seen    []atomic.Bool // blocks whose checksum was right
	damaged atomic.Bool
}

// open maps a file and checks all but its blocks.
func open(f *os.File, id ID) (*Panels, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() != id.Size() {
		return nil, fmt.Errorf("%d bytes, not %d", info.Size(), id.Size())
	}
	file, err := mapping.Map(f, id.Size())
	if err != nil {
		return nil, err
	}
	p := &Panels{id: id, file: file, seen: make([]atomic.Bool, id.Blocks)}
	err = Guard(func() error {
		p.sums, err = id.sums(file)
		return err
	}, []*Panels{p})
	if err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// block is where block i lies.
func (p *Panels) block(i int) []byte {
	at := headerSize + i*p.id.Block
	return p.file[at : at+p.id.Block : at+p.id.Block]
}

// Verify says whether block i is whole; it is read as a whole the first time.
func (p *Panels) Verify(i int) bool {
	if p.seen[i].Load() {
		return true
	}
	if checksum(p.block(i)) != p.sums[i] {
		p.damaged.Store(true)
		return false
	}
	p.seen[i].Store(true)
	return true
}

// Block gives block i as words of 32 bits, or nil where [Panels.Verify] has not found it whole.
func (p *Panels) Block(i int) []float32 {
	if !p.seen[i].Load() {
		return nil
	}
	b := p.block(i)
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// ID says what the panels are of.
func (p *Panels) ID() ID { return p.id }

// Damaged says whether a block was not whole.
func (p *Panels) Damaged() bool { return p.damaged.Load() }

// Drop takes the pages out of this process's memory until they are used again.
func (p *Panels) Drop() { mapping.Drop(p.file, p.file) }

// Close unmaps the file, and removes it where it was damaged. No block may be used any more.
func (p *Panels) Close() {
	if p.file == nil {
		return
	}
	_ = mapping.Unmap(p.file) // it cannot fail for what was mapped
	p.file = nil
	if p.Damaged() && p.store != nil {
		_ = p.store.files.RemovePacked(p.id.Key()) // else it is found again
	}
}

// Guard calls f so that a page of some panels that cannot be read is an error. See [mapping.Guard].
func Guard(f func() error, all []*Panels) error {
	return mapping.Guard(f, func(addr uintptr) error {
		for _, p := range all {
			if mapping.Holds(p.file, addr) {
				p.damaged.Store(true)
				return fmt.Errorf("packed weights in the cache could not be read: their file was cut during the run, or its disk failed: run again, they are made anew")
			}
		}
		return nil
	})
}
