package vm

// sharedStart is the first address of shared memory: newer devices keep the bytes before it for themselves.
const sharedStart = 1024

// shared is a block's shared memory and what its threads did with it since the last barrier.
type shared struct {
	data    []byte
	written []byte
	// of each grain of bytes the last write and read: see access
	writer, reader []access
	shift          uint
	checks         Checks
	epoch          uint32 // barriers so far, from 1
}

// access is who used a grain, and when: epoch of the block, bar.warp.sync of the warp, thread.
type access struct {
	epoch, sync uint32
	warp        int16
	lane        int8 // or several
	pending     bool // a cp.async is under way to it
}

// several stands for several lanes of a warp, or several warps.
const several = 127

func (s *shared) make(size, grain int, checks Checks) {
	s.data, s.written, s.checks = make([]byte, size), make([]byte, size), checks
	for 1<<s.shift < grain {
		s.shift++
	}
	n := size>>s.shift + 1
	s.writer, s.reader = make([]access, n), make([]access, n)
}

// reset makes the memory a new block's.
func (s *shared) reset() {
	s.epoch = 1
	fill(s.data, 0xff)
	clear(s.written)
	clear(s.writer)
	clear(s.reader)
}

// share gives the bytes at an address of shared memory after all checks.
func (w *warp) share(lane int, a uint64, size int, write bool) []byte {
	s := &w.blk.shared
	off := a - sharedStart
	if off > uint64(len(s.data)) || off+uint64(size) > uint64(len(s.data)) {
		w.fault(OutOfBounds, lane, "shared", a, size, "the block has %d bytes from %#x on", len(s.data), sharedStart)
	}
	if s.checks&CheckShared != 0 {
		w.race(lane, int(off), size, write)
	}
	if write {
		b := s.written[off : off+uint64(size)]
		for i := range b {
			b[i] = 1
		}
	} else if s.checks&CheckWritten != 0 {
		for i, v := range s.written[off : off+uint64(size)] {
			if v == 0 {
				w.fault(Uninitialised, lane, "shared", a, size, "its byte %d", i)
			}
		}
	}
	return s.data[off : off+uint64(size)]
}

// race faults where another thread uses the bytes with no barrier between, and notes the access.
func (w *warp) race(lane, off, size int, write bool) {
	s := &w.blk.shared
	now := access{epoch: s.epoch, sync: w.syncs, warp: int16(w.index), lane: int8(lane)}
	for g := off >> s.shift; g <= (off+size-1)>>s.shift; g++ {
		wr, rd := &s.writer[g], &s.reader[g]
		if wr.pending {
			w.fault(AsyncPending, lane, "shared", uint64(off+sharedStart), size, "thread %v of warp %d has not waited for its cp.async",
				w.blk.warps[wr.warp].thread(int(wr.lane)), wr.warp)
		}
		if *wr != now && w.unordered(wr, lane) {
			w.raced(lane, off, size, "written", wr)
		}
		if write {
			if w.unordered(rd, lane) {
				w.raced(lane, off, size, "read", rd)
			}
			*wr = now
			continue
		}
		switch {
		case rd.epoch != now.epoch || rd.warp == now.warp && rd.sync != now.sync:
			*rd = now
		case rd.warp != now.warp:
			rd.warp, rd.lane = several, several
		case rd.lane != now.lane:
			rd.lane = several
		}
	}
}

// unordered says whether an access of another thread may be at the same time as one of this lane.
func (w *warp) unordered(a *access, lane int) bool {
	if a.epoch != w.blk.shared.epoch {
		return false
	}
	return a.warp != int16(w.index) || a.lane != int8(lane) && a.sync == w.syncs
}

func (w *warp) raced(lane, off, size int, verb string, a *access) {
	who := "several threads"
	if a.lane != several {
		t := w.blk.warps[a.warp].thread(int(a.lane))
		w.fault(SharedRace, lane, "shared", uint64(off+sharedStart), size, "%s by thread %v with no barrier between", verb, t)
	}
	w.fault(SharedRace, lane, "shared", uint64(off+sharedStart), size, "%s by %s with no barrier between", verb, who)
}
