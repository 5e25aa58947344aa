package ui

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// script plays a short run on a sink whose clock moves half a second an event.
func script(t *Text) {
	now := time.Unix(1000, 0)
	t.now = func() time.Time { now = now.Add(500 * time.Millisecond); return now }
	t.Emit(event.Event{Type: event.NodeHit, Node: "noise"})
	t.Emit(event.Event{Type: event.NodeStarted, Node: "latents", Total: 30})
	for i := range 30 {
		t.Emit(event.Event{Type: event.NodeProgress, Node: "latents", Done: i + 1, Total: 30})
	}
	t.Emit(event.Event{Type: event.NodeDone, Node: "latents", Seconds: 15, Reason: "never run"})
	t.Emit(event.Event{Type: event.OutputDone, Path: "out/castle-42.png"})
	t.Emit(event.Event{Type: event.RunDone, Message: "done", Seconds: 15.2})
}

func TestPipedTextIsPlainLines(t *testing.T) {
	var b bytes.Buffer
	script(NewText(&b, nil))
	if strings.ContainsAny(b.String(), "\r\x1b") {
		t.Errorf("control characters in piped output: %q", b.String())
	}
	for _, want := range []string{"noise      cached\n", "latents    15.0s   never run\n", "wrote out/castle-42.png\n", "done in 15.2s\n", "left\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}

func TestLiveTextFitsTheTerminal(t *testing.T) {
	for _, width := range []int{20, 40, 80} {
		var b bytes.Buffer
		script(NewText(&b, func() int { return width }))
		for _, part := range strings.Split(b.String(), "\r\x1b[K") {
			row, _, ended := strings.Cut(part, "\n")
			if !ended && len(row) >= width {
				t.Errorf("a row of %d columns on a terminal of %d: %q", len(row), width, row)
			}
		}
		if !strings.HasSuffix(b.String(), "done in 15.2s\n") {
			t.Errorf("the last line is not the result: %q", b.String())
		}
	}
}

func TestHostileNamesDoNotMoveTheCursor(t *testing.T) {
	var b bytes.Buffer
	NewText(&b, nil).Emit(event.Event{Type: event.NodeFailed, Node: "a\x1b[2J", Message: "x\ny\r\u202e"})
	if strings.ContainsAny(strings.TrimSuffix(b.String(), "\n"), "\x1b\r\n\u202e") {
		t.Errorf("%q", b.String())
	}
}

// A loop that goes on says where, and its rate is that of the steps that this run makes.
func TestResumed(t *testing.T) {
	var b bytes.Buffer
	x := NewText(&b, nil)
	now := time.Unix(1000, 0)
	x.now = func() time.Time { return now }
	x.Emit(event.Event{Type: event.NodeStarted, Node: "latents", Total: 50})
	x.Emit(event.Event{Type: event.NodeResumed, Node: "latents", Done: 23, Total: 50})
	x.Emit(event.Event{Type: event.NodeProgress, Node: "latents", Done: 23, Total: 50})
	for i := 24; i <= 30; i++ {
		now = now.Add(2 * time.Second)
		x.Emit(event.Event{Type: event.NodeProgress, Node: "latents", Done: i, Total: 50})
	}
	if want := "latents    resumed at step 23 of 50\nlatents    28/50  2.0 s each  44.0s left\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}

func TestJSONLines(t *testing.T) {
	var b bytes.Buffer
	j := NewJSON(&b)
	j.Emit(event.Event{Type: event.NodeProgress, Node: "latents", Done: 1, Total: 30})
	j.Emit(event.Event{Type: event.RunDone, Message: "done"})
	lines := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	var e event.Event
	if err := json.Unmarshal([]byte(lines[0]), &e); err != nil || e.Done != 1 || e.Type != event.NodeProgress {
		t.Errorf("%v %+v", err, e)
	}
}

// Steps are all written; the progress of a node without steps is thinned out.
func TestJSONProgress(t *testing.T) {
	var b bytes.Buffer
	j := NewJSON(&b)
	now := time.Unix(1000, 0)
	j.now = func() time.Time { now = now.Add(time.Millisecond); return now }
	j.Emit(event.Event{Type: event.NodeStarted, Node: "latents", Total: 30})
	j.Emit(event.Event{Type: event.NodeStarted, Node: "image"})
	for i := range 500 {
		j.Emit(event.Event{Type: event.NodeProgress, Node: "image", Done: i, Total: 500})
	}
	for i := range 30 {
		j.Emit(event.Event{Type: event.NodeProgress, Node: "latents", Done: i, Total: 30})
	}
	if n := strings.Count(b.String(), `"node":"latents"`); n != 31 {
		t.Errorf("%d lines of a node of 30 steps", n)
	}
	if n := strings.Count(b.String(), `"node":"image"`); n < 3 || n > 12 {
		t.Errorf("%d lines of a node without steps", n)
	}
}

func TestSeconds(t *testing.T) {
	for s, want := range map[float64]string{0.0123: "12ms", 0.5: "0.5s", 59.9: "59.9s", 61: "1m01s", 3725: "1h02m"} {
		if got := seconds(s); got != want {
			t.Errorf("seconds(%v) = %s, want %s", s, got, want)
		}
	}
}
