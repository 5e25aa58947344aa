package ref_test

import (
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
	"github.com/seed-8af8f8e1/flow/internal/program/ref"
)

func TestConformance(t *testing.T) {
	conformance.RunAll(t, ref.New(), conformance.Options{Bits: true})
}
