package cache

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how a store is opened.
type Options struct {
	Cap      int64            // size in bytes kept by Trim; 0 for DefaultCap, below 0 for none
	Now      func() time.Time // the clock of last uses; nil for time.Now
	ReadOnly bool             // change nothing: no last use, no lease, no repair

	fault   func(op, name string) error // of tests
	noLocks bool                        // of tests: as on a file system that has none
}

// Disk is the store in a folder. Many processes may have it open at once.
type Disk struct {
	files
	dir      string
	cap      int64
	now      func() time.Time
	readOnly bool
	absent   bool // opened for reading, and there is no such folder
	maxMemos int  // kept by GC
	maxTombs int  // kept by GC

	packing     sync.Mutex // guards what is known of packed weights
	packed, all int64      // bytes of them, and of everything
	rested      []*found   // packed weights, least recently used first
	sized       time.Time  // when these were counted

	mu      sync.Mutex
	session *session // nil until it could be made
	why     error    // why there is none
	closed  bool

	wrote atomic.Int64 // bytes put since the size was last looked at
	dirty atomic.Bool  // anything was put
	hasty atomic.Bool  // the last Get waited for the lock in vain
}

var _ Store = (*Disk)(nil)

// Open opens the store in dir and makes it if need be. A folder with anything
// in it that was not made by this package is a *NotOursError. With ReadOnly, a
// folder that does not exist is an empty store. What killed processes left
// half-written is removed.
func Open(dir string, opts Options) (*Disk, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	d := &Disk{dir: dir, cap: opts.Cap, now: opts.Now, readOnly: opts.ReadOnly, maxMemos: maxMemos, maxTombs: maxTombs}
	d.fault, d.try = opts.fault, tryLock
	if opts.noLocks {
		d.try = func(*os.File, bool) (bool, error) { return false, errNoLocks }
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.cap == 0 {
		d.cap = DefaultCap(dir)
	}
	if err := d.openRoot(); err != nil {
		return nil, cannotOpen(dir, err)
	}
	if d.readOnly {
		return d, nil
	}
	if _, err := d.lease(); err != nil && !diskFull(err) {
		d.root.Close()
		return nil, cannotOpen(dir, err)
	}
	d.sweep()
	return d, nil
}

// cannotOpen says which folder and what to do about it.
func cannotOpen(dir string, err error) error {
	var notOurs *NotOursError
	if errors.As(err, &notOurs) {
		return err
	}
	return fmt.Errorf("cannot use cache folder %s: %w: make it writable or choose another with FLOW_CACHE_DIR", dir, err)
}

// openRoot finds or makes the folder of the layout.
func (d *Disk) openRoot() error {
	var err error
	if d.readOnly {
		err = checkTag(d.dir)
	} else {
		err = makeDir(d.dir)
	}
	if d.readOnly && errors.Is(err, fs.ErrNotExist) {
		d.absent = true
		return nil
	}
	if err != nil {
		return err
	}
	top, err := os.OpenRoot(d.dir)
	if err != nil {
		return err
	}
	defer top.Close()
	info, err := top.Lstat(version)
	switch {
	case errors.Is(err, fs.ErrNotExist) && d.readOnly:
		d.absent = true
		return nil
	case errors.Is(err, fs.ErrNotExist):
		if err := top.Mkdir(version, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case err != nil:
		return err
	case !info.IsDir():
		return &NotOursError{d.dir, "has a " + version + " that is not a folder"}
	}
	if d.root, err = top.OpenRoot(version); err != nil {
		return err
	}
	return d.makeLayout()
}

// makeLayout makes what folders are missing.
func (d *Disk) makeLayout() error {
	for _, dir := range layoutDirs {
		if _, err := d.root.Lstat(dir); err == nil || d.readOnly {
			continue
		}
		if err := d.mkdir(dir); err != nil {
			d.root.Close()
			return err
		}
	}
	return nil
}

// lease gives this process's lease, made at the first chance.
func (d *Disk) lease() (*session, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.closed:
		return nil, fs.ErrClosed
	case d.readOnly:
		return nil, errReadOnly
	case d.session == nil:
		d.session, d.why = d.newSession()
	}
	return d.session, d.why
}

var errReadOnly = errors.New("the cache was opened for reading only")

// own is the name of this process's lease, "" for none.
func (d *Disk) own() string {
	if s, err := d.lease(); err == nil {
		return s.id
	}
	return ""
}

// writable reports whether a first file could be made.
func (d *Disk) writable() bool { return d.sessionErr() == nil }

func (d *Disk) sessionErr() error {
	_, err := d.lease()
	return err
}

// sweep removes what killed processes left, if nobody is in the way.
func (d *Disk) sweep() {
	locks, err := d.lock(context.Background(), true, 0)
	if err != nil {
		return
	}
	defer locks.release()
	d.sweepTemps(d.own(), false)
	d.readLeases(d.own(), true)
}

// Dir is the folder of the store, absolute.
func (d *Disk) Dir() string { return d.dir }

// Cap is the size in bytes that Trim keeps, below 0 for no bound.
func (d *Disk) Cap() int64 { return d.cap }

// Release lets others evict what this process has used so far: for a process
// that runs one workflow after another.
func (d *Disk) Release() error {
	s, err := d.lease()
	if err != nil {
		return err
	}
	return s.release()
}

// Close ends the lease and, if this process put anything, brings the store down
// to its cap. A second Close does nothing.
func (d *Disk) Close() error {
	d.mu.Lock()
	s, closed := d.session, d.closed
	d.mu.Unlock()
	if closed {
		return nil
	}
	var err error
	if s != nil {
		s.release()
		if d.dirty.Load() {
			err = d.trimIfOver()
		}
	}
	d.mu.Lock()
	d.closed, d.session = true, nil
	d.mu.Unlock()
	if s != nil {
		s.end(&d.files)
	}
	if d.root != nil {
		if e := d.root.Close(); err == nil {
			err = e
		}
	}
	return err
}
