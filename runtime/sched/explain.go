package sched

import (
	"fmt"
	"slices"
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
	WouldShare  = "same"    // a step before it does the same
)

// Row says what one step would do, and why.
type Row struct {
	Step   *plan.Step
	State  string
	Reason string
	Key    *cache.ActionKey // where it is known
	Unread int64            // bytes of weights to hash before the key is known
	Peak   int64            // bytes of working memory, with the values that go in and out, and those that later steps wait for
	Last   time.Duration    // how long the same action took when it ran; 0 if never
	Takes  time.Duration    // how long it would take, by [Estimate]; 0 where that is not known, or nothing to speak of
	From   string           // what Takes is from: [FromHistory] or [FromSpeed]
	Done   int              // the step of its loop after which it would go on, by [GoOn]; 0 where it would begin at its beginning
	Total  int              // the steps of that loop; 0 where Done is
	// Weights are the bytes of weights that it has in memory at once beside Peak, by [Weigh].
	Weights int64

	Action  []byte        // what Key is of
	Digests plan.Digests  // of the inputs, as far as they are known
	Waits   []plan.Input  // inputs that are not known
	Record  *cache.Record // of a hit
	Miss    error         // why the store has no answer, where it was asked
}

// Explain says what a run of an inspected plan would do that may use so many bytes of memory, 0 for no limit. It writes nothing and reads no weights.
func Explain(p *plan.Plan, store cache.Store, memory int64) []Row {
	e := &explainer{plan: p, store: store, digests: make(map[*plan.Step]map[string]nodes.Digest), known: make(map[part]known), runs: make(map[[32]byte]*plan.Step)}
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
	hold(rows)
	joint(rows, batches(p, memory))
	return rows
}

// GoOn fills in where the loops of rows that would run go on, since an earlier run was cut off. It reads what was kept of these, nothing else.
func GoOn(rows []Row, store cache.Store) {
	kept := cache.CheckpointsOf(store)
	if kept == nil {
		return
	}
	for i := range rows {
		if r := &rows[i]; r.State == WouldRun && r.Key != nil {
			if c, _ := believed(kept, *r.Key); c != nil {
				r.Done, r.Total = c.Step, c.Total
			}
		}
	}
}

// mayRun says whether a run would, or might, compute the step.
func (r *Row) mayRun() bool {
	return r.State == WouldRun || r.State == WouldWait || r.State == WouldHash
}

type explainer struct {
	plan    *plan.Plan
	store   cache.Store
	digests map[*plan.Step]map[string]nodes.Digest // of steps that hit
	known   map[part]known
	runs    map[[32]byte]*plan.Step // that would run, by action key
}

// part is a component of a live value; known what is known of it.
type part struct {
	live      nodes.Live
	component string
}

type known struct {
	digest nodes.Digest
	unread int64
	ok     bool
}

// ask asks for a component once, since many steps read the same.
func (e *explainer) ask(live nodes.Live, component string) known {
	p := part{live, component}
	k, ok := e.known[p]
	if !ok {
		k.digest, k.unread, k.ok = live.Known(component, cache.Memos(e.store))
		e.known[p] = k
	}
	return k
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
			row.Waits = append(row.Waits, in)
			continue
		}
		d.Stored[in.Path] = digests[in.Port]
	}
	live := s.LiveInputs()
	for _, use := range s.Plan.Uses {
		parts := make(map[string]nodes.Digest)
		for _, c := range use.Components {
			k := e.ask(live[use.Input], c)
			if !k.ok {
				row.Unread += k.unread
				continue
			}
			parts[c] = k.digest
		}
		d.Live[use.Input] = parts
	}
	row.Digests = d
	switch {
	case len(waits) > 0:
		sort.Strings(waits)
		waits = slices.Compact(waits)
		row.State, row.Reason = WouldWait, "reads "+strings.Join(waits, ", ")+", which is not known yet"
		return
	case row.Unread > 0:
		row.State, row.Reason = WouldHash, "its weights are not hashed yet"
		return
	}
	action, key, err := e.plan.Action(s, d)
	if err != nil {
		row.State, row.Reason = WouldRun, err.Error()
		return
	}
	row.Key, row.Action = (*cache.ActionKey)(&key), action
	rec, err := e.store.Get(key)
	if first := e.runs[key]; err != nil && first != nil {
		row.State, row.Reason = WouldShare, "the same as "+first.Name
		return
	} else if err != nil {
		row.State, row.Reason, row.Miss = WouldRun, err.Error(), err
		e.runs[key] = s
		return
	}
	row.State, row.Last, row.Record = WouldHit, rec.Duration, rec
	row.Reason = fmt.Sprintf("made %s", rec.Created.Local().Format("2006-01-02 15:04"))
	digests := make(map[string]nodes.Digest)
	for _, o := range rec.Outputs {
		digests[o.Port] = nodes.Digest(o.Digest)
	}
	e.digests[s] = digests
}
