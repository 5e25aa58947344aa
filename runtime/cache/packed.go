package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"time"
)

// Packed weights are files that an executor makes of a model's, to map them in later runs. The store knows nothing of what is in
// them. They are made again in seconds, where a picture may take minutes, so they have half of the store's size at
// most, go before any record does, and are not made where the store is full.

const (
	// packedShare is the part of the size to keep that packed weights may have: a half.
	packedShare = 2
	// packedTouch is how often a use of packed weights is noted.
	packedTouch = time.Hour
	// packedRest is how long packed weights must not have been used to go for others: two models that take turns do not
	// drive each other out.
	packedRest = 24 * time.Hour
)

// OpenPacked opens packed weights for reading and notes their use. Evicting them while they are mapped does not hurt who maps them.
func (d *Disk) OpenPacked(key [32]byte) (*os.File, error) {
	if d.absent {
		return nil, fs.ErrNotExist
	}
	name := shard(packedDir, key)
	f, info, err := d.open(name)
	if err != nil {
		return nil, err
	}
	if now := d.now(); !d.readOnly && now.Sub(info.ModTime()) > packedTouch {
		d.touch(name, now) // best effort: it only orders evictions
	}
	return f, nil
}

// RoomPacked says whether packed weights of so many bytes may be put. Others that rested for a day go for them.
func (d *Disk) RoomPacked(size int64) bool {
	if d.absent || d.readOnly || d.sessionErr() != nil {
		return false
	}
	if d.cap < 0 {
		return true
	}
	d.packing.Lock()
	defer d.packing.Unlock()
	now := d.now()
	if now.Sub(d.sized) > packedTouch {
		if err := d.sizePacked(); err != nil {
			return false
		}
		d.sized = now
	}
	for d.packed+size > d.cap/packedShare || d.all+size > d.cap {
		if len(d.rested) == 0 || now.Sub(d.rested[0].used) < packedRest {
			return false
		}
		old := d.rested[0]
		d.rested = d.rested[1:]
		if d.unchanged(old.path, old.info) && d.remove(old.path) == nil {
			d.packed -= old.info.Size()
			d.all -= old.info.Size()
		}
	}
	return true
}

// sizePacked finds out how much there is.
func (d *Disk) sizePacked() error {
	d.packed, d.all, d.rested = 0, 0, nil
	for _, dir := range countedDirs {
		for e, err := range d.walk(dir, "", true) {
			if err != nil {
				return err
			}
			d.all += e.info.Size()
			if dir == packedDir {
				d.packed += e.info.Size()
				d.rested = append(d.rested, &found{hash: e.hash, path: e.path, info: e.info, used: e.info.ModTime()})
			}
		}
	}
	slices.SortStableFunc(d.rested, func(a, b *found) int { return a.used.Compare(b.used) })
	return nil
}

// PutPacked keeps packed weights of size bytes: what fill writes to a temporary file, which is synced and renamed. After an error
// nothing is left.
func (d *Disk) PutPacked(ctx context.Context, key [32]byte, size int64, fill func(w io.Writer) error) error {
	s, err := d.lease()
	if err != nil {
		return fmt.Errorf("packed weights are not kept: %w", err)
	}
	temp, to := s.tempName(), shard(packedDir, key)
	var written int64
	err = d.writeTemp(temp, func(f *file) error {
		return fill(&packedWriter{ctx, f, &written})
	})
	if err == nil && written != size {
		err = fmt.Errorf("%d bytes, not %d", written, size)
	}
	if err == nil {
		d.touch(temp, d.now()) // best effort
		err = d.place(temp, to)
	}
	if err != nil {
		d.remove(temp)
		return fmt.Errorf("packed weights are not kept: %w", err)
	}
	d.packing.Lock()
	d.packed += size
	d.all += size
	d.packing.Unlock()
	d.dirty.Store(true)
	return nil
}

// packedWriter writes until a context ends, and counts.
type packedWriter struct {
	ctx     context.Context
	file    *file
	written *int64
}

func (w *packedWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.file.Write(p)
	*w.written += int64(n)
	return n, err
}

// RemovePacked removes packed weights that are damaged. Those that are gone are no error.
func (d *Disk) RemovePacked(key [32]byte) error {
	if d.readOnly || d.absent {
		return errReadOnly
	}
	return d.remove(shard(packedDir, key))
}

// LockPacked makes this process the one that packs weights, until unlock or its end.
func (d *Disk) LockPacked() (unlock func(), ok bool) {
	if d.readOnly || d.absent {
		return func() {}, true // nothing will be written
	}
	f, err := d.root.OpenFile("packing", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return func() {}, true // nobody can be asked; two processes that pack do no harm
	}
	if ok, err := d.try(f, true); !ok && !errors.Is(err, errNoLocks) {
		f.Close()
		return nil, false
	}
	return held{f}.release, true
}

// Packed gives the keys of all packed weights, with their sizes.
func (d *Disk) Packed() iter.Seq2[[32]byte, int64] {
	return func(yield func([32]byte, int64) bool) {
		if d.absent {
			return
		}
		for e, err := range d.walk(packedDir, "", true) {
			if err != nil || !yield(e.hash, e.info.Size()) {
				return
			}
		}
	}
}

// ClearPacked removes all packed weights. It gives their number and size.
func (d *Disk) ClearPacked(ctx context.Context) (n int, size int64, err error) {
	if d.readOnly || d.absent {
		return 0, 0, errReadOnly
	}
	for key, bytes := range d.Packed() {
		if err := ctx.Err(); err != nil {
			return n, size, err
		}
		if err := d.RemovePacked(key); err != nil {
			return n, size, err
		}
		n, size = n+1, size+bytes
	}
	return n, size, nil
}

// dropPacked evicts packed weights: by age, above their share, and then before any record.
func (e *eviction) dropPacked() error {
	var size int64
	for _, p := range e.scan.packed {
		size += p.info.Size()
	}
	for _, p := range e.scan.packed {
		over := e.opts.MaxSize >= 0 && (size > e.opts.MaxSize/packedShare || e.size > e.opts.MaxSize)
		old := e.opts.MaxAge > 0 && e.scan.at.Sub(p.used) > e.opts.MaxAge
		if !e.all && !over && !old {
			continue
		}
		gone, err := e.dropSmall(p)
		if errors.Is(err, fs.ErrPermission) {
			continue // mapped by a running process, where the system holds on to such files
		}
		if err != nil {
			return err
		}
		size -= p.info.Size()
		if gone {
			e.report.Packed++
		}
	}
	return nil
}
