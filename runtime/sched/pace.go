package sched

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// Names under which a record says how fast its action ran: what ran where, and the multiply-adds of it.
const (
	paceMeta = "pace"
	macsMeta = "macs"
)

// Where an estimate of time comes from.
const (
	FromHistory = "history" // the like of it ran on this machine
	FromSpeed   = "speed"   // what this machine multiplies a second
)

// paceOf names what has one pace: a kind in a class of numerics on a machine.
func paceOf(p *plan.Plan, s *plan.Step, machine string) string {
	return s.Kind.ID() + " " + nodes.Class(p.Precision) + " on " + p.Device + ", " + machine
}

// recordPace says in a record how fast its action ran, where the machine has a name.
func recordPace(rec *cache.Record, p *plan.Plan, s *plan.Step, machine string) {
	if machine != "" && s.Plan.MACs > 0 {
		rec.Meta[paceMeta], rec.Meta[macsMeta] = paceOf(p, s, machine), strconv.FormatInt(s.Plan.MACs, 10)
	}
}

// History is how long actions took: for each pace their multiply-adds and seconds.
type History map[string][]took

type took struct{ macs, seconds float64 }

// add takes a record in; what an earlier run had begun counts as it is recorded, with both runs' time.
func (h History) add(r *cache.Record) {
	macs, err := strconv.ParseInt(r.Meta[macsMeta], 10, 64)
	if pace := r.Meta[paceMeta]; err == nil && macs > 0 && pace != "" && r.Duration > 0 {
		h[pace] = append(h[pace], took{float64(macs), r.Duration.Seconds()})
	}
}

// HistoryOf collects what the records that a store used last, n at most, say of times.
func HistoryOf(store cache.Store, n int) History {
	h := make(History)
	for r := range cache.Recent(store, n) {
		h.add(r)
	}
	return h
}

// seconds estimates the time of so many multiply-adds from the most like actions: the median of those whose number is nearest.
func (h History) seconds(pace string, macs float64) (float64, bool) {
	list := h[pace]
	if len(list) == 0 {
		return 0, false
	}
	away := func(t took) float64 { return math.Abs(math.Log(t.macs / macs)) }
	nearest := away(slices.MinFunc(list, func(a, b took) int { return cmp.Compare(away(a), away(b)) }))
	var like []float64
	for _, t := range list {
		if away(t) <= nearest {
			like = append(like, t.seconds*macs/t.macs)
		}
	}
	slices.Sort(like)
	return like[len(like)/2], true
}

// Estimate fills in how long the rows that may run would take: from history, else from the multiply-adds a second that speed gives, which is
// asked once, and only where it is needed; 0 says that it does not know. Steps that multiply nothing take no time to speak of; of a loop that goes on
// only what is left of it takes time.
func Estimate(p *plan.Plan, rows []Row, h History, machine string, speed func() float64) {
	perSecond := -1.0
	for i := range rows {
		row := &rows[i]
		macs := float64(row.Step.Plan.MACs)
		if !row.mayRun() || macs == 0 {
			continue
		}
		seconds, ok := h.seconds(paceOf(p, row.Step, machine), macs)
		row.From = FromHistory
		if !ok {
			if perSecond < 0 {
				perSecond = speed()
			}
			if row.From = FromSpeed; perSecond <= 0 {
				row.From = ""
				continue
			}
			seconds = macs / perSecond
		}
		if row.Total > 0 {
			seconds *= float64(row.Total-row.Done) / float64(row.Total)
		}
		row.Takes = time.Duration(seconds * float64(time.Second))
	}
}
