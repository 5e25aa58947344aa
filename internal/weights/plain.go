package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"sync"
	"time"
)

// Bounds of plain files.
const (
	maxPlain   = 1 << 30 // bytes of a file that is read into memory
	hashAtOnce = 4 << 20 // a file of at most so many bytes is hashed where only a look at the memo is asked for
)

// Plain is a file that is read as a whole, such as a picture. Its identity is the SHA-256 of its bytes.
type Plain struct {
	path  string
	stamp FileStamp

	mu    sync.Mutex
	sum   Digest
	known bool
}

// OpenPlain takes the stamp of a file. It reads nothing.
func OpenPlain(path string) (*Plain, error) {
	stamp, err := stampPath(path)
	if err != nil {
		return nil, &Error{File: path, Problem: "cannot open the file", Err: err}
	}
	if stamp.Size > maxPlain {
		return nil, &Error{File: path, Problem: fmt.Sprintf("has %d bytes; at most %d are read", stamp.Size, maxPlain), Hint: "is this the right file?"}
	}
	return &Plain{path: path, stamp: stamp}, nil
}

// Path is the path that it was opened by.
func (p *Plain) Path() string { return p.path }

// Digest is the SHA-256 of the bytes: from memo, which may be nil, or by reading. A file that is no longer the one that was opened is an error
// that names it.
func (p *Plain) Digest(ctx context.Context, memo Memo) (Digest, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.recall(memo) {
		return p.sum, nil
	}
	began := time.Now()
	h := sha256.New()
	if err := p.read(ctx, h); err != nil {
		return Digest{}, err
	}
	h.Sum(p.sum[:0])
	p.known = true
	if last := max(p.stamp.MtimeNs, p.stamp.CtimeNs); memo != nil && began.Sub(time.Unix(0, last)) >= settle {
		check := sha256.Sum256(p.sum[:])
		memo.Put(p.memoKey(), append(check[:], p.sum[:]...))
	}
	return p.sum, nil
}

// Remembered gives the digest if that takes no reading or little; else the number of bytes to read.
func (p *Plain) Remembered(memo Memo) (d Digest, unread int64, ok bool) {
	p.mu.Lock()
	known := p.recall(memo)
	p.mu.Unlock()
	if !known && p.stamp.Size > hashAtOnce {
		return Digest{}, p.stamp.Size, false
	}
	d, err := p.Digest(context.Background(), nil)
	if err != nil {
		return Digest{}, p.stamp.Size, false
	}
	return d, 0, true
}

// Bytes reads the file. Content of another digest than the one given out is an error.
func (p *Plain) Bytes(ctx context.Context) ([]byte, error) {
	var b bytes.Buffer
	if err := p.read(ctx, &b); err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known && sha256.Sum256(b.Bytes()) != p.sum {
		return nil, &Error{File: p.path, Problem: "the file changed while it was in use", Hint: "run again when nothing writes it"}
	}
	return b.Bytes(), nil
}

// Verify compares the path's file with what was opened.
func (p *Plain) Verify() error { return p.stamp.Verify(p.path) }

// read copies the bytes of the file, which must be the one that was opened before and after.
func (p *Plain) read(ctx context.Context, w io.Writer) error {
	f, err := openRegular(p.path)
	if err != nil {
		return &Error{File: p.path, Problem: "cannot open the file", Err: err}
	}
	defer func() { _ = f.Close() }()
	for n := int64(0); n <= p.stamp.Size; { // one byte more than there should be is enough to see that it grew
		if err := ctx.Err(); err != nil {
			return err
		}
		k, err := io.CopyN(w, f, min(hashBlock, p.stamp.Size+1-n))
		if n += k; err == io.EOF {
			break
		}
		if err != nil {
			return &Error{File: p.path, Problem: "cannot read the file", Err: err}
		}
	}
	now, err := stampFile(f)
	if err != nil {
		return &Error{File: p.path, Problem: "cannot read the file", Err: err}
	}
	if d := p.stamp.difference(now); d != "" {
		return &Error{File: p.path, Problem: "the file changed while it was in use: " + d, Hint: "run again when nothing writes it"}
	}
	return nil
}

// recall takes the digest from memo. The caller holds mu.
func (p *Plain) recall(memo Memo) bool {
	if p.known || memo == nil {
		return p.known
	}
	val, ok := memo.Get(p.memoKey())
	if !ok || len(val) != 2*sha256.Size {
		return false
	}
	if check := sha256.Sum256(val[sha256.Size:]); !bytes.Equal(check[:], val[:sha256.Size]) {
		return false
	}
	p.sum, p.known = Digest(val[sha256.Size:]), true
	return true
}

func (p *Plain) memoKey() string {
	s := p.stamp
	return fmt.Sprintf("file 1|%d|%d|%d|%d|%d|%s", s.Size, s.MtimeNs, s.CtimeNs, s.Inode, s.Device, p.path)
}
