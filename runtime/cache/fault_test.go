package cache

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// failing counts the changes of a store's folder and lets some fail.
type failing struct {
	ops   int
	from  int // the first that fails
	until int // the first after that
	err   error
	spare string // an op that never fails
}

func (f *failing) fault(op, _ string) error {
	if op == f.spare {
		return nil
	}
	f.ops++
	if f.ops >= f.from && f.ops < f.until {
		return f.err
	}
	return nil
}

// A disk that fills up at any moment costs what was not stored yet, no more.
func TestDiskFullDuringPut(t *testing.T) {
	for name, length := range map[string]int{"stays full": 1 << 30, "fails once": 1} {
		t.Run(name, func(t *testing.T) {
			c := newClock()
			d := fill(t, c, 2)
			d.Close()
			failed, s := 0, sample(10)
			for at := 1; ; at++ {
				f := &failing{from: 1 << 30, err: syscall.ENOSPC, spare: "remove"}
				d := mustOpen(t, d.dir, Options{Now: c.now, Cap: -1, fault: f.fault})
				f.from, f.until, f.ops = at, at+length, 0
				_, err := s.put(d)
				full := f.ops >= at
				if err != nil {
					if failed++; !errors.Is(err, syscall.ENOSPC) {
						t.Fatalf("op %d: %v", at, err)
					}
				}
				f.from = 1 << 30
				sample(0).mustHit(t, d)
				if hit, _, e := s.get(d); e != nil || err == nil && !hit {
					t.Fatalf("op %d: put gave %v, get %v %v", at, err, hit, e)
				}
				if temps := tree(t, filepath.Join(d.dir, version, tmpDir)); len(temps) != 0 {
					t.Fatalf("op %d: left %v", at, temps)
				}
				d.Release() // of what the put that failed has placed
				mustGC(t, d, GCOptions{})
				clean(t, d)
				d.Close()
				if s++; !full {
					break
				}
			}
			if failed < 10 {
				t.Errorf("only %d puts failed", failed)
			}
		})
	}
}

// A full disk can be made room on.
func TestGCOnFullDisk(t *testing.T) {
	c := newClock()
	d := fill(t, c, 4)
	d.Close()
	f := &failing{from: 1, until: 1 << 30, err: syscall.ENOSPC, spare: "remove"}
	d = mustOpen(t, d.dir, Options{Now: c.now, Cap: -1, fault: f.fault})
	sample(3).mustHit(t, d)
	if _, err := sample(5).put(d); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("put: %v", err)
	}
	if r := mustGC(t, d, GCOptions{MaxSize: 1}); len(r.Removed) != 4 || r.After != 0 {
		t.Errorf("gc: %+v", r)
	}
	sample(0).mustMiss(t, d, NeverRun) // there was no room for a tombstone
	f.from = 1 << 30
	sample(5).mustPut(t, d)
	sample(5).mustHit(t, d)
}

// An eviction that fails in the middle leaves a store that is right.
func TestGCFails(t *testing.T) {
	for at := 1; ; at++ {
		c := newClock()
		d := fill(t, c, 3)
		d.Close()
		f := &failing{from: 1 << 30, err: syscall.EIO}
		d = mustOpen(t, d.dir, Options{Now: c.now, Cap: -1, fault: f.fault})
		f.from, f.until, f.ops = at, at+1, 0
		d.GC(t.Context(), GCOptions{MaxSize: 1}) // an error or not
		done := f.ops < at
		f.from = 1 << 30
		for i := range sample(3) {
			if _, _, err := i.get(d); err != nil {
				t.Fatalf("op %d: %v", at, err)
			}
			i.mustPut(t, d)
			i.mustHit(t, d)
		}
		mustGC(t, d, GCOptions{})
		clean(t, d)
		d.Close()
		if done {
			if at < 10 {
				t.Errorf("only %d ops", at)
			}
			return
		}
	}
}

func TestWriterPanics(t *testing.T) {
	d := fill(t, newClock(), 1)
	b := sample(2).blobs()
	b[1].Write = func(io.Writer) error { panic("shape") }
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic was lost")
			}
		}()
		d.Put(t.Context(), Record{Key: sample(2).key(), Action: sample(2).action()}, b)
	}()
	clean(t, d)
	sample(2).mustMiss(t, d, NeverRun)
}

// Whoever is stopped while it holds the lock delays hits for a while, not for ever.
func TestLockIsHeld(t *testing.T) {
	d := fill(t, newClock(), 2)
	other := mustOpen(t, d.dir, Options{Cap: -1})
	locks, err := other.lock(t.Context(), true, 0)
	if err != nil {
		t.Fatal(err)
	}
	d.hasty.Store(true) // the patience is over
	began := time.Now()
	sample(0).mustHit(t, d)
	sample(1).mustHit(t, d)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	s := sample(2)
	if _, err := d.Put(ctx, Record{Key: s.key(), Action: s.action()}, s.blobs()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("put: %v", err)
	}
	if _, err := d.GC(ctx, GCOptions{}); err == nil {
		t.Error("gc went on")
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %v", took)
	}
	if _, err := d.lock(t.Context(), false, 0); !errors.Is(err, errBusy) || !strings.Contains(err.Error(), d.dir) {
		t.Errorf("lock: %v", err)
	}
	locks.release()
	other.Close()
	clean(t, d)
	s.mustMiss(t, d, NeverRun)
	s.mustPut(t, d)
	sample(0).mustHit(t, d)
	if d.hasty.Load() {
		t.Error("still hasty")
	}
}

// Without locks the store works, and young leases count as alive.
func TestNoLocks(t *testing.T) {
	dir := t.TempDir()
	opts := Options{Cap: -1, noLocks: true}
	a, b := mustOpen(t, dir, opts), mustOpen(t, dir, opts)
	sample(0).mustPut(t, a)
	sample(1).mustPut(t, b)
	if r := mustGC(t, b, GCOptions{MaxSize: 1}); len(r.Removed) != 0 || r.InUse != 2 {
		t.Errorf("gc: %+v", r)
	}
	old := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(filepath.Join(dir, version, leaseDir, a.own()), old, old); err != nil {
		t.Fatal(err)
	}
	if r := mustGC(t, b, GCOptions{MaxSize: 1}); len(r.Removed) != 1 || r.InUse != 1 {
		t.Errorf("gc after a day: %+v", r)
	}
	sample(1).mustHit(t, b)
}
