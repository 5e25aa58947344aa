package checkup

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/cuda/sim"
	"github.com/seed-8af8f8e1/flow/internal/bench"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/program/conformance"
)

// flipped is a device that gives one wrong bit in what is copied from it, after so many right copies: bit of byte at.
type flipped struct {
	driver.Driver
	after, at int
	bit       byte
}

// CopyOut implements driver.Driver.
func (f *flipped) CopyOut(dst []byte, src driver.Ptr, s driver.Stream) error {
	err := f.Driver.CopyOut(dst, src, s)
	if f.after--; f.after == -1 {
		dst[f.at] ^= f.bit
	}
	return err
}

// few are some cases of the suite, two in a group.
func few(t *testing.T) (list []conformance.Case) {
	t.Helper()
	for _, name := range []string{"attention/one key", "attention/one query", "conv/with shortcut"} {
		at := slices.IndexFunc(conformance.Cases(), func(c conformance.Case) bool { return c.Name == name })
		if at < 0 {
			t.Fatalf("the suite has no %q", name)
		}
		list = append(list, conformance.Cases()[at])
	}
	return list
}

// look opens a simulated device and looks at what costs little.
func look(t *testing.T, d driver.Driver) *Report {
	t.Helper()
	w := &watch{Driver: d, functions: make(map[string]driver.Function)}
	e, err := cuda.New(w)
	if err != nil {
		t.Fatal(err)
	}
	r := &Report{Device: d.Info()}
	if err := r.describe(w); err != nil {
		t.Fatal(err)
	}
	if r.Suite, err = suite(t.Context(), e, few(t), func(string, int, int) {}); err != nil {
		t.Fatal(err)
	}
	for _, prec := range all {
		for _, op := range bench.Operations(prec, 32) {
			if strings.HasPrefix(op.Name, "linear") || strings.HasPrefix(op.Name, "layer norm") {
				s, err := speed(t.Context(), e, w, op, 3)
				if err != nil {
					t.Fatal(err)
				}
				s.Precision = prec
				r.Speeds = append(r.Speeds, s)
			}
		}
	}
	if err := errors.Join(e.Close(), d.Close()); err != nil { // the simulator says what was not given back
		t.Error(err)
	}
	return r
}

// TestReport looks at a device that is right: nothing is wrong, all is measured, and the text says it.
func TestReport(t *testing.T) {
	r := look(t, sim.Open(sim.Options{Quick: true}))
	if !r.Equal() || len(r.Suite) != 6 || r.Suite[0].Cases != 2 {
		t.Errorf("%+v", r.Suite)
	}
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`(?m)^device     simulated device, compute capability 8\.0, driver for CUDA 12\.9$`, `108 multiprocessors`, `(?m)^ +0 +\d+ +0 +\d+  product_f32$`,
		`(?m)^attention +fp32 +[0-9a-f]{16} +all 2 equal$`, `(?m)^conv +bf16 +[0-9a-f]{16} +all 1 equal$`,
		`(?m)^attention +fp16 +[0-9a-f]{16} +all 2 within bounds, by [1-9]\.[0-9]e-0[4-9] at most$`, `(?m)^linear 128x20 to 160, fp16 .* TFLOP/s +pack_rows .*, product_f16_64 `,
		`(?m)^linear 128x20 to 160, fp32 .* GFLOP/s +product_f32 `, `(?m)^layer norm 128x640 .* GB/s +layer_norm `} {
		if !regexp.MustCompile(want).MatchString(b.String()) {
			t.Errorf("the text lacks %s:\n%s", want, b.String())
		}
	}
}

// TestWrongBit looks at a device with one wrong bit: the report says in which case, and where.
func TestWrongBit(t *testing.T) {
	r := look(t, &flipped{Driver: sim.Open(sim.Options{Quick: true}), after: 1, bit: 1})
	if r.Equal() || len(r.Suite[0].Wrong) != 1 || r.Suite[0].Device == r.Suite[0].Processor {
		t.Errorf("%+v", r.Suite)
	}
	if w := r.Suite[0].Wrong[0]; !strings.HasPrefix(w, "attention/one query: 1 of ") || !strings.Contains(w, "the first is 0: ") {
		t.Error(w)
	}
	for _, p := range r.Suite[1:] {
		if len(p.Wrong) > 0 {
			t.Errorf("%+v", p)
		}
	}
}

// TestWrongHalf: what class fp16 gives has to lie within its bound, and an entry has to have its bits in every place.
func TestWrongHalf(t *testing.T) {
	cases := few(t)[:1]
	for after, want := range map[int]string{0: "more than 0.005", 1: "an entry alone and in a batch: "} {
		d := &flipped{Driver: sim.Open(sim.Options{Quick: true}), after: after + 2, at: 3, bit: 0x80} // a sign; fp32 and bf16 come before
		e, err := cuda.New(d)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := suite(t.Context(), e, cases, func(string, int, int) {})
		if err != nil {
			t.Fatal(err)
		}
		last := parts[len(parts)-1]
		if last.Precision != program.F16 || len(last.Wrong) != 2-after || !strings.Contains(last.Wrong[0], want) || len(parts[0].Wrong)+len(parts[1].Wrong) > 0 {
			t.Errorf("%+v; want %q", parts, want)
		}
		if err := errors.Join(e.Close(), d.Close()); err != nil {
			t.Error(err)
		}
	}
}

// TestFailingDevice: a device that is lost within the suite is in the report, with what it said.
func TestFailingDevice(t *testing.T) {
	d := sim.Open(sim.Options{Quick: true, Inject: sim.Nth("cuLaunchKernel", 2, driver.LaunchFailed)})
	e, err := cuda.New(d)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := suite(t.Context(), e, few(t), func(string, int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if len(p.Wrong) == 0 || !strings.Contains(p.Wrong[0], "CUDA_ERROR_LAUNCH_FAILED") {
			t.Errorf("%+v", p)
		}
	}
}
