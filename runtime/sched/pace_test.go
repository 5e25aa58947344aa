package sched

import (
	"strconv"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// tookRecord is a record of an action of so many multiply-adds that took so long.
func tookRecord(p *plan.Plan, s *plan.Step, machine string, macs int64, d time.Duration) *cache.Record {
	r := &cache.Record{Duration: d, Meta: map[string]string{}}
	of := *s
	of.Plan.MACs = macs
	recordPace(r, p, &of, machine)
	return r
}

// Times come from the most like actions on the same machine, scaled, and from the machine's speed where there is none; what does not run and what
// multiplies nothing has none.
func TestEstimate(t *testing.T) {
	kind := &nodes.Kind{Name: "work", Version: 1}
	p := &plan.Plan{Device: "cpu"}
	step := func(macs int64) *plan.Step { return &plan.Step{Kind: kind, Plan: nodes.Plan{MACs: macs}} }
	like := step(1000)
	h := make(History)
	for i, r := range []*cache.Record{
		tookRecord(p, like, "this", 900, 3*time.Second),
		tookRecord(p, like, "this", 900, 5*time.Second),
		tookRecord(p, like, "this", 900, 4*time.Second),
		tookRecord(p, like, "this", 10, time.Hour), // far away
		tookRecord(p, like, "another", 1000, time.Minute),
		tookRecord(&plan.Plan{Device: "cuda"}, like, "this", 1000, time.Minute),
		{Duration: time.Second, Meta: map[string]string{paceMeta: paceOf(p, like, "this"), macsMeta: "many"}},
		{Duration: time.Second},
	} {
		if h.add(r); i == 0 && len(h) != 1 {
			t.Fatalf("%v", h)
		}
	}
	asked := 0
	speed := func() float64 { asked++; return 500 }
	rows := []Row{{Step: like, State: WouldRun}, {Step: step(1800), State: WouldWait}, {Step: like, State: WouldHit}, {Step: step(0), State: WouldRun}}
	Estimate(p, rows, h, "this", speed)
	for i, want := range []time.Duration{4 * time.Second * 1000 / 900, 8 * time.Second, 0, 0} {
		if got := rows[i].Takes; (got-want).Abs() > time.Microsecond || (want > 0) != (rows[i].From == FromHistory) {
			t.Errorf("row %d: %v from %q, want %v", i, got, rows[i].From, want)
		}
	}
	if asked != 0 {
		t.Error("the machine's speed was asked for, which nobody needs")
	}
	rows = []Row{{Step: like, State: WouldRun}, {Step: like, State: WouldHash}}
	Estimate(p, rows, h, "a third", speed)
	if asked != 1 || rows[0].Takes != 2*time.Second || rows[1].Takes != 2*time.Second || rows[0].From != FromSpeed {
		t.Errorf("asked %d times: %+v", asked, rows)
	}
	rows = []Row{{Step: like, State: WouldRun}}
	if Estimate(p, rows, nil, "", func() float64 { return 0 }); rows[0].Takes != 0 || rows[0].From != "" {
		t.Errorf("nothing is known, and it takes %v from %q", rows[0].Takes, rows[0].From)
	}
}

// What a machine without a name runs is not recorded, and neither is what multiplies nothing.
func TestPaceOfNobody(t *testing.T) {
	s := &plan.Step{Kind: &nodes.Kind{Name: "work"}, Plan: nodes.Plan{MACs: 7}}
	for machine, macs := range map[string]int64{"": 7, "this": 0} {
		if r := tookRecord(&plan.Plan{}, s, machine, macs, time.Second); len(r.Meta) != 0 {
			t.Errorf("%q, %s multiply-adds: %v", machine, strconv.FormatInt(macs, 10), r.Meta)
		}
	}
}
