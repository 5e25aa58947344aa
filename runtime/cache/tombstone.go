package cache

import (
	"encoding/json"
	"time"
)

// Bounds on what is remembered of the evicted.
const (
	maxTombs      = 4096
	maxTombAction = 4 << 10 // bytes of the action document
)

// Tombstone says what was evicted, when and why.
type Tombstone struct {
	Key     ActionKey       `json:"key"`
	Evicted time.Time       `json:"evicted"`
	Cause   string          `json:"cause"`            // "size", "age" or "damaged"
	Bytes   int64           `json:"bytes"`            // of the record and the blobs that went with it
	Action  json.RawMessage `json:"action,omitempty"` // if of 4 KiB or less
}

// bury writes a tombstone, best effort: a full disk must not keep anyone from
// making room on it.
func (d *Disk) bury(t Tombstone) {
	if len(t.Action) > maxTombAction || !json.Valid(t.Action) {
		t.Action = nil
	}
	if body, err := encodeLine(t); err == nil {
		d.putSealed(shard(tombDir, t.Key), body)
	}
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
