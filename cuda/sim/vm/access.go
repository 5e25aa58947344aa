package vm

import (
	"encoding/binary"
	"math/bits"
)

// address puts the addresses of the active lanes in w.addr: the base register and the offset.
func (w *warp) address(in *instr) {
	if in.b != 0 { // the base has 32 bits
		a := &w.r32[in.a]
		for i := range a {
			w.addr[i] = uint64(a[i] + uint32(in.imm))
		}
		return
	}
	a := &w.r64[in.a]
	for i := range a {
		w.addr[i] = a[i] + in.imm
	}
}

// align faults unless the active lanes' addresses are multiples of size, a power of two.
func (w *warp) align(space string, size uint64) {
	var all uint64
	for m := w.active; m != 0; m &= m - 1 {
		all |= w.addr[bits.TrailingZeros32(m)&31]
	}
	if all&(size-1) == 0 {
		return
	}
	for m := w.active; m != 0; m &= m - 1 {
		if i := bits.TrailingZeros32(m); w.addr[i]&(size-1) != 0 {
			w.fault(Misaligned, i, space, w.addr[i], int(size), "")
		}
	}
}

// global gives the bytes at an address of device memory after all checks; last is the region that the lane before used.
func (w *warp) global(lane int, size int64, write bool, last **Region) []byte {
	a := w.addr[lane]
	r := *last
	if r == nil || a < r.Base || a-r.Base+uint64(size) > uint64(len(r.Data)) {
		r = w.region(lane, int(size))
		*last = r
	}
	off := int64(a - r.Base)
	if r.Blank > 0 {
		return w.blank(r, off, size, write)
	}
	checks := w.blk.worker.config.Checks
	if checks&CheckStreams != 0 && w.blk.worker.launch.Order != nil {
		w.touch(r, lane, off, size, write)
	}
	switch {
	case write:
		if r.ReadOnly {
			w.fault(ReadOnly, lane, "global", a, int(size), "%s", r.Label)
		}
		if r.written != nil {
			r.mark(off, size)
		}
	case checks&CheckWritten != 0 && r.written != nil:
		if !r.ready(off, size) {
			at, _ := r.Written(off, size)
			w.fault(Uninitialised, lane, "global", a, int(size), "byte %d of %s", at, r.Label)
		}
	}
	return r.Data[off : off+size : off+size]
}

// region finds the allocation that holds the lane's address.
func (w *warp) region(lane, size int) *Region {
	a := w.addr[lane]
	r := w.blk.worker.mem.Find(a)
	if r != nil && !r.Freed.Load() && a-r.Base+uint64(size) <= uint64(r.Blank)+uint64(len(r.Data)) {
		return r
	}
	kind := OutOfBounds
	if r != nil && r.Freed.Load() {
		kind = UseAfterFree
	}
	w.fault(kind, lane, "global", a, size, "%s", w.blk.worker.mem.Near(a, size))
	return nil
}

// nothing is what is read of addresses without memory.
var nothing [16]byte

// blank gives the bytes at an offset of a region that begins without memory: zeros, or what is never read.
func (w *warp) blank(r *Region, off, size int64, write bool) []byte {
	if off >= r.Blank {
		return r.Data[off-r.Blank : off-r.Blank+size]
	}
	if write {
		return w.blk.worker.dropped[:size]
	}
	return nothing[:size:size]
}

// ready says whether n bytes have been written.
func (r *Region) ready(off, n int64) bool {
	b := r.written[off : off+n]
	switch n {
	case 4:
		return binary.LittleEndian.Uint32(b) == 0x01010101
	case 8:
		return binary.LittleEndian.Uint64(b) == 0x0101010101010101
	case 16:
		return binary.LittleEndian.Uint64(b)&binary.LittleEndian.Uint64(b[8:]) == 0x0101010101010101
	}
	for _, v := range b {
		if v == 0 {
			return false
		}
	}
	return true
}

func (r *Region) mark(off, n int64) {
	b := r.written[off : off+n]
	switch n {
	case 4:
		binary.LittleEndian.PutUint32(b, 0x01010101)
	case 8:
		binary.LittleEndian.PutUint64(b, 0x0101010101010101)
	default:
		for i := range b {
			b[i] = 1
		}
	}
}

// touch faults where work of another stream is not ordered against this access.
func (w *warp) touch(r *Region, lane int, off, size int64, write bool) {
	o := w.blk.worker.launch.Order
	p := off >> pageBits
	if wr := r.writer[p].Load(); wr == o.Op && (write || r.reader[p].Load() == o.Op) && (off+size-1)>>pageBits == p {
		return
	}
	if other := r.Touch(o, off, size, write); other != 0 {
		w.fault(StreamRace, lane, "global", w.addr[lane], int(size), "%s uses it, and nothing orders the two", o.Name(other))
	}
}

// countSectors counts a request's 32-byte sectors.
func (w *warp) countSectors(a *Access, size uint64) {
	a.Requests++
	n := int64(bits.OnesCount32(w.active)) * int64(size)
	a.Bytes += n
	if w.blk.worker.config.Checks&CountAccess == 0 {
		return
	}
	a.Least += (n + 31) / 32
	var seen [128]uint64 // open addressing; sector 0 stands for empty
	for m := w.active; m != 0; m &= m - 1 {
		at := w.addr[bits.TrailingZeros32(m)&31]
		s := at>>5 + 1
		for i := s & 127; ; i = (i + 1) & 127 {
			if seen[i] == s {
				break
			}
			if seen[i] == 0 {
				seen[i] = s
				a.Units++
				break
			}
		}
	}
}

// countBanks counts the wavefronts of a shared-memory request: lanes of a phase share one unless they want
// different words of a bank. Words of 8 and 16 bytes go in 2 and 4 phases.
func (w *warp) countBanks(a *Access, size uint64) {
	a.Requests++
	n := int64(bits.OnesCount32(w.active)) * int64(size)
	a.Bytes += n
	if w.blk.worker.config.Checks&CountAccess == 0 {
		return
	}
	phases := max(1, int(size/4))
	per := lanes / phases
	for p := range phases {
		var words [lanes][4]uint32 // of a bank, those already wanted, plus 1
		var count [lanes]uint8
		worst := uint8(0)
		for i := p * per; i < (p+1)*per; i++ {
			if w.active>>i&1 == 0 {
				continue
			}
			for j := uint64(0); j < max(size, 4); j += 4 {
				word := uint32((w.addr[i] + j) >> 2)
				b := word & 31
				known := false
				for k := uint8(0); k < min(count[b], 4); k++ {
					known = known || words[b][k] == word
				}
				if !known {
					if count[b] < 4 {
						words[b][count[b]] = word
					}
					count[b]++
					worst = max(worst, count[b])
				}
			}
		}
		a.Units += int64(worst)
		if worst > 0 {
			a.Least++
		}
	}
}
