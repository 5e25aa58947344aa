package ui

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// JSON writes each event as one line of JSON. Every step of a node that announced steps has a line; other
// progress is written ten times a second at most.
type JSON struct {
	mu    sync.Mutex
	enc   *json.Encoder
	now   func() time.Time
	quick map[string]time.Time // of nodes without steps: when their progress was written
}

// NewJSON writes to w.
func NewJSON(w io.Writer) *JSON {
	enc := json.NewEncoder(safetext.JSON(w))
	enc.SetEscapeHTML(false)
	return &JSON{enc: enc, now: time.Now, quick: make(map[string]time.Time)}
}

// Emit implements event.Sink.
func (j *JSON) Emit(e event.Event) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case e.Type == event.NodeStarted && e.Total == 0:
		j.quick[e.Node] = j.now()
	case e.Type == event.NodeProgress:
		if last, ok := j.quick[e.Node]; ok {
			if now := j.now(); now.Sub(last) < redraw {
				return
			}
			j.quick[e.Node] = j.now()
		}
	}
	_ = j.enc.Encode(e) // a reader that went away does not stop the run
}
