// Package event carries what happens in a run to whoever shows it: a terminal,
// a log, a program. It knows neither the scheduler nor any sink.
package event

import (
	"sync"
	"time"
)

// Type says what happened.
type Type string

// Types of events.
const (
	RunStarted   Type = "run-started"   // Total: nodes
	NodeHashing  Type = "node-hashing"  // Bytes: weights to hash before the key is known
	NodeStarted  Type = "node-started"  // Total: units of progress, 0 for none
	NodeResumed  Type = "node-resumed"  // an earlier run had done Done of Total units, and it goes on from there
	NodeProgress Type = "node-progress" // Done of Total
	NodeHit      Type = "node-hit"      // answered from the cache, or by another node: Reason
	NodeDone     Type = "node-done"     // ran; Seconds
	NodeFailed   Type = "node-failed"   // Message: the cause; Output where writing it failed
	NodeSkipped  Type = "node-skipped"  // Message: "NODE failed", the first cause
	OutputDone   Type = "output-done"   // Path: the file that was written, or found as it should be
	Warning      Type = "warning"       // Message
	RunDone      Type = "run-done"      // Seconds; Message: "done", "failed" or "interrupted"
)

// Event is one thing that happened. Fields that do not apply are empty.
type Event struct {
	Time    time.Time `json:"time"`
	Type    Type      `json:"type"`
	Node    string    `json:"node,omitempty"`
	Kind    string    `json:"kind,omitempty"`
	Key     string    `json:"key,omitempty"`
	Done    int       `json:"done,omitempty"`
	Total   int       `json:"total,omitempty"`
	Bytes   int64     `json:"bytes,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
	Reason  string    `json:"reason,omitempty"` // why a node runs
	Output  string    `json:"output,omitempty"`
	Path    string    `json:"path,omitempty"`
	Message string    `json:"message,omitempty"`
}

// Sink takes events. Emit is safe from many goroutines and does not block the run.
type Sink interface{ Emit(Event) }

// Discard drops all events.
var Discard Sink = discard{}

type discard struct{}

func (discard) Emit(Event) {}

// Recorder keeps all events: for tests and records.
type Recorder struct {
	mu     sync.Mutex
	events []Event
}

// Emit implements Sink.
func (r *Recorder) Emit(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// Events gives what was recorded so far.
func (r *Recorder) Events() []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Event(nil), r.events...)
}

// Of gives the recorded events of one type.
func (r *Recorder) Of(t Type) []Event {
	var out []Event
	for _, e := range r.Events() {
		if e.Type == t {
			out = append(out, e)
		}
	}
	return out
}
