package trial

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Calibration is what the runs of one test have measured.
type Calibration struct {
	Test    *Test
	Classes []string // in which it ran; the first is the file's own
	Runs    int      // in each class
	Bounds  []Calibrated
	Edits   []Edit
}

// Calibrated is one bound, set from the spread.
type Calibrated struct {
	Output   string
	Bound    string
	Was, Now string  // Was is empty for a bound that the test did not state
	Measured float64 // the worst
}

// Edit replaces characters of a line of the workflow file.
type Edit struct {
	Line, Col, Len int // from 1, in characters; Len 0 inserts
	Text           string
}

// Calibrate runs one test k times in its own class and in every other of the precisions, each time computing anew with another number of workers. Within
// a class all runs have to give the same bits; how far the classes are apart is the spread. It has each bound that the test states, and where an expectation states
// none cosine or ssim, from the worst measured, doubled.
func (o *Options) Calibrate(ctx context.Context, file, name string, k int, precisions []string) (*Calibration, []spec.Diagnostic, error) {
	c := &Calibration{Test: &Test{File: file, Name: name}, Runs: k}
	var own map[string]nodes.Value
	worst := make(map[string]*golden.Difference)
	for i, precision := range append([]string{""}, precisions...) {
		var first map[string]nodes.Value
		for run := range k {
			t, values, diags, err := o.collect(ctx, c.Test, precision, run+1)
			if err != nil || diags != nil {
				return nil, diags, err
			}
			if run == 0 {
				if i > 0 && slices.Contains(c.Classes, t.Class) { // the file's own
					break
				}
				first, c.Classes = values, append(c.Classes, t.Class)
			}
			for output, v := range values {
				if v.Digest() != first[output].Digest() {
					return nil, nil, fmt.Errorf("%s of test %s: run %d of %s gave other bits than the first; bounds are for what is meant to differ", output, spec.Quote(name), run+1, t.Class)
				}
			}
			if i == 0 {
				own, c.Test = values, t
			}
		}
		for output, v := range first {
			d, err := golden.Measure(own[output], v)
			if err != nil {
				return nil, nil, err
			}
			worst[output] = worse(worst[output], d)
		}
	}
	for _, x := range c.Test.Expected {
		c.set(x, worst[x.Output])
	}
	return c, nil, nil
}

// collect runs a test in a class with a number of workers, and computes all of it.
func (o *Options) collect(ctx context.Context, like *Test, precision string, workers int) (*Test, map[string]nodes.Value, []spec.Diagnostic, error) {
	opt, err := o.Runtime(like.File)
	if err != nil {
		return nil, nil, nil, err
	}
	opt.Test, opt.Env.Threads, opt.Store = like.Name, workers, cache.Fresh(opt.Store)
	if precision != "" {
		opt.Precision = precision
	}
	w, diags := flowruntime.Read(ctx, like.File, opt)
	if w == nil {
		return nil, nil, diags, ctx.Err()
	}
	defer w.Close()
	t := &Test{File: like.File, Name: like.Name}
	t.describe(w.Plan)
	done, err := o.on(w)
	if err != nil {
		return nil, nil, nil, err
	}
	defer done()
	res, values, err := w.Collect(ctx)
	if err == nil {
		err = res.Err
	}
	return t, values, nil, err
}

// worse joins the worst of two differences.
func worse(a, b *golden.Difference) *golden.Difference {
	if a == nil {
		return b
	}
	return &golden.Difference{MaxAbs: max(a.MaxAbs, b.MaxAbs), RMS: max(a.RMS, b.RMS), Cosine: min(a.Cosine, b.Cosine), SSIM: min(a.SSIM, b.SSIM), PSNR: min(a.PSNR, b.PSNR)}
}

// set sets the bounds of one expectation.
func (c *Calibration) set(x *Expected, d *golden.Difference) {
	bounds := x.expectation.Bounds
	if len(bounds) == 0 {
		name := "cosine"
		if x.of == nodes.ImageType {
			name = "ssim"
		}
		bounds = []spec.Bound{{Name: name}}
	}
	for _, b := range bounds {
		measured := d.Of(b.Name)
		now := Loosened(b.Name, measured)
		if now == "" || now == b.Text {
			continue
		}
		c.Bounds = append(c.Bounds, Calibrated{x.Output, b.Name, b.Text, now, measured})
		if b.Text != "" {
			c.Edits = append(c.Edits, Edit{b.Pos.Line, b.Pos.Col, b.Pos.Len, now})
			continue
		}
		body, key := x.expectation.Body, x.expectation.Body.Entries[0].Key.Pos
		text := b.Name + ": " + now + ", "
		if body.Pos.Line == key.Line && body.Pos.Col == key.Col { // not in braces
			text = fmt.Sprintf("%s: %s\n%*s", b.Name, now, key.Col-1, "")
		}
		c.Edits = append(c.Edits, Edit{key.Line, key.Col, 0, text})
	}
}

// Loosened is the bound that a measured value gives: twice as far from equality, rounded outwards to two digits; of a signal-to-noise ratio 6 dB less.
// Empty for what is no number, and for a ratio of equal pictures.
func Loosened(bound string, measured float64) string {
	switch {
	case math.IsNaN(measured) || math.IsInf(measured, 0):
		return ""
	case bound == "psnr":
		return strconv.FormatFloat(math.Floor(10*(measured-20*math.Log10(2)))/10, 'f', -1, 64)
	case towardsOne(bound):
		step, digits := outwards(2 * (1 - measured))
		return strconv.FormatFloat(1-step, 'f', digits, 64)
	}
	step, digits := outwards(2 * measured)
	return strconv.FormatFloat(step, 'f', digits, 64)
}

// towardsOne says of a bound that equality is 1.
func towardsOne(bound string) bool { return bound == "cosine" || bound == "ssim" }

// outwards rounds a distance up to two digits, and says how many decimals these are.
func outwards(x float64) (float64, int) {
	if x <= 1e-12 { // the noise of sums in float64
		return 0, 0
	}
	digits := max(0, 1-int(math.Floor(math.Log10(x))))
	unit := math.Pow(10, float64(digits))
	return math.Ceil(x*unit-1e-9) / unit, digits
}

// Apply makes edits to the text of a file.
func Apply(text string, edits []Edit) (string, error) {
	lines := strings.SplitAfter(text, "\n")
	sorted := slices.Clone(edits)
	slices.SortStableFunc(sorted, func(a, b Edit) int { // from the end, so that places stay
		if a.Line != b.Line {
			return b.Line - a.Line
		}
		return b.Col - a.Col
	})
	for _, e := range sorted {
		if e.Line < 1 || e.Line > len(lines) {
			return "", fmt.Errorf("there is no line %d", e.Line)
		}
		line := []rune(lines[e.Line-1])
		if e.Col < 1 || e.Col-1+e.Len > len(line) {
			return "", fmt.Errorf("line %d has no column %d", e.Line, e.Col)
		}
		lines[e.Line-1] = string(line[:e.Col-1]) + e.Text + string(line[e.Col-1+e.Len:])
	}
	return strings.Join(lines, ""), nil
}
