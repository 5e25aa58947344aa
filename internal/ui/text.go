package ui

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// Text writes lines for people. With Live, work in progress has a line of its own that is
// drawn again; without, a long node reports now and then on a line.
type Text struct {
	w     io.Writer
	live  bool
	width func() int // columns of the terminal
	now   func() time.Time

	mu      sync.Mutex
	active  map[string]*progress
	order   []string
	drawn   bool
	lastRow time.Time
}

// progress is one node at work.
type progress struct {
	kind        string
	done, total int
	from        int // units that an earlier run had done
	started     time.Time
	first       time.Time // when the first unit was done
	reported    time.Time
}

// How often lines are drawn: on a terminal, and where output is piped.
const (
	redraw = 100 * time.Millisecond
	report = 10 * time.Second
)

// NewText writes to w; width gives the columns of the terminal and is nil where w is none.
func NewText(w io.Writer, width func() int) *Text {
	return &Text{w: w, live: width != nil, width: width, now: time.Now, active: make(map[string]*progress)}
}

// Emit implements event.Sink.
func (t *Text) Emit(e event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch e.Type {
	case event.NodeStarted:
		t.active[e.Node] = &progress{kind: e.Kind, total: e.Total, started: t.now(), reported: t.now()}
		t.order = append(t.order, e.Node)
		t.draw(true)
	case event.NodeHashing:
		if e.Bytes > 64<<20 {
			t.line("%-10s hashing %s of weights, once", safetext.Line(e.Node), humanize.IBytes(uint64(e.Bytes)))
		}
	case event.NodeResumed:
		if p := t.active[e.Node]; p != nil {
			p.from = e.Done
		}
		t.line("%-10s resumed at step %d of %d", safetext.Line(e.Node), e.Done, e.Total)
	case event.NodeProgress:
		t.progress(e)
	case event.NodeHit:
		how := "cached"
		if e.Reason != "" {
			how = safetext.Line(e.Reason)
		}
		t.line("%-10s %s", safetext.Line(e.Node), how)
	case event.NodeDone:
		t.finish(e.Node)
		t.line("%-10s %-7s %s", safetext.Line(e.Node), seconds(e.Seconds), safetext.Line(e.Reason))
	case event.NodeFailed:
		t.finish(e.Node)
		t.line("%-10s failed: %s", safetext.Line(e.Node), safetext.Line(e.Message))
	case event.NodeSkipped:
		t.line("%-10s skipped: %s", safetext.Line(e.Node), safetext.Line(e.Message))
	case event.OutputDone:
		t.line("wrote %s", safetext.Line(e.Path))
	case event.Warning:
		t.line("warning: %s", safetext.Line(e.Message))
	case event.RunDone:
		t.erase()
		fmt.Fprintf(t.w, "%s in %s\n", safetext.Line(e.Message), seconds(e.Seconds))
	}
}

// progress notes units done and draws if it is time.
func (t *Text) progress(e event.Event) {
	p := t.active[e.Node]
	if p == nil {
		return
	}
	p.done, p.total = e.Done, e.Total
	now := t.now()
	if p.done == p.from+1 && p.first.IsZero() {
		p.first = now
	}
	if t.live {
		t.draw(false)
		return
	}
	if now.Sub(p.reported) >= report {
		p.reported = now
		fmt.Fprintln(t.w, p.describe(e.Node, now))
	}
}

// describe is a node's state: units done, rate, time left.
func (p *progress) describe(node string, now time.Time) string {
	s := fmt.Sprintf("%-10s", safetext.Line(node))
	if p.total == 0 {
		return s + " " + seconds(now.Sub(p.started).Seconds())
	}
	s += fmt.Sprintf(" %d/%d", p.done, p.total)
	if p.done > p.from+1 && !p.first.IsZero() {
		per := now.Sub(p.first).Seconds() / float64(p.done-p.from-1)
		if per > 0 {
			s += fmt.Sprintf("  %s  %s left", rate(per), seconds(per*float64(p.total-p.done)))
		}
	}
	return s
}

// rate is steps a second, or seconds a step.
func rate(per float64) string {
	if per < 1 {
		return fmt.Sprintf("%.1f/s", 1/per)
	}
	return fmt.Sprintf("%.1f s each", per)
}

// line writes a line that stays, above those in progress.
func (t *Text) line(format string, args ...any) {
	t.erase()
	fmt.Fprintln(t.w, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	t.draw(true)
}

// erase removes the line in progress.
func (t *Text) erase() {
	if t.drawn {
		fmt.Fprint(t.w, "\r\x1b[K")
		t.drawn = false
	}
}

// draw writes the node in progress, cut to the terminal's width.
func (t *Text) draw(force bool) {
	if !t.live || len(t.order) == 0 {
		return
	}
	now := t.now()
	if !force && now.Sub(t.lastRow) < redraw {
		return
	}
	t.lastRow = now
	node := t.order[0]
	s := bar(t.active[node], t.width()) + t.active[node].describe(node, now)
	if w := t.width() - 1; w > 0 && len([]rune(s)) > w {
		s = string([]rune(s)[:w])
	}
	fmt.Fprint(t.w, "\r\x1b[K"+s)
	t.drawn = true
}

// bar is a bar of the share done, where the terminal is wide enough.
func bar(p *progress, width int) string {
	const size = 20
	if p.total == 0 || width < 60 {
		return ""
	}
	n := size * p.done / p.total
	return "[" + strings.Repeat("=", n) + strings.Repeat(" ", size-n) + "] "
}

// finish forgets a node that was in progress.
func (t *Text) finish(node string) {
	delete(t.active, node)
	for i, n := range t.order {
		if n == node {
			t.order = append(t.order[:i], t.order[i+1:]...)
			return
		}
	}
}

// seconds formats a duration for people.
func seconds(s float64) string {
	switch {
	case s < 0.0995:
		return fmt.Sprintf("%.0fms", s*1000)
	case s < 60:
		return fmt.Sprintf("%.1fs", s)
	case s < 3600:
		return fmt.Sprintf("%dm%02ds", int(s)/60, int(s)%60)
	}
	return fmt.Sprintf("%dh%02dm", int(s)/3600, int(s)%3600/60)
}
