package main

import (
	"fmt"

	"github.com/dustin/go-humanize"

	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

// foresee says what a run would do, how long that takes and what it will have resident at most.
func (a *app) foresee(w *flowruntime.Workflow, threads int) ([]sched.Row, *sched.Resident) {
	heap := machine.Heap() // of the plan, as a run keeps it
	rows := w.Explain()
	a.estimate(w.Plan, rows, threads)
	return rows, peakOf(w.Plan, rows, heap)
}

// peakOf is what a run will have resident at most; nil where nothing would run, or not in this machine's memory.
func peakOf(p *plan.Plan, rows []sched.Row, heap int64) *sched.Resident {
	if p.Device != "cpu" {
		return nil
	}
	sched.Weigh(rows)
	r := sched.PeakResident(rows, heap)
	if r.Node == "" {
		return nil
	}
	return &r
}

// peakText says how much that is; "" for nil. memory is what a run may use in bytes, 0 for no limit. A run whose working memory fits begins: the system takes
// pages of weights back before anything fails, and they are read again.
func peakText(r *sched.Resident, memory int64) string {
	if r == nil {
		return ""
	}
	size := func(n int64) string { return humanize.Bytes(uint64(max(n, 0))) }
	text := fmt.Sprintf("peak of resident memory: %s, in %s (weights %s, working memory %s, program %s)", size(r.Bytes), safetext.Line(r.Node), size(r.Weights), size(r.Working), size(r.Program))
	if memory > 0 && r.Bytes > memory && r.Working+r.Program <= memory {
		text += fmt.Sprintf("\n  of %s that the run may use: the system takes weights out of memory, and they are read again from their files; --low-memory needs less", size(memory))
	}
	return text
}

// peakJSON is the most memory that a run has resident at once.
type peakJSON struct {
	Node    string `json:"node"`
	Bytes   int64  `json:"resident_bytes"`
	Weights int64  `json:"weights_bytes"`
	Working int64  `json:"memory_bytes"`
	Program int64  `json:"program_bytes"`
}
