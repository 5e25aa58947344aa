package sched

import (
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

func TestPeakResident(t *testing.T) {
	row := func(name, state string, working, weights int64) Row {
		return Row{Step: &plan.Step{Name: name, Plan: nodes.Plan{Weights: func() int64 { return weights }}}, State: state, Peak: working}
	}
	rows := []Row{row("hit", WouldHit, 1e9, 1e9), row("text", WouldHash, 10, 500), row("latents", WouldWait, 300, 400), row("image", WouldRun, 600, -100), row("open", WouldOpen, 0, 1e9)}
	Weigh(rows)
	if rows[0].Weights != 0 || rows[2].Weights != 400 || rows[4].Weights != 0 {
		t.Errorf("weights %d, %d, %d: only what may run has some", rows[0].Weights, rows[2].Weights, rows[4].Weights)
	}
	const base = ownBytes + 1000
	if got := PeakResident(rows, 1000); got != (Resident{"latents", base + 700, 400, 300, base}) {
		t.Errorf("%+v", got)
	}
	rows[2].State = WouldHit
	if got := PeakResident(rows, 1000); got != (Resident{"text", base + 510, 500, 10, base}) {
		t.Errorf("%+v", got)
	}
	rows[1].State = WouldShare
	if got := PeakResident(rows, 1000); got != (Resident{"image", base + 500, 0, 500, base}) { // what is packed is not made
		t.Errorf("%+v", got)
	}
	rows[3].State = WouldHit
	if got := PeakResident(rows, 1000); got.Node != "" {
		t.Errorf("where nothing runs: %+v", got)
	}
}
