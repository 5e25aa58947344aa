package ref_test

import (
	"fmt"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
	"github.com/seed-8af8f8e1/flow/internal/program/ref"
)

func TestConformance(t *testing.T) {
	conformance.RunAll(t, ref.New(), conformance.Options{Bits: true})
}

// TestRandomPrograms compares made-up programs before and after each pass.
func TestRandomPrograms(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { conformance.RunRandom(t, ref.New(), seed) })
	}
}
