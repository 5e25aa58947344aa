package checkup

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// within runs a case in class fp16 on the device, as a batch and its first entry alone, and in fp32 on the processor. The device's results
// have to lie within the class's bound of the processor's, and the entry has to have the same bits in either place.
func within(ctx context.Context, c *conformance.Case, part *Part, on [2]program.Executor, digests *strings.Builder) {
	var out [3]map[string]program.Tensor
	for i, run := range []struct {
		on    program.Executor
		prec  program.Precision
		batch int
	}{{on[0], program.F16, batch}, {on[1], program.F32, batch}, {on[0], program.F16, 1}} {
		var err error
		if out[i], err = execute(ctx, run.on, program.Optimize(c.Program(run.prec, run.batch)), c); err != nil {
			part.Wrong = append(part.Wrong, fmt.Sprintf("%s on %s: %v", c.Name, run.on.Name(), err))
			return
		}
	}
	got, want, alone := out[0], out[1], out[2]
	digests.WriteString(digestOf(got))
	first := make(map[string]program.Tensor) // of the batch: inputs are drawn entry by entry
	for _, name := range slices.Sorted(maps.Keys(want)) {
		d, bound := conformance.Difference(got[name].F, want[name].F), c.Within(program.F16)
		part.Worst = max(part.Worst, d)
		if !(d <= bound) {
			part.Wrong = append(part.Wrong, fmt.Sprintf("%s: %s differs from the processor's fp32 by %.3g of its largest magnitude, more than %g", c.Name, name, d, bound))
		}
		first[name] = program.Tensor{Shape: alone[name].Shape, F: got[name].F[:len(alone[name].F)]}
	}
	if digestOf(alone) != digestOf(first) {
		part.Wrong = append(part.Wrong, fmt.Sprintf("%s, an entry alone and in a batch: %s", c.Name, difference(alone, first)))
	}
}
