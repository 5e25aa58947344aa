package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
)

// Get finds the record of an action, puts it on this process's lease and notes
// its use. See [Store.Get].
func (d *Disk) Get(key ActionKey) (*Record, error) {
	if d.absent {
		return nil, &Miss{Reason: NeverRun, Key: key}
	}
	if d.readOnly {
		return d.find(key)
	}
	defer d.lockForGet().release()
	r, err := d.find(key)
	if err != nil {
		return nil, err
	}
	if s, err := d.lease(); err == nil {
		s.hold(r)
	}
	d.touch(shard(recordDir, key), d.now()) // best effort: it only orders evictions
	return r, nil
}

// lockForGet takes the lock, shared. A hit is not worth a long wait, since Read
// finds out all the same if an eviction came between: whoever waited in vain
// does not wait again until the lock is free.
func (d *Disk) lockForGet() held {
	patience := getPatience
	if d.hasty.Load() {
		patience = 0
	}
	locks, err := d.lock(context.Background(), false, patience)
	d.hasty.Store(err != nil)
	return locks
}

// find gives a record all of whose blobs are there, or a *Miss.
func (d *Disk) find(key ActionKey) (*Record, error) {
	r, err := d.readRecord(key)
	if err != nil {
		return nil, err
	}
	if miss := d.missing(r); miss != nil {
		return nil, miss
	}
	return r, nil
}

// readRecord gives a record, whether or not its blobs are there, or a *Miss.
func (d *Disk) readRecord(key ActionKey) (*Record, error) {
	data, _, err := d.read(shard(recordDir, key), maxSealed)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, d.absentMiss(key)
	case err != nil:
		return nil, &Miss{Reason: Unreadable, Key: key, Err: err}
	}
	r, err := decodeRecord(key, data)
	if err != nil {
		return nil, &Miss{Reason: RecordCorrupt, Key: key, Err: err}
	}
	return r, nil
}

// missing finds the first output whose blob is not there with its size.
func (d *Disk) missing(r *Record) *Miss {
	for _, o := range r.Outputs {
		miss := &Miss{Reason: BlobMissing, Key: r.Key, Blob: o.Blob, Port: o.Port}
		info, err := d.root.Lstat(shard(blobDir, o.Blob))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return miss
		case err != nil:
			miss.Reason, miss.Err = Unreadable, err
			return miss
		case !info.Mode().IsRegular():
			miss.Reason, miss.Err = BlobCorrupt, errors.New("not a plain file")
			return miss
		case info.Size() != o.Size:
			miss.Reason, miss.Err = BlobCorrupt, fmt.Errorf("%d bytes, not %d", info.Size(), o.Size)
			return miss
		}
	}
	return nil
}

// Read gives a blob whose bytes have been hashed. See [Store.Read].
func (d *Disk) Read(id BlobID) ([]byte, error) {
	if d.absent {
		return nil, &Miss{Reason: BlobMissing, Blob: id}
	}
	data, info, err := d.read(shard(blobDir, id), maxBlob)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &Miss{Reason: BlobMissing, Blob: id}
	case err != nil:
		return nil, &Miss{Reason: Unreadable, Blob: id, Err: err}
	}
	if sha256.Sum256(data) != id {
		d.dropBlob(id, info)
		return nil, &Miss{Reason: BlobCorrupt, Blob: id, Err: fmt.Errorf("its %d bytes have another hash", len(data))}
	}
	return data, nil
}

// dropBlob deletes a corrupt blob, unless it was replaced since info was taken.
// It reports whether it did.
func (d *Disk) dropBlob(id BlobID, info fs.FileInfo) bool {
	if d.readOnly {
		return false
	}
	locks, err := d.lock(context.Background(), true, getPatience)
	if err != nil {
		return false
	}
	defer locks.release()
	return d.unchanged(shard(blobDir, id), info) && d.remove(shard(blobDir, id)) == nil
}

// unchanged reports whether a file is still the one that info was taken of.
func (f *files) unchanged(name string, info fs.FileInfo) bool {
	now, err := f.root.Lstat(name)
	return err == nil && os.SameFile(now, info) && now.ModTime().Equal(info.ModTime()) && now.Size() == info.Size()
}

// gone reports whether there is no file of that name any more.
func (f *files) gone(name string) bool {
	_, err := f.root.Lstat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// Records gives all records, whether or not their blobs are there. See [Store.Records].
func (d *Disk) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		if d.absent {
			return
		}
		for e, err := range d.walk(recordDir, "", false) {
			if err != nil {
				yield(nil, &Miss{Reason: Unreadable, Err: err})
				return
			}
			r, err := d.readRecord(e.hash)
			var miss *Miss
			if errors.As(err, &miss) && (miss.Reason == NeverRun || miss.Reason == Evicted) {
				continue // gone since it was listed
			}
			if !yield(r, err) {
				return
			}
		}
	}
}

// Find gives the keys of all records that start with prefix, sorted.
func (d *Disk) Find(prefix string) []ActionKey {
	if d.absent || !isHex(prefix, len(prefix)) || len(prefix) > 64 {
		return nil
	}
	var keys []ActionKey
	for e, err := range d.walk(recordDir, prefix, false) {
		if err == nil {
			keys = append(keys, e.hash)
		}
	}
	return keys
}
