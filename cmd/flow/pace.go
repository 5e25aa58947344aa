package main

import (
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/bench"
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

// machineName names what decides how long a step takes: the processor, its kernels in use and the number of workers.
func machineName(threads int) string {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	return fmt.Sprintf("%s, %s, %d workers", machine.CPU(), kernel.Best().Name, threads)
}

// usual is the share of what a processor multiplies at most that a model of SDXL's size does.
const usual = 0.75

// estimate says how long the rows would take: from the records that were used last, else from this machine's speed.
func (a *app) estimate(p *plan.Plan, rows []sched.Row, threads int) {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	speed := func() float64 {
		if p.Device == "cuda" {
			return 0 // nothing is known of a device without its history
		}
		return usual * bench.Speed(p.Precision, threads)
	}
	sched.Estimate(p, rows, sched.HistoryOf(a.openStore(), recent), machineName(threads), speed)
}

// about is a time as an estimate is shown.
func about(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

// together is how long all rows would take.
func together(rows []sched.Row) (sum time.Duration) {
	for _, r := range rows {
		sum += r.Takes
	}
	return sum
}

// whole says how long all rows would take together, and where that is from; empty where nothing takes time.
func whole(rows []sched.Row) string {
	sum := together(rows)
	speed := slices.ContainsFunc(rows, func(r sched.Row) bool { return r.From == sched.FromSpeed })
	switch {
	case sum == 0:
		return ""
	case speed:
		return fmt.Sprintf("about %s, where ~ stands from what this machine multiplies a second", about(sum))
	}
	return fmt.Sprintf("about %s, from how long the like took on this machine", about(sum))
}
