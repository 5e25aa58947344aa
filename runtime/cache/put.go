package cache

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"path"
	"time"
)

// written is a temporary file, complete and synced, and where it belongs.
type written struct{ temp, to string }

// Put stores blobs and then the record whose outputs they are. See [Store.Put].
// The context is asked until the files are complete; then they are all put in
// their places.
func (d *Disk) Put(ctx context.Context, r Record, blobs []NewBlob) (*Record, error) {
	stored, err := d.put(ctx, r, blobs)
	if err != nil {
		return nil, fmt.Errorf("not cached: %w", err)
	}
	var size int64
	for _, o := range stored.Outputs {
		size += o.Size
	}
	d.dirty.Store(true)
	if sum := d.wrote.Add(size + 1); d.cap > 0 && sum > d.cap/8 {
		d.trimIfOver() // best effort
	}
	return stored, nil
}

func (d *Disk) put(ctx context.Context, r Record, blobs []NewBlob) (*Record, error) {
	if err := r.check(blobs); err != nil {
		return nil, err
	}
	s, err := d.lease()
	if err != nil {
		return nil, err
	}
	var files []written
	defer func() {
		for _, w := range files {
			d.remove(w.temp)
		}
	}()
	r.Outputs = make([]Output, len(blobs))
	for i := range blobs {
		w, out, err := d.writeBlob(ctx, s, &blobs[i])
		if err != nil {
			return nil, err
		}
		files, r.Outputs[i] = append(files, w), out
	}
	if r.Created.IsZero() {
		r.Created = d.now()
	}
	r.Created = r.Created.Round(0).UTC()
	data, err := r.encode()
	if err != nil {
		return nil, err
	}
	w, err := d.writeRecord(s, r.Key, data)
	if err != nil {
		return nil, err
	}
	files = append(files, w)
	if err := d.placeAll(ctx, s, &r, files); err != nil {
		return nil, err
	}
	files = nil
	return &r, nil
}

// placeAll renames blobs and then the record, under the lock: an eviction sees
// either none of them or all.
func (d *Disk) placeAll(ctx context.Context, s *session, r *Record, files []written) error {
	locks, err := d.lock(ctx, false, putPatience)
	if err != nil {
		return err
	}
	defer locks.release()
	s.hold(r)
	blobs, record := files[:len(files)-1], files[len(files)-1]
	dirs := make(map[string]bool)
	for _, w := range blobs {
		if err := d.place(w.temp, w.to); err != nil {
			return err
		}
		dirs[path.Dir(w.to)] = true
	}
	for dir := range dirs {
		if err := d.syncDir(dir); err != nil {
			return err
		}
	}
	if err := d.place(record.temp, record.to); err != nil {
		return err
	}
	d.remove(shard(tombDir, r.Key)) // a tombstone beside a record is not asked
	return d.syncDir(path.Dir(record.to))
}

// writeBlob writes a blob to a temporary file and finds its hash and size.
func (d *Disk) writeBlob(ctx context.Context, s *session, b *NewBlob) (written, Output, error) {
	out := b.Output
	h := sha256.New()
	w := written{temp: s.tempName()}
	var size int64
	err := d.writeTemp(w.temp, func(f *file) error {
		buf := bufio.NewWriterSize(&meter{ctx: ctx, file: f, hash: h, size: &size}, 256<<10)
		if err := b.emit(buf); err != nil {
			return err
		}
		return buf.Flush()
	})
	if err != nil {
		return w, out, fmt.Errorf("output %s: %w", out.Port, err)
	}
	h.Sum(out.Blob[:0])
	out.Size = size
	w.to = shard(blobDir, out.Blob)
	return w, out, nil
}

// writeRecord writes a sealed record to a temporary file that has the time of use.
func (d *Disk) writeRecord(s *session, key ActionKey, data []byte) (written, error) {
	w := written{temp: s.tempName(), to: shard(recordDir, key)}
	if len(data) > maxSealed {
		return w, fmt.Errorf("record %s has %d bytes, more than %d", key, len(data), maxSealed)
	}
	err := d.writeTemp(w.temp, func(f *file) error {
		_, err := f.Write(data)
		return err
	})
	if err == nil {
		d.touch(w.temp, d.now()) // best effort
	}
	return w, err
}

// writeTemp makes a synced file by what fill writes, or leaves none.
func (d *Disk) writeTemp(name string, fill func(*file) error) (err error) {
	f, err := d.create(name)
	if err != nil {
		return err
	}
	done := false
	defer func() {
		if e := f.Close(); err == nil {
			err = e
		}
		if err != nil || !done { // not done: fill panicked
			d.remove(name)
		}
	}()
	if err = fill(f); err == nil {
		err = f.Sync()
	}
	done = true
	return err
}

// meter passes bytes on to a file, hashes and counts them.
type meter struct {
	ctx  context.Context
	file *file
	hash hash.Hash
	size *int64
}

func (m *meter) Write(p []byte) (int, error) {
	if err := m.ctx.Err(); err != nil {
		return 0, err
	}
	if *m.size+int64(len(p)) > maxBlob {
		return 0, fmt.Errorf("more than %d bytes", int64(maxBlob))
	}
	m.hash.Write(p)
	n, err := m.file.Write(p)
	*m.size += int64(n)
	return n, err
}

// place of small files that need not outlive a power cut: their checksum tells.
func (d *Disk) putSealed(to string, body []byte) error {
	s, err := d.lease()
	if err != nil {
		return err
	}
	temp := s.tempName()
	f, err := d.create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write(seal(body))
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		d.touch(temp, d.now())
		err = d.place(temp, to)
	}
	if err != nil {
		d.remove(temp)
	}
	return err
}

// getSealed reads what putSealed wrote; whatever is wrong with it, it is not there.
func (d *Disk) getSealed(name string) (body []byte, used time.Time, ok bool) {
	data, info, err := d.read(name, maxSealed)
	if err != nil {
		return nil, used, false
	}
	body, err = unseal(data)
	return body, info.ModTime(), err == nil
}
