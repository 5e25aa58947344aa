package ui

import (
	"encoding/json"
	"io"
	"sync"

	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// JSON writes each event as one line of JSON.
type JSON struct {
	mu  sync.Mutex
	enc *json.Encoder
}

// NewJSON writes to w.
func NewJSON(w io.Writer) *JSON {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return &JSON{enc: enc}
}

// Emit implements event.Sink.
func (j *JSON) Emit(e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.enc.Encode(e) // a reader that went away does not stop the run
}
