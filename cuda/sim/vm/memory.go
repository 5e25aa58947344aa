package vm

import (
	"fmt"
	"sort"
	"sync"
	"sync/atomic"
)

// Addresses of device memory: every allocation begins at a slot of its own, so that no access beyond its end meets
// another one, and no address is used twice.
const (
	globalBase = 0x7f0000000000
	slotBits   = 21
	slotBytes  = 1 << slotBits
	guardBytes = 1 << 16 // between an allocation's end and the next slot, at least
	// PageBytes is the grain of stream races: allocations are cut on such bounds by those who use them for several things.
	PageBytes = 256
	pageBits  = 8
	// windows of the generic address space
	sharedWindow = 0x10000000000
	localWindow  = 0x20000000000
	windowBytes  = 1 << 32
)

// Region is one allocation of device memory.
type Region struct {
	Base     uint64
	Data     []byte
	Label    string // for messages: who made it
	ReadOnly bool
	Freed    atomic.Bool
	// Blank is how many bytes before Data have addresses and no memory: from Base on, Data behind them. What is read there is zero.
	Blank int64
	// written marks each byte that something wrote: 1
	written []byte
	// of each page the last work that wrote it and that read it: numbers of operations, 0 for none
	writer, reader []atomic.Int32
}

// Memory is a device's memory.
type Memory struct {
	// Unchecked memory does not know which bytes were written: for runs without CheckWritten.
	Unchecked bool

	mu    sync.Mutex
	slots atomic.Pointer[[]*Region] // by slot number
	used  int64
}

// NewMemory makes an empty memory.
func NewMemory() *Memory {
	m := &Memory{}
	m.slots.Store(&[]*Region{})
	return m
}

// Alloc makes an allocation filled with 0xff bytes, none of which counts as written; zeros where Unchecked.
func (m *Memory) Alloc(bytes int64, label string) *Region {
	r := &Region{Data: make([]byte, bytes), Label: label}
	pages := (bytes + PageBytes - 1) / PageBytes
	r.writer, r.reader = make([]atomic.Int32, pages), make([]atomic.Int32, pages)
	if !m.Unchecked {
		r.written = make([]byte, bytes)
		fill(r.Data, 0xff)
	}
	return m.place(r, bytes)
}

// place gives a region of so many bytes its addresses.
func (m *Memory) place(r *Region, bytes int64) *Region {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.slots.Load()
	r.Base = globalBase + uint64(len(old))*slotBytes
	n := int((bytes + guardBytes + slotBytes - 1) / slotBytes)
	slots := old // what readers see of old does not change
	for range n {
		slots = append(slots, r)
	}
	m.slots.Store(&slots)
	m.used += bytes
	return r
}

// AllocBlank makes an allocation of blank bytes that keep nothing, and of data behind them: for launches of which only the counters matter, on
// operands that no memory would hold.
func (m *Memory) AllocBlank(blank int64, data []byte, label string) *Region {
	return m.place(&Region{Data: data, Blank: blank, Label: label}, blank+int64(len(data)))
}

// Free gives an allocation back; its address stays known, so that later uses have a name.
func (m *Memory) Free(r *Region) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r.Freed.Store(true)
	m.used -= int64(len(r.Data))
	r.Data, r.written, r.writer, r.reader = nil, nil, nil, nil
}

// Used is the bytes of all allocations.
func (m *Memory) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.used
}

// Find gives the allocation whose slots hold the address, or nil. The address may lie beyond its end.
func (m *Memory) Find(address uint64) *Region {
	slots := *m.slots.Load()
	if n := (address - globalBase) >> slotBits; address >= globalBase && n < uint64(len(slots)) {
		return slots[n]
	}
	return nil
}

// Written says whether all bytes of a range have been written; else where the first is that has not.
func (r *Region) Written(off, n int64) (int64, bool) {
	for i := off; i < off+n && r.written != nil; i++ {
		if r.written[i] == 0 {
			return i, false
		}
	}
	return 0, true
}

// Mark says that a range has been written, or that it holds nothing any more.
func (r *Region) Mark(off, n int64, written bool) {
	if r.written == nil {
		return
	}
	v := byte(0)
	if written {
		v = 1
	}
	fill(r.written[off:off+n], v)
}

// CopyMarks makes a range count as written where the other's bytes do.
func (r *Region) CopyMarks(off int64, from *Region, at, n int64) {
	if r.written != nil {
		copy(r.written[off:off+n], from.written[at:at+n])
	}
}

func fill(b []byte, v byte) {
	if len(b) == 0 {
		return
	}
	b[0] = v
	for n := 1; n < len(b); n *= 2 {
		copy(b[n:], b[:n])
	}
}

// Order tells which work is done before which: operations have numbers from 1 up.
type Order struct {
	Op     int32                    // the number of the work that runs
	Before func(other int32) bool   // whether other is certain to have ended before it began
	Name   func(other int32) string // for messages
}

// Touch notes that the work reads or writes a range, and gives the number of work that does the contrary to it with
// nothing ordering the two, or 0.
func (r *Region) Touch(o *Order, off, n int64, write bool) int32 {
	for p := off >> pageBits; p <= (off+n-1)>>pageBits; p++ {
		if other := r.touch(o, p, write); other != 0 {
			return other
		}
	}
	return 0
}

func (r *Region) touch(o *Order, page int64, write bool) int32 {
	w, rd := &r.writer[page], &r.reader[page]
	if other := w.Load(); other != o.Op {
		if other != 0 && !o.Before(other) {
			return other
		}
		if write {
			w.Store(o.Op)
		}
	}
	other := rd.Load()
	if write {
		if other != 0 && other != o.Op && !o.Before(other) {
			return other
		}
		return 0
	}
	if other != o.Op && (other == 0 || o.Before(other)) { // the first of several unordered readers stays
		rd.Store(o.Op)
	}
	return 0
}

// Near says what lies around an address that is in no allocation.
func (m *Memory) Near(address uint64, bytes int) string {
	r := m.Find(address)
	switch {
	case address == 0:
		return "the null pointer"
	case r == nil:
		return "no allocation is near"
	case r.Freed.Load():
		return "the allocation of " + r.Label + " was freed"
	}
	over := int64(address-r.Base) + int64(bytes) - int64(len(r.Data))
	return fmt.Sprintf("%d bytes past the end of the %d bytes of %s", over, len(r.Data), r.Label)
}

// Live lists the allocations that have not been freed, in order of address.
func (m *Memory) Live() []*Region {
	seen := map[*Region]bool{}
	var out []*Region
	for _, r := range *m.slots.Load() {
		if !seen[r] && !r.Freed.Load() {
			seen[r] = true
			out = append(out, r)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Base < out[j].Base })
	return out
}
