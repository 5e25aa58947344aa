package weights

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gowebpki/jcs"
	"golang.org/x/sync/errgroup"
)

// Digest is a SHA-256.
type Digest [sha256.Size]byte

// String gives 64 hexadecimal digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// Document is what decides a result beside the tensors: a parsed
// configuration, a tokenizer's file, a header's metadata.
type Document struct {
	Name string
	Data []byte
}

// JSONDocument makes a document of a value, in canonical JSON (RFC 8785), so
// that two files that parse to the same value count as the same.
func JSONDocument(name string, value any) (Document, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return Document{}, err
	}
	data, err := jcs.Transform(raw)
	return Document{Name: name, Data: data}, err
}

// tensorSum is the digest of a tensor with what was seen on the way.
type tensorSum struct {
	sum    Digest
	finite finiteness
}

// hashBlock is the number of bytes hashed between two looks at the context.
const hashBlock = 64 << 10

// dropFrom is the number of bytes from which a tensor is worth a call of the system to take it out of memory.
const dropFrom = 1 << 16

// Digest is the component's identity where all of it is read: SHA-256 over the sorted digests of its
// tensors (canonical name, type, shape, bytes) and the documents. memo, which
// may be nil, remembers the tensors' digests of files that have not changed.
// Tensors are read by several goroutines; ctx stops them between blocks. A file that
// changes meanwhile is an error that names it.
func (c *Component) Digest(ctx context.Context, memo Memo, docs ...Document) (Digest, error) {
	return c.Reading(nil).Digest(ctx, memo, docs...)
}

// Remembered is [Reading.Remembered] where all of it is read.
func (c *Component) Remembered(memo Memo, docs ...Document) (d Digest, unknown int64, ok bool) {
	return c.Reading(nil).Remembered(memo, docs...)
}

// remembered gives the digests of all tensors without reading them, or nil and the number of bytes to hash.
func (c *Component) remembered(memo Memo) (sums map[string]tensorSum, unknown int64) {
	if sums = c.known(); sums != nil {
		return sums, 0
	}
	sums, missing := c.recall(memo)
	for _, t := range missing {
		unknown += t.size()
	}
	if len(missing) > 0 {
		return nil, unknown
	}
	c.learn(sums)
	return sums, 0
}

// known gives the digests of all tensors, or nil.
func (c *Component) known() map[string]tensorSum {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sums
}

// learn keeps the digests of all tensors, which are not changed any more.
func (c *Component) learn(sums map[string]tensorSum) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sums = sums
}

// sumAll gives the digests of all tensors: from memory, from memo or by reading.
func (c *Component) sumAll(ctx context.Context, memo Memo) (map[string]tensorSum, error) {
	if sums := c.known(); sums != nil {
		return sums, nil
	}
	c.hashing.Lock()
	defer c.hashing.Unlock()
	if sums := c.known(); sums != nil {
		return sums, nil
	}
	sums, missing := c.recall(memo)
	if len(missing) > 0 {
		began := time.Now()
		if err := hashTensors(ctx, missing, sums); err != nil {
			return nil, err
		}
		if err := c.Verify(); err != nil {
			return nil, err
		}
		c.remember(memo, sums, began)
	}
	c.learn(sums)
	return sums, nil
}

// hashTensors adds the digests of tensors to sums, largest tensors first.
func hashTensors(ctx context.Context, tensors []*Tensor, sums map[string]tensorSum) error {
	slices.SortFunc(tensors, func(a, b *Tensor) int {
		if a.size() != b.size() {
			return int(max(-1, min(1, b.size()-a.size())))
		}
		return strings.Compare(a.Name, b.Name)
	})
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, t := range tensors {
		group.Go(func() error {
			var s tensorSum
			err := t.file.Guard(func() (err error) {
				s, err = t.hash(ctx)
				if t.size() >= dropFrom {
					t.drop() // a whole model need not stay in memory for its digest
				}
				return err
			})
			mu.Lock()
			defer mu.Unlock()
			sums[t.Name] = s
			return err
		})
	}
	return group.Wait()
}

// hash reads the tensor once.
func (t *Tensor) hash(ctx context.Context) (tensorSum, error) {
	data, err := t.view()
	if err != nil {
		return tensorSum{}, err
	}
	h := sha256.New()
	field(h, "flow tensor 1")
	field(h, t.Name)
	field(h, t.DType)
	number(h, len(t.Shape))
	for _, d := range t.Shape {
		number(h, d)
	}
	var s tensorSum
	for block := range slices.Chunk(data, hashBlock) {
		if err := ctx.Err(); err != nil {
			return tensorSum{}, err
		}
		h.Write(block)
		s.finite |= scanFinite(t.DType, block)
	}
	h.Sum(s.sum[:0])
	return s, nil
}

// combine joins the tensors' digests, sorted, and the documents, by name.
func combine(sums map[string]tensorSum, docs []Document) Digest {
	all := make([]Digest, 0, len(sums))
	for _, s := range sums {
		all = append(all, s.sum)
	}
	slices.SortFunc(all, func(a, b Digest) int { return slices.Compare(a[:], b[:]) })
	docs = slices.Clone(docs)
	slices.SortFunc(docs, func(a, b Document) int { return strings.Compare(a.Name, b.Name) })
	h := sha256.New()
	field(h, "flow component 1")
	number(h, len(all))
	for _, d := range all {
		h.Write(d[:])
	}
	number(h, len(docs))
	for _, d := range docs {
		field(h, d.Name)
		field(h, string(d.Data))
	}
	var out Digest
	h.Sum(out[:0])
	return out
}

// field writes a string after its length.
func field(h hash.Hash, s string) {
	number(h, len(s))
	_, _ = io.WriteString(h, s) // a hash never fails
}

func number(h hash.Hash, n int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}
