package cpu

import (
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// TestFP16 checks that a processor refuses the class of GPUs, and says what to ask for.
func TestFP16(t *testing.T) {
	c := conformance.Cases()[0]
	p := c.Program(program.F16, 1)
	if _, err := New().Compile(p, program.Options{Weights: c.Source(p)}); err == nil || !strings.Contains(err.Error(), "precision: bf16") {
		t.Errorf("a program in fp16 gives %v", err)
	}
}
