package trial

import (
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/spec"
)

// processors are the precisions that run on a processor.
var processors = []string{"fp32", "bf16"}

func TestLoosened(t *testing.T) {
	for _, tt := range []struct {
		bound    string
		measured float64
		want     string
	}{
		{"max-abs", 0, "0"}, {"max-abs", 0.0123, "0.025"}, {"max-abs", 3, "6.0"}, {"max-abs", 31, "62"}, {"rms", 0.00051, "0.0011"}, {"max-abs", 0.05, "0.10"},
		{"cosine", 1, "1"}, {"cosine", 1 - 1e-15, "1"}, {"cosine", 0.999901, "0.99980"}, {"cosine", 0.98, "0.960"}, {"cosine", 0.2, "-0.6"}, {"ssim", 0.999032, "0.9980"},
		{"psnr", 40, "33.9"}, {"psnr", math.Inf(1), ""}, {"ssim", math.NaN(), ""},
	} {
		got := Loosened(tt.bound, tt.measured)
		if got != tt.want {
			t.Errorf("%s of %g: %q, want %q", tt.bound, tt.measured, got, tt.want)
		}
		limit, err := strconv.ParseFloat(got, 64)
		if got == "" || err != nil {
			continue
		}
		d := &golden.Difference{MaxAbs: tt.measured, RMS: tt.measured, Cosine: tt.measured, SSIM: tt.measured, PSNR: tt.measured}
		if v := d.Judge([]spec.Bound{{Name: tt.bound, Limit: limit}}); !v[0].Holds && tt.measured != 1-1e-15 {
			t.Errorf("%s: what was measured, %g, is outside %s", tt.bound, tt.measured, got)
		}
	}
}

func TestApply(t *testing.T) {
	const text = "a: {é: 0.5, b: 1}\r\nc:\n  d: x"
	got, err := Apply(text, []Edit{{1, 8, 3, "0.75"}, {1, 5, 0, "n: 2, "}, {3, 3, 0, "e: y\n  "}, {3, 6, 1, "zz"}})
	if want := "a: {n: 2, é: 0.75, b: 1}\r\nc:\n  e: y\n  d: zz"; err != nil || got != want {
		t.Errorf("%q, %v", got, err)
	}
	for _, e := range []Edit{{4, 1, 0, ""}, {0, 1, 0, ""}, {1, 0, 0, ""}, {3, 6, 9, ""}} {
		if _, err := Apply(text, []Edit{e}); err == nil {
			t.Errorf("%+v was made", e)
		}
	}
}

// TestCalibrate: bounds are set where they stand and where there are none, the tests then pass in every class, and an engine whose bits change from run
// to run is an error.
func TestCalibrate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.edit(func(s string) string {
		return strings.Replace(s, "image.image: {golden: goldens/five.png, ssim: 0.99}", "image.image:\n        golden: goldens/five.png", 1)
	})
	r.run(Rewrite, "five,noise")
	c, diags, err := r.opt.Calibrate(t.Context(), r.file, "five", 2, processors)
	if err != nil || diags != nil || strings.Join(c.Classes, " ") != "bf16@1 fp32@1" || len(c.Bounds) != 2 || c.Bounds[1].Bound != "ssim" || c.Bounds[1].Was != "" {
		t.Fatalf("%+v, %v, %v", c, diags, err)
	}
	noise, _, err := r.opt.Calibrate(t.Context(), r.file, "noise", 1, processors)
	if err != nil || len(noise.Bounds) != 1 || noise.Bounds[0].Now != "1" {
		t.Errorf("noise: %+v, %v", noise, err)
	}
	r.edit(func(s string) string {
		out, err := Apply(s, append(c.Edits, noise.Edits...))
		if err != nil {
			t.Fatal(err)
		}
		return out
	})
	text, err := os.ReadFile(r.file)
	if err != nil || !strings.Contains(string(text), "image.image:\n        ssim: 0.") || !strings.Contains(string(text), "{cosine: 1, golden: goldens/noise.safetensors}") {
		t.Errorf("%v\n%s", err, text)
	}
	for _, precision := range processors {
		r.numerics = precision
		for name, got := range r.run(Compare, "five,noise") {
			if got.State != Pass && got.State != Left {
				t.Errorf("%s in %s: %s %s", name, precision, got.State, got.Expected[0].Reason)
			}
		}
	}
	r.numerics = ""
	runs := 0
	r.between = func() {
		if runs++; runs == 2 {
			r.broken = flaw{step: 2}
		}
	}
	if _, _, err := r.opt.Calibrate(t.Context(), r.file, "five", 2, nil); err == nil || !strings.Contains(err.Error(), "run 2 of bf16@1 gave other bits than the first") {
		t.Errorf("an engine that gives other bits: %v", err)
	}
}
