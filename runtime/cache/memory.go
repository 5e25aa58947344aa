package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// memoryCap is how many bytes of blobs a Memory keeps.
const memoryCap = 1 << 30

// Memory is a store that ends with its process. It keeps at most 1 GiB of
// blobs, the last used.
type Memory struct {
	mu      sync.Mutex
	cap     int64
	size    int64
	clock   int64 // counts uses
	records map[ActionKey]*Record
	blobs   map[BlobID]*memoryBlob
	gone    map[ActionKey]time.Time // evicted
	memos   map[string][]byte
}

type memoryBlob struct {
	data []byte
	used int64
}

var _ Store = (*Memory)(nil)

// NewMemory makes an empty store.
func NewMemory() *Memory {
	return &Memory{
		cap:     memoryCap,
		records: make(map[ActionKey]*Record),
		blobs:   make(map[BlobID]*memoryBlob),
		gone:    make(map[ActionKey]time.Time),
		memos:   make(map[string][]byte),
	}
}

// Get finds the record of an action. See [Store.Get].
func (m *Memory) Get(key ActionKey) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r, ok := m.records[key]
	if !ok {
		if when, ok := m.gone[key]; ok {
			return nil, &Miss{Reason: Evicted, Key: key, When: when, Cause: causeSize}
		}
		return nil, &Miss{Reason: NeverRun, Key: key}
	}
	for _, o := range r.Outputs {
		m.use(o.Blob)
	}
	return clone(r), nil
}

// clone copies what a caller might change.
func clone(r *Record) *Record {
	c := *r
	c.Outputs = slices.Clone(r.Outputs)
	return &c
}

func (m *Memory) use(id BlobID) {
	if b := m.blobs[id]; b != nil {
		m.clock++
		b.used = m.clock
	}
}

// Read gives a blob. See [Store.Read].
func (m *Memory) Read(id BlobID) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.blobs[id]
	if !ok {
		return nil, &Miss{Reason: BlobMissing, Blob: id}
	}
	m.use(id)
	return slices.Clone(b.data), nil
}

// Put stores a record and its blobs. See [Store.Put].
func (m *Memory) Put(ctx context.Context, r Record, blobs []NewBlob) (*Record, error) {
	if err := r.check(blobs); err != nil {
		return nil, fmt.Errorf("not cached: %w", err)
	}
	r.Outputs = make([]Output, len(blobs))
	data := make([][]byte, len(blobs))
	var sum int64
	for i := range blobs {
		var buf bytes.Buffer
		if err := blobs[i].emit(&buf); err != nil {
			return nil, fmt.Errorf("not cached: output %s: %w", blobs[i].Output.Port, err)
		}
		if err := ctx.Err(); err != nil {
			return nil, fmt.Errorf("not cached: %w", err)
		}
		data[i] = buf.Bytes()
		sum += int64(len(data[i]))
		r.Outputs[i] = blobs[i].Output
		r.Outputs[i].Blob, r.Outputs[i].Size = sha256.Sum256(data[i]), int64(len(data[i]))
	}
	if r.Created.IsZero() {
		r.Created = time.Now().UTC()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if sum > m.cap {
		return nil, errors.New("not cached: larger than what is kept in memory")
	}
	m.makeRoom(sum)
	for i, o := range r.Outputs {
		if m.blobs[o.Blob] == nil {
			m.blobs[o.Blob] = &memoryBlob{data: data[i]}
			m.size += o.Size
		}
		m.use(o.Blob)
	}
	m.records[r.Key] = clone(&r)
	delete(m.gone, r.Key)
	return &r, nil
}

// makeRoom drops the blobs that were least recently used, and their records.
func (m *Memory) makeRoom(sum int64) {
	for m.size+sum > m.cap {
		var last BlobID
		for id, b := range m.blobs {
			if l := m.blobs[last]; l == nil || b.used < l.used {
				last = id
			}
		}
		m.size -= int64(len(m.blobs[last].data))
		delete(m.blobs, last)
		for key, r := range m.records {
			if slices.ContainsFunc(r.Outputs, func(o Output) bool { return o.Blob == last }) {
				delete(m.records, key)
				m.gone[key] = time.Now().UTC()
			}
		}
	}
}

// Records gives all records. See [Store.Records].
func (m *Memory) Records() iter.Seq2[*Record, error] {
	return func(yield func(*Record, error) bool) {
		for _, key := range m.Find("") {
			m.mu.Lock()
			r := m.records[key]
			m.mu.Unlock()
			if r != nil && !yield(clone(r), nil) {
				return
			}
		}
	}
}

// Find gives the keys that start with prefix, sorted.
func (m *Memory) Find(prefix string) []ActionKey {
	m.mu.Lock()
	defer m.mu.Unlock()
	var keys []ActionKey
	for key := range m.records {
		if strings.HasPrefix(key.String(), prefix) {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b ActionKey) int { return bytes.Compare(a[:], b[:]) })
	return keys
}

// GetMemo gives what PutMemo remembered.
func (m *Memory) GetMemo(key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	val, ok := m.memos[key]
	return slices.Clone(val), ok
}

// PutMemo remembers a small value.
func (m *Memory) PutMemo(key string, val []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.memos) < maxMemos && len(key)+len(val) <= maxMemo {
		m.memos[key] = slices.Clone(val)
	}
}

// Close forgets everything.
func (m *Memory) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.size = 0
	clear(m.records)
	clear(m.blobs)
	clear(m.gone)
	clear(m.memos)
	return nil
}
