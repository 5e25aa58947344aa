package cache

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// Damage is something that is not what was written.
type Damage struct {
	Miss    *Miss
	Removed bool // a corrupt blob or checkpoint that was deleted
}

// Verification is what VerifyAll found.
type Verification struct {
	Records int // looked at
	Blobs   int // hashed
	Bytes   int64
	Damaged []Damage

	Checkpoints int // looked at
}

// VerifyAll reads every record and checkpoint and hashes every blob. Corrupt blobs and checkpoints are deleted
// unless the store is open for reading only; GC then takes the records.
func (d *Disk) VerifyAll(ctx context.Context) (*Verification, error) {
	v := new(Verification)
	if d.absent {
		return v, nil
	}
	for e, err := range d.walk(blobDir, "", true) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		v.Blobs++
		v.Bytes += e.info.Size()
		if miss := d.verifyBlob(ctx, e); miss != nil {
			gone := miss.Reason == BlobCorrupt && d.dropBlob(e.hash, e.info)
			v.Damaged = append(v.Damaged, Damage{miss, gone})
		}
	}
	for r, err := range d.Records() {
		if e := ctx.Err(); e != nil {
			return nil, e
		}
		v.Records++
		var miss *Miss
		if err == nil {
			miss = d.missing(r)
		}
		if miss != nil || errors.As(err, &miss) {
			v.Damaged = append(v.Damaged, Damage{Miss: miss})
		}
	}
	return v, d.verifyCheckpoints(ctx, v)
}

// verifyBlob hashes a blob without holding it in memory.
func (d *Disk) verifyBlob(ctx context.Context, e entry) *Miss {
	f, _, err := d.open(e.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // evicted meanwhile
	}
	if err != nil {
		return &Miss{Reason: Unreadable, Blob: e.hash, Err: err}
	}
	defer f.Close()
	h := sha256.New()
	buf := make([]byte, 1<<20)
	for {
		n, err := f.Read(buf)
		h.Write(buf[:n])
		if err == nil {
			err = ctx.Err()
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return &Miss{Reason: Unreadable, Blob: e.hash, Err: err}
		}
	}
	if BlobID(h.Sum(nil)) != e.hash {
		return &Miss{Reason: BlobCorrupt, Blob: e.hash, Err: fmt.Errorf("its %d bytes have another hash", e.info.Size())}
	}
	return nil
}
