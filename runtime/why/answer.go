package why

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

// Answer says why a step would run, or that it would not.
type Answer struct {
	Step    *plan.Step
	Row     *sched.Row
	Nearest *Kept // nil where nothing of its kind is known
	// Differences are what the step asks otherwise than Nearest.
	Differences []Difference
}

// Explainer answers for the steps of one plan.
type Explainer struct {
	// Own leaves actions of nodes of other names aside: for a quick look at many steps.
	Own  bool
	plan *plan.Plan
	rows map[*plan.Step]*sched.Row
	memo nodes.Memo
	kept map[string][]*Kept // by kind, without its version
	made map[string][]*Kept // by the digests of what they made
	done map[pair][]Difference
}

type pair struct {
	step *plan.Step
	kept *Kept
}

// New makes an explainer of a plan that was inspected, the rows of [sched.Explain], and the actions of the past.
func New(p *plan.Plan, rows []sched.Row, memo nodes.Memo, past []*Kept) *Explainer {
	e := &Explainer{plan: p, rows: make(map[*plan.Step]*sched.Row), memo: memo, kept: make(map[string][]*Kept), made: make(map[string][]*Kept), done: make(map[pair][]Difference)}
	for i := range rows {
		e.rows[rows[i].Step] = &rows[i]
	}
	for _, k := range past {
		name := kindName(k.Action.Kind)
		e.kept[name] = append(e.kept[name], k)
		for _, d := range k.Outputs {
			e.made[d] = append(e.made[d], k)
		}
	}
	return e
}

// Explain answers for one step that stores what it makes.
func (e *Explainer) Explain(s *plan.Step) *Answer {
	row := e.rows[s]
	a := &Answer{Step: s, Row: row}
	q := ask(e.plan, row)
	if a.Nearest = e.nearest(q); a.Nearest != nil {
		a.Differences = e.differences(q, a.Nearest)
	}
	return a
}

// differences compares once.
func (e *Explainer) differences(q *asked, k *Kept) []Difference {
	key := pair{q.row.Step, k}
	if d, ok := e.done[key]; ok {
		return d
	}
	d := e.compare(q, k)
	e.done[key] = d
	return d
}

// nearest is the kept action of the step's kind that differs in the fewest things; of several the one whose inputs were made by the nodes' own
// nearest actions, then one of a node of that name, then the last made.
func (e *Explainer) nearest(q *asked) *Kept {
	var best *Kept
	var rank [3]int
	for _, k := range e.kept[q.row.Step.Kind.Name] {
		if e.Own && k.Node != q.row.Step.Node {
			continue
		}
		most := 1 << 30
		if best != nil {
			most = rank[0] + 1
		}
		r := [3]int{q.count(k, most), 0, 1}
		if best != nil && r[0] > rank[0] {
			continue
		}
		r[1] = e.strangers(q, k)
		if k.Node == q.row.Step.Node {
			r[2] = 0
		}
		if order := slices.Compare(r[:], rank[:]); best == nil || order < 0 || order == 0 && later(k, best) {
			best, rank = k, r
		}
	}
	return best
}

// later says which of two actions to prefer where all else is equal. It is a total order, so that the answer does not depend on the store's.
func later(a, b *Kept) bool {
	if c := a.Made.Compare(b.Made); c != 0 {
		return c > 0
	}
	return cmp.Less(a.Key, b.Key)
}

// strangers counts inputs of a kept action that no action of the node that makes them now is known to have made.
func (e *Explainer) strangers(q *asked, k *Kept) int {
	n := 0
	for path, in := range q.waits {
		if !slices.ContainsFunc(e.made[k.Action.Stored[path]], func(m *Kept) bool { return m.Node == in.From.Node }) {
			n++
		}
	}
	return n
}

// because says why an input is another than it was: how the step that makes it differs from what made it then; same, that it does not.
func (e *Explainer) because(in plan.Input, was string, reader *Kept) (list []Difference, same bool) {
	row := e.rows[in.From]
	if row == nil {
		return nil, false
	}
	maker := e.maker(in, was, reader)
	if maker == nil {
		return nil, false
	}
	list = e.differences(ask(e.plan, row), maker)
	if !slices.ContainsFunc(list, func(d Difference) bool { return !d.Same }) {
		return nil, true
	}
	return list, false
}

// maker finds the action that made an input then.
func (e *Explainer) maker(in plan.Input, was string, reader *Kept) *Kept {
	var best *Kept
	for _, k := range e.made[was] {
		if kindName(k.Action.Kind) == in.From.Kind.Name && (best == nil || k.Node == in.From.Node && best.Node != in.From.Node || k.Node == best.Node && later(k, best)) {
			best = k
		}
	}
	if best != nil || reader.Source == "" {
		return best
	}
	var of []*Kept // the record of one run: nodes are known by their names, or their kinds
	for _, k := range e.kept[in.From.Kind.Name] {
		if k.Source != reader.Source {
			continue
		}
		if k.Node == in.From.Node {
			return k
		}
		of = append(of, k)
	}
	if len(of) == 1 {
		return of[0]
	}
	return nil
}

// Reason is the answer in a few words, for a row of a plan: the row's own reason, unless there is an action that tells more.
func (a *Answer) Reason() string {
	if a.Row.State != sched.WouldRun || a.Nearest == nil || len(a.Differences) == 0 || len(a.Row.Waits) > 0 {
		return a.Row.Reason
	}
	s := a.Differences[0].String()
	if n := len(a.Differences) - 1; n > 0 {
		s += fmt.Sprintf(" and %d more", n)
	}
	return s
}
