package sched

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// batches lists the needed steps that may run together, each list in the order of the plan, with more than one step. limit is the memory of the run
// in bytes, 0 for no limit: what runs together takes half of it at most, since other values may wait.
func batches(p *plan.Plan, limit int64) [][]*plan.Step {
	depths := make(map[*plan.Step]int) // how many steps that may run with others lie before, on the longest way
	open := make(map[string][]*plan.Step)
	var out [][]*plan.Step
	for _, s := range p.Steps {
		if !s.Needed {
			continue
		}
		for _, in := range s.Awaits() {
			before := depths[in.From]
			if in.From.Plan.Batch != nil {
				before++
			}
			depths[s] = max(depths[s], before)
		}
		if _, ok := s.Op.(nodes.Batcher); !ok || s.Plan.Batch == nil {
			continue
		}
		key := fmt.Sprintf("%s %d %s", s.Kind.ID(), depths[s], s.Plan.Batch.Key)
		for _, name := range slices.Sorted(maps.Keys(s.Plan.Own)) {
			key += fmt.Sprintf(" %s=%p", name, s.Plan.Own[name])
		}
		for _, in := range s.Inputs {
			if in.Type.Live() {
				key += fmt.Sprintf(" %s=%d.%s", in.Path, in.From.Index, in.Port)
			}
		}
		list := append(open[key], s)
		if len(list) > 1 && limit > 0 && together(list)+baseBytes > limit/2 {
			list = []*plan.Step{s} // these begin the next
		}
		if open[key] = list; len(list) == 2 {
			out = append(out, nil)
		}
		if len(list) > 1 {
			at := slices.IndexFunc(out, func(b []*plan.Step) bool { return b == nil || b[0] == list[0] })
			out[at] = list
		}
		if len(list) >= s.Plan.Batch.Most {
			delete(open, key)
		}
	}
	return out
}

// together is the working memory of steps that run as one, with their inputs and outputs.
func together(steps []*plan.Step) int64 {
	n := steps[0].Plan.Batch.Peak(len(steps))
	for _, s := range steps {
		n += peak(s) - s.Plan.PeakBytes
	}
	return n
}

// batch is steps that run together: those of a list that have to be computed, once it is known of each whether it has.
type batch struct {
	mu    sync.Mutex
	open  int           // of which that is not known
	known chan struct{} // closed when it is known of all; seats are in the plan's order then, and the first is expected in the lane
	seats []*seat
}

// seat is a step that waits for its batch.
type seat struct {
	t        *task
	in       nodes.Inputs
	reason   string
	made     chan struct{} // closed when c and err are there
	c        *computed
	err      error
	finished chan struct{} // closed when those who wait for the step know
}

// rank gives each task its place in the lane: that in the plan, but that what a batch needs comes before its first step.
func (r *run) rank() {
	r.batches = make(map[*task]*batch)
	of := make(map[*task][]*task)
	for _, steps := range batches(r.plan, r.opt.Memory) {
		b := &batch{open: len(steps), known: make(chan struct{})}
		var tasks []*task
		for _, s := range steps {
			tasks = append(tasks, r.tasks[s])
		}
		for _, t := range tasks {
			r.batches[t], of[t] = b, tasks
		}
	}
	next := 0
	placed := make(map[*task]bool)
	var place func(t *task)
	place = func(t *task) {
		if placed[t] {
			return
		}
		all := of[t]
		if all == nil {
			all = []*task{t}
		}
		for _, t := range all {
			for _, in := range t.inputs {
				place(in)
			}
		}
		for _, t := range all {
			placed[t], t.rank = true, next
			next++
		}
	}
	for _, t := range r.order {
		place(t)
	}
}

// leave says that a step will not run with its batch: it was found in the store, has failed, or is another's.
func (r *run) leave(t *task) {
	b := r.batches[t]
	if b == nil || t.left {
		return
	}
	t.left = true
	b.count(nil, &r.lane)
}

// count counts a step of which it is known whether it runs: s is its seat, nil if it does not. It does not enter the lane soon, unless it is
// the first of a batch that is known now: then later steps wait for it.
func (b *batch) count(s *seat, l *lane) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s != nil {
		b.seats = append(b.seats, s)
	}
	if b.open--; b.open == 0 {
		slices.SortFunc(b.seats, func(x, y *seat) int { return cmp.Compare(x.t.rank, y.t.rank) })
		if len(b.seats) > 0 {
			l.expect(b.seats[0].t.rank)
		}
		close(b.known)
	}
	if s != nil && (b.open > 0 || b.seats[0] != s) {
		l.settle(s.t.rank)
	}
}

// runTogether runs a step with its batch. led says that the caller holds the lane, and leaves it when all of the batch have finished.
func (r *run) runTogether(ctx context.Context, t *task, reason string) (c *computed, led bool, err error) {
	b := r.batches[t]
	in, err := r.gather(ctx, t)
	if err != nil {
		return nil, false, err
	}
	s := &seat{t: t, in: in, reason: reason, made: make(chan struct{}), finished: make(chan struct{})}
	t.seat, t.left = s, true
	b.count(s, &r.lane)
	select {
	case <-b.known:
	case <-ctx.Done():
		r.lane.settle(t.rank)
		return nil, false, ctx.Err()
	}
	if b.seats[0] == s {
		led = r.lead(ctx, b.seats)
	}
	select {
	case <-s.made:
		return s.c, led, s.err
	case <-ctx.Done():
		return nil, led, ctx.Err()
	}
}

// lead runs the steps of a batch. It says whether the lane is held.
func (r *run) lead(ctx context.Context, seats []*seat) bool {
	defer func() {
		for _, s := range seats {
			close(s.made)
		}
	}()
	if err := r.lane.enter(ctx, seats[0].t.rank); err != nil {
		for _, s := range seats {
			s.err = err
		}
		return false
	}
	var work []*work
	for _, s := range seats {
		reason := s.reason
		if len(seats) > 1 {
			reason = fmt.Sprintf("%s; with %d more as one", reason, len(seats)-1)
		}
		work = append(work, r.begin(s.t, reason))
	}
	start := r.opt.Now()
	made, err := runAll(ctx, work, seats)
	took := r.opt.Now().Sub(start) / time.Duration(len(seats))
	for i, s := range seats {
		if err != nil {
			s.c, s.err = work[i].c, work[i].cut(ctx, err)
			continue
		}
		s.c, s.err = r.end(ctx, work[i], made[i], took)
	}
	return true
}
