package cache

import (
	"encoding/json"
	"fmt"
	"time"
)

// Reason says why the store has no answer.
type Reason int

// Reasons for a miss.
const (
	NeverRun          Reason = iota // no trace of it
	Evicted                         // it was here; When says until when
	RecordCorrupt                   // the record's bytes are not what was written
	BlobMissing                     // the record is whole, a blob is gone
	BlobCorrupt                     // a blob's bytes are not what was written
	CheckpointCorrupt               // the checkpoint's bytes are not what was written
	Unreadable                      // the system refused to read it; Err says why
)

var reasons = [...]string{"never run", "evicted", "record corrupt", "blob missing", "blob corrupt", "checkpoint corrupt", "unreadable"}

// String gives the reason in words.
func (r Reason) String() string {
	if r < 0 || int(r) >= len(reasons) {
		return fmt.Sprintf("reason %d", int(r))
	}
	return reasons[r]
}

// Miss is the error of [Store.Get] and [Store.Read]: there is no answer, and why.
type Miss struct {
	Reason Reason
	Key    ActionKey       // of the record that was asked for, zero for Read
	Blob   BlobID          // that is missing or corrupt, else zero
	Port   string          // of that blob, where known
	When   time.Time       // of the eviction
	Cause  string          // of the eviction: "size", "age" or "damaged"
	Action json.RawMessage // of an evicted record, where its tombstone kept it
	Err    error           // what lay beneath, or nil
}

// Error gives the reason with what is known about it.
func (m *Miss) Error() string {
	s := m.Reason.String()
	switch m.Reason {
	case Evicted:
		s += " on " + m.When.Format(time.DateOnly)
		if m.Cause != "" {
			s += " (" + m.Cause + ")"
		}
	case BlobMissing, BlobCorrupt:
		s += ": " + m.Blob.String()[:12]
		if m.Port != "" {
			s += " of output " + m.Port
		}
	}
	if m.Err != nil {
		s += ": " + m.Err.Error()
	}
	return s
}

// Unwrap gives what lay beneath.
func (m *Miss) Unwrap() error { return m.Err }
