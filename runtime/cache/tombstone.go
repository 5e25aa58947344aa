package cache

import (
	"cmp"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"time"
)

// Bounds on what is remembered of the evicted.
const (
	maxTombs      = 4096
	maxTombAction = 4 << 10 // bytes of the action document
	maxTombMeta   = 8 << 10 // bytes of the record's meta
)

// Tombstone says what was evicted, when and why.
type Tombstone struct {
	Key     ActionKey       `json:"key"`
	Evicted time.Time       `json:"evicted"`
	Cause   string          `json:"cause"`            // "size", "age" or "damaged"
	Bytes   int64           `json:"bytes"`            // of the record and the blobs that went with it
	Action  json.RawMessage `json:"action,omitempty"` // if of 4 KiB or less
	// Of the record: what explains later how it differs from others. Of Meta the shortest, 8 KiB in all.
	Created time.Time         `json:"created,omitzero"`
	Outputs []Output          `json:"outputs,omitempty"`
	Meta    map[string]string `json:"meta,omitempty"`
}

// bury writes a tombstone, best effort: a full disk must not keep anyone from
// making room on it.
func (d *Disk) bury(t Tombstone) {
	if len(t.Action) > maxTombAction || !json.Valid(t.Action) {
		t.Action = nil
	}
	t.Meta = within(t.Meta, maxTombMeta)
	if body, err := encodeLine(t); err == nil {
		d.putSealed(shard(tombDir, t.Key), body)
	}
}

// within keeps the shortest entries of a map, of so many bytes in all.
func within(m map[string]string, size int) map[string]string {
	names := slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(len(m[a])-len(m[b]), cmp.Compare(a, b)) })
	out := make(map[string]string)
	for _, name := range names {
		if size -= len(name) + len(m[name]); size < 0 {
			break
		}
		out[name] = m[name]
	}
	return out
}

// absentMiss says whether a record that is not there was never there.
func (d *Disk) absentMiss(key ActionKey) *Miss {
	body, _, ok := d.getSealed(shard(tombDir, key))
	var t Tombstone
	if !ok || json.Unmarshal(body, &t) != nil || t.Key != key {
		return &Miss{Reason: NeverRun, Key: key}
	}
	return &Miss{Reason: Evicted, Key: key, When: t.Evicted, Cause: t.Cause, Action: t.Action}
}

// Tombstones gives what is remembered of the evicted, as far as it can be read.
func (d *Disk) Tombstones() iter.Seq[*Tombstone] {
	return func(yield func(*Tombstone) bool) {
		if d.absent {
			return
		}
		for e, err := range d.walk(tombDir, "", false) {
			if err != nil {
				continue
			}
			t := new(Tombstone)
			body, _, ok := d.getSealed(e.path)
			if ok && json.Unmarshal(body, t) == nil && t.Key == ActionKey(e.hash) && !yield(t) {
				return
			}
		}
	}
}

// Gone gives the tombstones of a store that keeps them; none of any other.
func Gone(s Store) iter.Seq[*Tombstone] {
	if d, ok := s.(interface{ Tombstones() iter.Seq[*Tombstone] }); ok {
		return d.Tombstones()
	}
	return func(func(*Tombstone) bool) {}
}
