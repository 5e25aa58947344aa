package cache

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// found is a file that a scan saw.
type found struct {
	hash [32]byte
	path string
	info fs.FileInfo
	used time.Time // never after the scan
}

// foundRecord is a record that a scan saw.
type foundRecord struct {
	found
	blobs []BlobID // none if damaged
	bad   *Miss    // why it cannot be a hit, or nil
}

// scan is what a store held at one time.
type scan struct {
	at      time.Time
	records []*foundRecord // least recently used first
	blobs   map[BlobID]*found
	refs    map[BlobID]int // by records, damaged ones not counted
	memos   []*found       // least recently used first
	tombs   []*found       // oldest first
	packed  []*found       // least recently used first

	checkpoints []*found // least recently put first
	size        int64    // bytes of all of these
}

// scan lists the store. Blobs are listed first and records, after barrier, last:
// a blob that a record of this scan does not name, and that is unchanged when
// it is looked at under the exclusive lock, is one that no record names.
func (d *Disk) scan(ctx context.Context, barrier func() error) (*scan, error) {
	s := &scan{at: d.now(), blobs: make(map[BlobID]*found), refs: make(map[BlobID]int)}
	if d.absent {
		return s, nil
	}
	blobs, err := s.list(ctx, d, blobDir)
	if err != nil {
		return nil, err
	}
	for _, b := range blobs {
		s.blobs[b.hash] = b
	}
	if err := barrier(); err != nil {
		return nil, err
	}
	records, err := s.list(ctx, d, recordDir)
	if err != nil {
		return nil, err
	}
	for _, f := range records {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.add(d, f)
	}
	if s.memos, err = s.list(ctx, d, memoDir); err != nil {
		return nil, err
	}
	if s.packed, err = s.list(ctx, d, packedDir); err != nil {
		return nil, err
	}
	if s.checkpoints, err = s.list(ctx, d, checkpointDir); err != nil {
		return nil, err
	}
	s.tombs, err = s.list(ctx, d, tombDir)
	return s, err
}

// add looks into a record.
func (s *scan) add(d *Disk, f *found) {
	e := &foundRecord{found: *f}
	r, err := d.find(f.hash)
	var miss *Miss
	switch {
	case err == nil:
		for _, o := range r.Outputs {
			e.blobs = append(e.blobs, o.Blob)
			s.refs[o.Blob]++
		}
	case errors.As(err, &miss) && (miss.Reason == NeverRun || miss.Reason == Evicted):
		return // gone since it was listed
	default:
		e.bad = miss
	}
	s.records = append(s.records, e)
}

// list gives the files of one folder, least recently used first.
func (s *scan) list(ctx context.Context, d *Disk, dir string) ([]*found, error) {
	var all []*found
	for e, err := range d.walk(dir, "", true) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		used := e.info.ModTime()
		if used.After(s.at) {
			used = s.at
		}
		all = append(all, &found{hash: e.hash, path: e.path, info: e.info, used: used})
		s.size += e.info.Size()
	}
	slices.SortStableFunc(all, func(a, b *found) int {
		if c := a.used.Compare(b.used); c != 0 {
			return c
		}
		return strings.Compare(a.path, b.path)
	})
	return all, nil
}

// pins gives the pinned records.
func (f *files) pins() (map[ActionKey]bool, error) {
	all := make(map[ActionKey]bool)
	for e, err := range f.walk(pinDir, "", false) {
		if err != nil {
			return nil, err
		}
		all[e.hash] = true
	}
	return all, nil
}
