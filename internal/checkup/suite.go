package checkup

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// Part is what the cases of a group came to in one precision.
type Part struct {
	Group     string
	Precision program.Precision
	Cases     int
	Device    string   // digest of all that the device computed
	Processor string   // the same of the processor; "" in class fp16, which it has not
	Worst     float64  // in class fp16: the largest difference, as a share of the largest magnitude
	Wrong     []string // the cases that differ or failed, and how
}

// exact are the precisions in which bits are promised.
var exact = []program.Precision{program.F32, program.BF16}

// all are those that are looked at: fp16 within its bounds.
var all = append(slices.Clone(exact), program.F16)

// batch is the number of entries that cases run at.
const batch = 2

// suite runs cases on device and processor: in the exact precisions for equal bits, in class fp16 for results within its bound.
func suite(ctx context.Context, e *cuda.Executor, cases []conformance.Case, progress func(string, int, int)) ([]Part, error) {
	var parts []Part
	processor := cpu.New()
	for _, prec := range all {
		digests := make(map[string]*[2]strings.Builder)
		for i := range cases {
			c := &cases[i]
			if !slices.Contains(c.Precisions(), prec) && !(prec == program.F16 && c.Half()) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			group := c.Name
			if at := strings.IndexAny(group, "/,"); at >= 0 {
				group = group[:at]
			}
			progress("the suite in "+prec.String(), i, len(cases))
			at := slices.IndexFunc(parts, func(p Part) bool { return p.Group == group && p.Precision == prec })
			if at < 0 {
				at = len(parts)
				parts = append(parts, Part{Group: group, Precision: prec})
				digests[group] = new([2]strings.Builder)
			}
			part := &parts[at]
			part.Cases++
			on := [2]program.Executor{e, processor}
			if prec == program.F16 {
				within(ctx, c, part, on, &digests[group][0])
				part.Device = digest(&digests[group][0])
				continue
			}
			compare(ctx, c, part, on, digests[group])
			part.Device, part.Processor = digest(&digests[group][0]), digest(&digests[group][1])
		}
	}
	return parts, ctx.Err()
}

// compare runs a case on device and processor.
func compare(ctx context.Context, c *conformance.Case, part *Part, on [2]program.Executor, digests *[2]strings.Builder) {
	p := program.Optimize(c.Program(part.Precision, batch))
	var bits [2]string
	var out [2]map[string]program.Tensor
	for i, e := range on {
		var err error
		if out[i], err = execute(ctx, e, p, c); err != nil {
			part.Wrong = append(part.Wrong, fmt.Sprintf("%s on %s: %v", c.Name, e.Name(), err))
		}
		bits[i] = digestOf(out[i])
		digests[i].WriteString(bits[i])
	}
	if bits[0] != bits[1] && out[0] != nil && out[1] != nil {
		part.Wrong = append(part.Wrong, fmt.Sprintf("%s: %s", c.Name, difference(out[0], out[1])))
	}
}

func execute(ctx context.Context, e program.Executor, p *program.Program, c *conformance.Case) (map[string]program.Tensor, error) {
	x, err := e.Compile(p, program.Options{Weights: c.Source(p)})
	if err != nil {
		return nil, err
	}
	out, err := x.Run(ctx, c.Inputs(p), program.RunOptions{})
	if failed := x.Close(); err == nil {
		err = failed
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// digestOf is the digest of all elements in order of names; all NaNs are one.
func digestOf(out map[string]program.Tensor) string {
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(out)) {
		fmt.Fprintln(h, name, out[name].Shape)
		words := make([]byte, 4*len(out[name].F))
		for i, v := range out[name].F {
			if v != v {
				v = float32(math.NaN())
			}
			binary.LittleEndian.PutUint32(words[4*i:], math.Float32bits(v))
		}
		h.Write(words)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// digest is the digest of digests.
func digest(b *strings.Builder) string {
	sum := sha256.Sum256([]byte(b.String()))
	return hex.EncodeToString(sum[:8])
}

// difference says how two results differ.
func difference(a, b map[string]program.Tensor) string {
	for _, name := range slices.Sorted(maps.Keys(b)) {
		x, y := a[name].F, b[name].F
		if len(x) != len(y) {
			return fmt.Sprintf("%s has %d elements, not %d", name, len(x), len(y))
		}
		n, first, worst := 0, -1, 0.0
		for i := range y {
			if math.Float32bits(x[i]) == math.Float32bits(y[i]) || x[i] != x[i] && y[i] != y[i] {
				continue
			}
			if n++; first < 0 {
				first = i
			}
			worst = max(worst, math.Abs(float64(x[i])-float64(y[i])))
		}
		if n > 0 {
			return fmt.Sprintf("%d of %d elements of %s differ, by %.3g at most; the first is %d: %v (%08x), not %v (%08x)", n, len(y), name, worst, first,
				x[first], math.Float32bits(x[first]), y[first], math.Float32bits(y[first]))
		}
	}
	return "nothing differs"
}
