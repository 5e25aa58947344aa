package sched

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// What a step would do.
const (
	WouldHit    = "hit"     // the store has its outputs
	WouldRun    = "run"     // it has not
	WouldOpen   = "open"    // a model: headers are read
	WouldWait   = "depends" // on what runs before it
	WouldHash   = "unknown" // weights must be hashed before the key is known
	WouldNotRun = "unused"  // no output needs it
)

// Row says what one step would do, and why.
type Row struct {
	Step   *plan.Step
	State  string
	Reason string
	Key    *cache.ActionKey // where it is known
	Unread int64            // bytes of weights to hash before the key is known
	Peak   int64            // bytes of working memory, with the values that go in and out
	Last   time.Duration    // how long the same action took when it ran; 0 if never
}

// Explain says what a run of an inspected plan would do. It writes nothing and reads no weights.
func Explain(p *plan.Plan, store cache.Store) []Row {
	e := &explainer{plan: p, store: store, digests: make(map[*plan.Step]map[string]nodes.Digest)}
	var rows []Row
	for _, s := range p.Steps {
		row := Row{Step: s, Peak: peak(s)}
		switch {
		case !s.Needed:
			row.State, row.Reason = WouldNotRun, "no output needs it"
		case s.Kind.Live():
			row.State, row.Reason = WouldOpen, ""
		default:
			e.row(s, &row)
		}
		rows = append(rows, row)
	}
	return rows
}

type explainer struct {
	plan    *plan.Plan
	store   cache.Store
	digests map[*plan.Step]map[string]nodes.Digest // of steps that hit
}

func (e *explainer) row(s *plan.Step, row *Row) {
	d := plan.Digests{Stored: make(map[string]nodes.Digest), Live: make(map[string]map[string]nodes.Digest)}
	var waits []string
	for _, in := range s.Awaits() {
		if in.Type.Live() {
			continue
		}
		digests, ok := e.digests[in.From]
		if !ok {
			waits = append(waits, in.From.Name)
			continue
		}
		d.Stored[in.Path] = digests[in.Port]
	}
	live := s.LiveInputs()
	for _, use := range s.Plan.Uses {
		parts := make(map[string]nodes.Digest)
		for _, c := range use.Components {
			digest, unread, ok := live[use.Input].Known(c, memo{e.store})
			if !ok {
				row.Unread += unread
			}
			parts[c] = digest
		}
		d.Live[use.Input] = parts
	}
	switch {
	case len(waits) > 0:
		sort.Strings(waits)
		row.State, row.Reason = WouldWait, "reads "+strings.Join(waits, ", ")+", which is not known yet"
		return
	case row.Unread > 0:
		row.State, row.Reason = WouldHash, "its weights are not hashed yet"
		return
	}
	_, key, err := e.plan.Action(s, d)
	if err != nil {
		row.State, row.Reason = WouldRun, err.Error()
		return
	}
	row.Key = (*cache.ActionKey)(&key)
	rec, err := e.store.Get(key)
	if err != nil {
		row.State, row.Reason = WouldRun, err.Error()
		return
	}
	row.State, row.Last = WouldHit, rec.Duration
	row.Reason = fmt.Sprintf("made %s", rec.Created.Local().Format("2006-01-02 15:04"))
	digests := make(map[string]nodes.Digest)
	for _, o := range rec.Outputs {
		digests[o.Port] = nodes.Digest(o.Digest)
	}
	e.digests[s] = digests
}

// peak is the working memory of a step with its inputs and outputs.
func peak(s *plan.Step) int64 {
	n := s.Plan.PeakBytes
	add := func(m nodes.Meta) {
		for _, shape := range m.Shapes {
			size := int64(4)
			for _, d := range shape {
				size *= int64(d)
			}
			n += size
		}
	}
	for _, in := range s.Awaits() {
		if !in.Type.Live() {
			add(in.From.Plan.Outputs[in.Port])
		}
	}
	for _, m := range s.Plan.Outputs {
		add(m)
	}
	return n
}

// MemoryError says that a run needs more memory than it may use.
type MemoryError struct {
	Node        string
	Need, Limit int64
}

// Error implements error.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("node %q needs %s of memory and the run may use %s: draw a smaller picture, or raise the limit with --memory", e.Node, bytes(e.Need), bytes(e.Limit))
}

// bytes shows a number of bytes.
func bytes(n int64) string {
	if n < 1e9 {
		return fmt.Sprintf("%.0f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// CheckMemory compares the planned peak of the steps that may run with a limit in bytes; 0 is no limit.
func CheckMemory(rows []Row, limit int64) error {
	if limit <= 0 {
		return nil
	}
	for _, row := range rows {
		runs := row.State == WouldRun || row.State == WouldWait || row.State == WouldHash
		if need := row.Peak + baseBytes; runs && need > limit {
			return &MemoryError{row.Step.Name, need, limit}
		}
	}
	return nil
}

// baseBytes is what the process takes beside a step's own memory: program, vocabulary, buffers.
const baseBytes = 64 << 20
