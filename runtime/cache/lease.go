package cache

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"time"
)

// staleAfter is the age from which a lease or temporary file counts as left
// behind where the file system has no locks to ask.
const staleAfter = 24 * time.Hour

// session is this process's lease: a locked file that lists what may not be
// evicted, one "r KEY" or "b BLOB" a line. Its name starts those of the
// temporary files of the process.
type session struct {
	id string

	mu   sync.Mutex
	f    *os.File
	has  map[string]bool
	temp int
}

// newSession makes and locks a lease.
func (f *files) newSession() (*session, error) {
	for range 100 {
		id := randomID()
		h, err := f.create(leaseDir + "/" + id)
		if err != nil {
			return nil, err
		}
		ok, err := f.try(h.File, true)
		if ok || errors.Is(err, errNoLocks) {
			if f.isStill(leaseDir+"/"+id, h.File) { // else it was swept before it was locked
				return &session{id: id, f: h.File, has: make(map[string]bool)}, nil
			}
		}
		h.Close()
		f.remove(leaseDir + "/" + id)
		if err != nil && !errors.Is(err, errNoLocks) {
			return nil, err
		}
	}
	return nil, errors.New("a lease was taken away 100 times")
}

// isStill reports whether name is the file that h has open.
func (f *files) isStill(name string, h *os.File) bool {
	a, err := f.root.Lstat(name)
	if err != nil {
		return false
	}
	b, err := h.Stat()
	return err == nil && os.SameFile(a, b)
}

// hold adds a record's key and blobs. It is best effort: on a full disk, being
// used last is what keeps them.
func (s *session) hold(r *Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []byte
	add := func(line string) {
		if !s.has[line] {
			s.has[line] = true
			lines = append(append(lines, line...), '\n')
		}
	}
	add("r " + r.Key.String())
	for _, o := range r.Outputs {
		add("b " + o.Blob.String())
	}
	if s.f != nil && len(lines) > 0 {
		s.f.Write(lines)
	}
}

// release empties the lease.
func (s *session) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.has)
	if err := s.f.Truncate(0); err != nil {
		return err
	}
	_, err := s.f.Seek(0, 0)
	return err
}

// tempName names a new temporary file.
func (s *session) tempName() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.temp++
	return fmt.Sprintf("%s/%s-%d", tmpDir, s.id, s.temp)
}

// end gives the lease back.
func (s *session) end(f *files) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f.remove(leaseDir + "/" + s.id)
	s.f.Close()
}

// leases are what live processes hold.
type leases struct {
	live    int
	records map[ActionKey]bool
	blobs   map[BlobID]bool
}

// readLeases gives what live processes hold. Leases of dead ones are removed if
// sweep is set. The caller holds the store's lock, so that no line is half-written.
func (f *files) readLeases(own string, sweep bool) (*leases, error) {
	all := &leases{records: make(map[ActionKey]bool), blobs: make(map[BlobID]bool)}
	entries, err := f.list(leaseDir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !isHex(e.Name(), 16) || !e.Type().IsRegular() {
			continue
		}
		if e.Name() != own && !f.alive(e.Name(), sweep) {
			continue
		}
		text, _, err := f.read(leaseDir+"/"+e.Name(), maxSealed)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all.live++
		all.add(string(text))
	}
	return all, nil
}

// add takes the lines of one lease.
func (l *leases) add(text string) {
	for line := range strings.Lines(text) {
		sort, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		var hash [32]byte
		if parseHash(&hash, name) != nil {
			continue
		}
		switch sort {
		case "r":
			l.records[hash] = true
		case "b":
			l.blobs[hash] = true
		}
	}
}

// alive reports whether the process of a lease lives. A dead one's lease is
// removed if sweep is set, while it is locked, so that none can be made of it.
func (f *files) alive(id string, sweep bool) bool {
	name := leaseDir + "/" + id
	h, err := f.root.OpenFile(name, os.O_RDWR, 0)
	if err != nil { // another user's, or a disk that is read only
		h, err = f.root.Open(name)
	}
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist) // leave it
	}
	defer h.Close()
	ok, err := f.try(h, true)
	if errors.Is(err, errNoLocks) {
		info, err := h.Stat()
		ok = err == nil && time.Since(info.ModTime()) > staleAfter
	}
	if ok && sweep {
		f.remove(name)
	}
	return !ok
}

// sweepTemps removes the temporary files of dead processes and then their leases.
// It gives their number and size. With dry, it only counts.
func (f *files) sweepTemps(own string, dry bool) (n int, size int64, err error) {
	entries, err := f.list(tmpDir)
	if err != nil {
		return 0, 0, err
	}
	live := map[string]bool{own: true}
	for _, e := range entries {
		id, num, ok := strings.Cut(e.Name(), "-")
		if !ok || !isHex(id, 16) || num == "" || strings.Trim(num, "0123456789") != "" || !e.Type().IsRegular() {
			continue
		}
		if _, known := live[id]; !known {
			live[id] = f.alive(id, false)
		}
		if live[id] {
			continue
		}
		info, err := f.root.Lstat(tmpDir + "/" + e.Name())
		if err != nil {
			continue
		}
		if !dry {
			if err := f.remove(tmpDir + "/" + e.Name()); err != nil {
				return n, size, err
			}
		}
		n, size = n+1, size+info.Size()
	}
	return n, size, nil
}
