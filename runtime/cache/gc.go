package cache

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// GCOptions say what GC evicts. Damaged records, blobs that no record names,
// what killed processes left, and memos and tombstones beyond their number go
// in any case.
type GCOptions struct {
	MaxAge  time.Duration // since the last use; 0 for any
	MaxSize int64         // bytes to keep; 0 for the store's cap, below 0 for any
	DryRun  bool          // change nothing, report what would go
}

// Removed is one record that went.
type Removed struct {
	Key   ActionKey
	Used  time.Time // last
	Bytes int64     // of the record and the blobs that went with it
	Cause string    // "size", "age", "damaged" or "clear"
}

// Report says what GC or Clear did or, in a dry run, would do.
type Report struct {
	Removed []Removed // records, least recently used first
	Blobs   int       // removed
	Memos   int       // removed
	Packed  int       // removed: packed weights

	Checkpoints int // removed

	Temps  int   // removed: what killed processes left
	Before int64 // bytes
	After  int64 // bytes
	Pinned int   // records that only their pin kept
	InUse  int   // records that only a running process kept
	DryRun bool
}

// Causes of an eviction.
const (
	causeSize    = "size"
	causeAge     = "age"
	causeDamaged = "damaged"
	causeClear   = "clear"
)

const (
	maxMemos   = 4096
	memoAge    = 180 * 24 * time.Hour
	evictBatch = 64 // files removed under one lock, so that others wait for milliseconds
)

// GC evicts by age and then by size, least recently used first.
func (d *Disk) GC(ctx context.Context, opts GCOptions) (*Report, error) {
	if opts.MaxSize == 0 {
		opts.MaxSize = d.cap
	}
	e := &eviction{disk: d, ctx: ctx, opts: opts, patience: gcPatience}
	return e.run()
}

// Trim brings the store down to its cap, least recently used first.
func (d *Disk) Trim(ctx context.Context) (*Report, error) { return d.GC(ctx, GCOptions{}) }

// Clear removes all records, pinned or not, blobs, memos and tombstones. What
// running processes use stays; Report.InUse says how many records that is.
func (d *Disk) Clear(ctx context.Context) (*Report, error) {
	e := &eviction{disk: d, ctx: ctx, opts: GCOptions{MaxSize: -1}, patience: gcPatience, all: true}
	return e.run()
}

// trimIfOver trims if the store is larger than its cap, without waiting for others.
func (d *Disk) trimIfOver() error {
	if d.cap < 0 {
		return nil
	}
	d.wrote.Store(0)
	var size int64
	for _, dir := range countedDirs {
		for e, err := range d.walk(dir, "", true) {
			if err != nil {
				return err
			}
			size += e.info.Size()
		}
	}
	if size <= d.cap {
		return nil
	}
	e := &eviction{disk: d, ctx: context.Background(), opts: GCOptions{MaxSize: d.cap}, patience: 100 * time.Millisecond}
	if _, err := e.run(); err != nil && !errors.Is(err, errBusy) {
		return err
	}
	return nil
}

// eviction is one run of GC or Clear.
type eviction struct {
	disk     *Disk
	ctx      context.Context
	opts     GCOptions
	patience time.Duration
	all      bool // Clear

	scan   *scan
	pins   map[ActionKey]bool
	leases *leases
	locks  held
	left   int // files that may still be removed under this lock
	size   int64
	report Report
}

func (e *eviction) run() (*Report, error) {
	d := e.disk
	e.report.DryRun = e.opts.DryRun
	if d.absent {
		return &e.report, nil
	}
	if d.readOnly && !e.opts.DryRun {
		return nil, errReadOnly
	}
	if err := checkTag(d.dir); err != nil {
		return nil, fmt.Errorf("nothing was removed: cannot be sure that folder %s is a cache of flow: %w", d.dir, err)
	}
	defer func() { e.locks.release() }()
	// what nobody misses goes before records that only the size drives out
	steps := []func() error{e.look, e.temps, e.memos, e.dropCheckpoints, e.orphans, e.dropPacked, e.records, e.orphans, e.crowdedCheckpoints, e.tombs, e.clearRest}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	e.report.After = e.size
	return &e.report, nil
}

// look scans the store.
func (e *eviction) look() error {
	barrier := func() error { // whoever was between its blobs and its record is done
		err := e.relock()
		e.locks.release()
		e.locks = nil
		return err
	}
	s, err := e.disk.scan(e.ctx, barrier)
	if err != nil {
		return err
	}
	e.scan, e.size, e.report.Before = s, s.size, s.size
	if e.pins, err = e.disk.pins(); err != nil {
		return err
	}
	return e.relock()
}

// relock takes the exclusive lock anew, so that whoever waits has a turn, and
// reads what is leased now. A dry run has no lock.
func (e *eviction) relock() error {
	e.locks.release()
	e.locks, e.left = nil, evictBatch
	if !e.opts.DryRun {
		var err error
		if e.locks, err = e.disk.lock(e.ctx, true, e.patience); err != nil {
			return err
		}
	}
	var err error
	e.leases, err = e.disk.readLeases(e.disk.own(), false)
	return err
}

// turn is called before each file that is looked at for removal.
func (e *eviction) turn() error {
	if err := e.ctx.Err(); err != nil {
		return err
	}
	if e.left--; e.left > 0 {
		return nil
	}
	return e.relock()
}

// temps removes what killed processes left half-written, and their leases.
func (e *eviction) temps() error {
	n, size, err := e.disk.sweepTemps(e.disk.own(), e.opts.DryRun)
	e.report.Temps = n
	e.report.Before += size
	if e.opts.DryRun || err != nil {
		return err
	}
	e.leases, err = e.disk.readLeases(e.disk.own(), true)
	return err
}

// records evicts records and the blobs that only they name.
func (e *eviction) records() error {
	for _, r := range e.scan.records {
		if err := e.turn(); err != nil {
			return err
		}
		cause := e.cause(r)
		if cause == "" {
			continue
		}
		switch {
		case e.leases.records[r.hash]:
			e.report.InUse++
			continue
		case e.pins[r.hash] && !e.all:
			e.report.Pinned++
			continue
		}
		if err := e.evict(r, cause); err != nil {
			return err
		}
	}
	return nil
}

// cause says why a record has to go, "" if it has not.
func (e *eviction) cause(r *foundRecord) string {
	switch {
	case e.all:
		return causeClear
	case r.bad != nil && r.bad.Reason != Unreadable:
		return causeDamaged
	case e.opts.MaxAge > 0 && e.scan.at.Sub(r.used) > e.opts.MaxAge:
		return causeAge
	case e.opts.MaxSize >= 0 && e.size > e.opts.MaxSize:
		return causeSize
	}
	return ""
}

// evict removes one record, leaving a tombstone, and the blobs that no other names.
func (e *eviction) evict(r *foundRecord, cause string) error {
	d := e.disk
	gone := Removed{Key: r.hash, Used: r.used, Bytes: r.info.Size(), Cause: cause}
	var blobs []*found
	for _, id := range r.blobs {
		if e.scan.refs[id]--; e.scan.refs[id] == 0 && e.scan.blobs[id] != nil && !e.leases.blobs[id] {
			blobs = append(blobs, e.scan.blobs[id])
			gone.Bytes += e.scan.blobs[id].info.Size()
		}
	}
	if !e.opts.DryRun {
		if d.gone(r.path) { // another eviction was quicker, and what it removed needs no more to go
			e.size -= r.info.Size()
			for _, b := range blobs {
				if d.gone(b.path) {
					delete(e.scan.blobs, b.hash)
					e.size -= b.info.Size()
				}
			}
			return nil
		}
		if !d.unchanged(r.path, r.info) { // used or made anew since the scan
			for _, id := range r.blobs {
				e.scan.refs[id]++
			}
			return nil
		}
		if cause != causeClear {
			e.bury(r, gone)
		}
		if err := d.remove(r.path); err != nil {
			return fmt.Errorf("cannot evict record %s: %w", gone.Key, err)
		}
	}
	e.size -= r.info.Size()
	e.report.Removed = append(e.report.Removed, gone)
	for _, b := range blobs {
		if err := e.dropBlob(b); err != nil {
			return err
		}
	}
	return nil
}

// bury leaves a tombstone with the action, if the record can still be read.
func (e *eviction) bury(r *foundRecord, gone Removed) {
	t := Tombstone{Key: gone.Key, Evicted: e.disk.now().UTC(), Cause: gone.Cause, Bytes: gone.Bytes}
	if data, _, err := e.disk.read(r.path, maxSealed); err == nil {
		if rec, err := decodeRecord(gone.Key, data); err == nil {
			t.Action, t.Created, t.Outputs, t.Meta = rec.Action, rec.Created, rec.Outputs, rec.Meta
		}
	}
	e.disk.bury(t)
}

// dropBlob removes a blob, unless it was put anew since the scan.
func (e *eviction) dropBlob(b *found) error {
	delete(e.scan.blobs, b.hash)
	e.left--
	if !e.opts.DryRun {
		if !e.disk.unchanged(b.path, b.info) {
			if e.disk.gone(b.path) {
				e.size -= b.info.Size()
			}
			return nil
		}
		if err := e.disk.remove(b.path); err != nil {
			return fmt.Errorf("cannot evict blob %s: %w", BlobID(b.hash), err)
		}
	}
	e.report.Blobs++
	e.size -= b.info.Size()
	return nil
}

// orphans removes blobs that no record names. Where a record cannot be read,
// nobody knows which those are.
func (e *eviction) orphans() error {
	for _, r := range e.scan.records {
		if r.bad != nil && r.bad.Reason == Unreadable && !e.all {
			return nil
		}
	}
	for id, b := range e.scan.blobs {
		if e.scan.refs[id] > 0 {
			continue
		}
		if err := e.turn(); err != nil {
			return err
		}
		if e.leases.blobs[id] || e.scan.refs[id] > 0 {
			continue
		}
		if err := e.dropBlob(b); err != nil {
			return err
		}
	}
	return nil
}

// memoShare is the part of the size to keep that memos may have: a fourth, so that they never crowd records out.
const memoShare = 4

// memos removes those beyond their number, age and share of the size.
func (e *eviction) memos() error {
	age := time.Duration(memoAge)
	if e.opts.MaxAge > 0 {
		age = min(age, e.opts.MaxAge)
	}
	over := len(e.scan.memos) - e.disk.maxMemos
	var size int64
	for _, m := range e.scan.memos {
		size += m.info.Size()
	}
	for i, m := range e.scan.memos {
		large := e.opts.MaxSize >= 0 && size > e.opts.MaxSize/memoShare && e.size > e.opts.MaxSize
		if !e.all && i >= over && !large && e.scan.at.Sub(m.used) <= age {
			continue
		}
		size -= m.info.Size()
		gone, err := e.dropSmall(m)
		if err != nil {
			return err
		}
		if gone {
			e.report.Memos++
		}
	}
	return nil
}

// tombs removes those beyond their number.
func (e *eviction) tombs() error {
	over := len(e.scan.tombs) + len(e.report.Removed) - e.disk.maxTombs
	for i, t := range e.scan.tombs {
		if !e.all && i >= over {
			break
		}
		if _, err := e.dropSmall(t); err != nil {
			return err
		}
	}
	return nil
}

// dropSmall removes a memo or tombstone unless it was written anew.
func (e *eviction) dropSmall(f *found) (bool, error) {
	if err := e.turn(); err != nil {
		return false, err
	}
	if !e.opts.DryRun {
		if !e.disk.unchanged(f.path, f.info) {
			if e.disk.gone(f.path) {
				e.size -= f.info.Size()
			}
			return false, nil
		}
		if err := e.disk.remove(f.path); err != nil {
			return false, err
		}
	}
	e.size -= f.info.Size()
	return true, nil
}

// clearRest removes pins, where all is cleared.
func (e *eviction) clearRest() error {
	if !e.all {
		return nil
	}
	for p, err := range e.disk.walk(pinDir, "", false) {
		if err == nil {
			err = e.turn()
		}
		if err == nil {
			err = e.disk.remove(p.path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
