package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
	"golang.org/x/sync/errgroup"
)

// FileSum identifies a file's content. Of a safetensors file Header is the SHA-256 of all bytes before the tensors, and Tensors that
// of the sorted digests of its tensors under their names in the file: together they are as good as SHA256, since the tensors fill the rest
// without a gap, and they are found by as many processors as there are. Header is zero for other files, Tensors for those without.
type FileSum struct{ SHA256, Header, Tensors Digest }

// complete says whether the sum tells one content of the file from another.
func (s *FileSum) complete(whole bool) bool {
	return s.SHA256 != Digest{} || !whole && s.Header != Digest{}
}

// Content is a file that something was opened from.
type Content struct {
	path  string
	size  int64
	fixed FileSum      // of a small file: what was read
	plain *Plain       // of a file that is read as a whole
	file  *File        // of a file of tensors
	parts []*Component // that read the file

	beside sync.Once // reads what join needs beside the digests of components
	header Digest
	rest   map[string]tensorSum // of the tensors that no component has; nil where they are not known
}

// Contents lists the files that the model was read from up to now, by path.
func (m *Model) Contents() []*Content {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*Content
	for _, f := range m.files {
		c := f.Content()
		for _, p := range m.parts {
			if slices.Contains(p.files, f) {
				c.parts = append(c.parts, p)
			}
		}
		out = append(out, c)
	}
	m.ledger.mu.Lock()
	defer m.ledger.mu.Unlock()
	for path, s := range m.ledger.read {
		out = append(out, &Content{path: path, size: s.size, fixed: FileSum{SHA256: s.sum}})
	}
	slices.SortFunc(out, func(a, b *Content) int { return strings.Compare(a.path, b.path) })
	return out
}

// Content is the file as something that can be identified.
func (f *File) Content() *Content { return &Content{path: f.path, size: f.stamp.Size, file: f} }

// Content is the file as something that can be identified.
func (p *Plain) Content() *Content { return &Content{path: p.path, size: p.stamp.Size, plain: p} }

// Path is the file's absolute path.
func (c *Content) Path() string { return c.path }

// Size is the file's size in bytes.
func (c *Content) Size() int64 { return c.size }

// Known gives what is known of the sum without reading gigabytes: memo has it, or the digests of the components that read the file, to which the
// header is added. Else unread is the number of bytes to read. whole asks for SHA256 too where the rest tells as much.
func (c *Content) Known(memo Memo, whole bool) (sum FileSum, unread int64, ok bool) {
	switch {
	case c.plain != nil:
		d, unread, ok := c.plain.Remembered(memo)
		return FileSum{SHA256: d}, unread, ok
	case c.file == nil:
		return c.fixed, 0, true
	}
	sum = c.recall(memo)
	if sum.complete(whole) {
		return sum, 0, true
	}
	if !whole {
		if joined, ok := c.join(memo); ok {
			return joined, 0, true
		}
	}
	return sum, c.size, false
}

// fewBytes is what may be read of tensors where nothing is to be read: those that no component has, such as position ids.
const fewBytes = 1 << 20

// join makes the sum of what components know of the file's tensors without reading them. After a first call it needs the file no more.
func (c *Content) join(memo Memo) (sum FileSum, ok bool) {
	c.beside.Do(c.readBeside)
	if c.rest == nil {
		return sum, false
	}
	sums := maps.Clone(c.rest)
	for p, names := range c.origins() {
		known, _ := p.remembered(memo)
		if known == nil {
			return sum, false
		}
		for name, source := range names {
			sums[source] = known[name]
		}
	}
	return FileSum{Header: c.header, Tensors: combine(sums, nil)}, true
}

// readBeside reads what the file has beside the tensors of components: its header, and other tensors where they are small.
func (c *Content) readBeside() {
	if c.file.data == 0 {
		return
	}
	rest, err := c.others()
	var size int64
	for _, t := range rest {
		size += t.size()
	}
	sums := make(map[string]tensorSum)
	ctx := context.Background()
	if err != nil || size > fewBytes || hashTensors(ctx, rest, sums) != nil || c.sumBytes(ctx, &c.header, c.file.data) != nil {
		return
	}
	c.rest = sums
}

// Sum identifies the content: from memo, which may be nil, or by reading. Without whole, SHA256 is left out where it is not known and the
// rest tells as much: it takes one processor as long as there are bytes.
func (c *Content) Sum(ctx context.Context, memo Memo, whole bool) (FileSum, error) {
	switch {
	case c.plain != nil:
		d, err := c.plain.Digest(ctx, memo)
		return FileSum{SHA256: d}, err
	case c.file == nil:
		return c.fixed, nil
	}
	sum := c.recall(memo)
	if sum.complete(whole) {
		return sum, nil
	}
	began := time.Now()
	n := c.file.data
	group, inner := errgroup.WithContext(ctx)
	if whole || n == 0 {
		group.Go(func() error { return c.sumBytes(inner, &sum.SHA256, int64(len(c.file.mapping))) })
	}
	if n > 0 {
		group.Go(func() error { return c.sumBytes(inner, &sum.Header, n) })
	}
	group.Go(func() (err error) { sum.Tensors, err = c.sumTensors(inner, memo); return err })
	if err := group.Wait(); err != nil {
		return FileSum{}, err
	}
	if err := c.file.Verify(); err != nil {
		return FileSum{}, err
	}
	if last := max(c.file.stamp.MtimeNs, c.file.stamp.CtimeNs); memo != nil && began.Sub(time.Unix(0, last)) >= settle {
		if val, err := json.Marshal(sum); err == nil {
			check := sha256.Sum256(val)
			memo.Put(c.memoKey(), append(check[:], val...))
		}
	}
	return sum, nil
}

// sumBytes hashes the first n bytes of the file.
func (c *Content) sumBytes(ctx context.Context, to *Digest, n int64) error {
	return c.file.Guard(func() error {
		h := sha256.New()
		for block := range slices.Chunk(c.file.mapping[:n], hashBlock) {
			if err := ctx.Err(); err != nil {
				return err
			}
			h.Write(block)
		}
		h.Sum(to[:0])
		return nil
	})
}

// sumTensors joins the digests of all tensors of the file under their names in it. Those that a component has under the same name
// are hashed for its own digest, and not again.
func (c *Content) sumTensors(ctx context.Context, memo Memo) (Digest, error) {
	sums := make(map[string]tensorSum)
	for p, names := range c.origins() {
		all, err := p.sumAll(ctx, memo)
		if err != nil {
			return Digest{}, err
		}
		for name, source := range names {
			sums[source] = all[name]
		}
	}
	rest, err := c.others()
	if err != nil {
		return Digest{}, err
	}
	if err := hashTensors(ctx, rest, sums); err != nil {
		return Digest{}, err
	}
	return combine(sums, nil), nil
}

// origins gives the components that have tensors of the file as the file has them, with these: canonical name to name in the file.
func (c *Content) origins() map[*Component]map[string]string {
	out := make(map[*Component]map[string]string)
	for _, p := range c.parts {
		for name, t := range p.tensors {
			if t.file != c.file || !t.kept {
				continue
			}
			if out[p] == nil {
				out[p] = make(map[string]string)
			}
			out[p][name] = t.source
		}
	}
	return out
}

// others are the file's tensors that no component has as the file has them.
func (c *Content) others() ([]*Tensor, error) {
	have := make(map[string]bool)
	for _, names := range c.origins() {
		for _, source := range names {
			have[source] = true
		}
	}
	var rest []*Tensor
	for _, name := range c.file.Names() {
		if have[name] {
			continue
		}
		t, err := newTensor(c.file, name, keymap.Target{Name: name})
		if err != nil {
			return nil, err
		}
		rest = append(rest, t)
	}
	return rest, nil
}

// recall takes what memo has.
func (c *Content) recall(memo Memo) (sum FileSum) {
	if memo == nil {
		return sum
	}
	val, ok := memo.Get(c.memoKey())
	if !ok || len(val) < sha256.Size {
		return sum
	}
	check := sha256.Sum256(val[sha256.Size:])
	if !bytes.Equal(check[:], val[:sha256.Size]) || json.Unmarshal(val[sha256.Size:], &sum) != nil {
		return FileSum{}
	}
	return sum
}

func (c *Content) memoKey() string {
	s := c.file.stamp
	return fmt.Sprintf("content 1|%d|%d|%d|%d|%d|%s", s.Size, s.MtimeNs, s.CtimeNs, s.Inode, s.Device, c.path)
}
