package main

import (
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// TestTiersAreNamed: the table has a row for every tier of this machine.
func TestTiersAreNamed(t *testing.T) {
	known := make(map[string]bool)
	for _, tier := range allTiers {
		known[tier[0]] = true
	}
	for _, tier := range kernel.Tiers() {
		if !known[tier.Name] {
			t.Errorf("the table has no tier %s", tier.Name)
		}
	}
}

// TestTiersThatDiffer: a tier with other figures is a failure.
func TestTiersThatDiffer(t *testing.T) {
	row := func(tier string, p program.Precision, step float64) tierRow {
		return tierRow{tier, p, []float64{1e-7, step, 3e-7, 0}}
	}
	r := report{Tiers: []tierRow{row("avx2", program.F32, 2e-7), row("avx512", program.F32, 2e-7), row("avx2", program.BF16, 2e-3), row("avx512", program.BF16, 2e-3)}}
	if errs := r.tiersFailed(); errs != nil {
		t.Errorf("equal tiers: %v", errs)
	}
	var b strings.Builder
	r.tiers(&b)
	if n := strings.Count(b.String(), "| 2.0e-03 |"); n != len(allTiers) {
		t.Errorf("%d rows of bf16 in\n%s", n, b.String())
	}
	r.Tiers[3].Worst[1] = 2.1e-3
	if errs := r.tiersFailed(); len(errs) != 1 || !strings.Contains(errs[0].Error(), "tier avx512 in bf16") {
		t.Errorf("another step on one tier: %v", errs)
	}
	r.Tiers[1].Worst = r.Tiers[1].Worst[:2]
	if errs := r.tiersFailed(); len(errs) != 2 {
		t.Errorf("a part that was not measured: %v", errs)
	}
}
