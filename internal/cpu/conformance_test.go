package cpu

import (
	"fmt"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

func TestConformance(t *testing.T) {
	for _, tier := range kernel.Tiers() {
		t.Run(tier.Name, func(t *testing.T) {
			opt := conformance.Options{Bits: true}
			if tier.Name != kernel.Plain.Name {
				opt.SameAs = WithTier(kernel.Plain)
			}
			conformance.RunAll(t, WithTier(tier), opt)
		})
	}
}

// TestRandomPrograms compares made-up programs before and after each pass.
func TestRandomPrograms(t *testing.T) {
	n := uint64(300)
	if testing.Short() {
		n = 30
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { conformance.RunRandom(t, New(), seed) })
	}
}
