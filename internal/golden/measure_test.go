package golden

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// latents is a value of one array of rows of two.
func latents(data ...float32) *nodes.Tensors {
	return &nodes.Tensors{Of: nodes.LatentsType, List: map[string]nodes.Tensor{"latents": {Shape: []int{len(data) / 2, 2}, Data: data}}}
}

func TestMeasureArrays(t *testing.T) {
	nan := float32(math.NaN())
	for name, tt := range map[string]struct {
		want, got *nodes.Tensors
		d         Difference
	}{
		"equal":      {latents(1, 2, 3, 4), latents(1, 2, 3, 4), Difference{Elements: 4, Cosine: 1}},
		"one":        {latents(1, 2, 3, 4), latents(1, 2, 5, 4), Difference{Elements: 4, Differ: 1, MaxAbs: 2, RMS: 1, Cosine: 36 / math.Sqrt(30*46), At: "latents[1 0]"}},
		"opposite":   {latents(3, 4), latents(-3, -4), Difference{Elements: 2, Differ: 2, MaxAbs: 8, RMS: math.Sqrt(50), Cosine: -1, At: "latents[0 1]"}},
		"zeros":      {latents(0, 0), latents(0, 0), Difference{Elements: 2, Cosine: 1}},
		"one is nil": {latents(0, 0), latents(0, 1), Difference{Elements: 2, Differ: 1, MaxAbs: 1, RMS: math.Sqrt(0.5), At: "latents[0 1]"}},
		"nan":        {latents(1, 2, 3, 4), latents(9, nan, 90, 4), Difference{Elements: 4, Differ: 3, MaxAbs: math.NaN(), RMS: math.NaN(), Cosine: math.NaN(), At: "latents[0 1]"}},
	} {
		got, err := Measure(tt.want, tt.got)
		if err != nil {
			t.Fatal(name, err)
		}
		near := func(a, b float64) bool {
			return math.Abs(a-b) < 1e-12 || math.IsNaN(a) && math.IsNaN(b)
		}
		if got.Elements != tt.d.Elements || got.Differ != tt.d.Differ || got.At != tt.d.At || !near(got.MaxAbs, tt.d.MaxAbs) || !near(got.RMS, tt.d.RMS) ||
			!near(got.Cosine, tt.d.Cosine) || !math.IsNaN(got.SSIM) || !math.IsNaN(got.PSNR) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestWhatCannotBeCompared(t *testing.T) {
	picture := &nodes.Image{Width: 1, Height: 2, Pix: make([]byte, 6)}
	more := latents(1, 2)
	more.List["pooled"] = nodes.Tensor{Shape: []int{1}, Data: []float32{1}}
	for _, tt := range []struct {
		want, got nodes.Value
		says      string
	}{
		{picture, latents(1, 2), "a picture is expected, not latents"},
		{latents(1, 2), picture, "latents are expected, not a picture"},
		{picture, &nodes.Image{Width: 2, Height: 1, Pix: make([]byte, 6)}, "a picture of 1x2 is expected, and this is one of 2x1"},
		{latents(1, 2), latents(1, 2, 3, 4), "latents of shape [1 2] are expected, and these are of [2 2]"},
		{latents(1, 2), more, "the arrays [latents] are expected, and these are [latents pooled]"},
	} {
		if _, err := Measure(tt.want, tt.got); err == nil || err.Error() != tt.says {
			t.Errorf("%v, want %s", err, tt.says)
		}
	}
}

// TestJudge: every bound has its side, and what is not a number holds none.
func TestJudge(t *testing.T) {
	d := &Difference{MaxAbs: 2, RMS: 1, Cosine: 0.5, SSIM: 0.5, PSNR: 30}
	nan := math.NaN()
	none := &Difference{MaxAbs: nan, RMS: nan, Cosine: nan, SSIM: nan, PSNR: nan}
	for _, b := range spec.Bounds {
		of := d.Of(b.Name)
		for _, limit := range []float64{of - 0.1, of, of + 0.1} {
			bound := []spec.Bound{{Name: b.Name, Limit: limit, Text: "0.5"}}
			holds := limit >= of
			if AtLeast(b.Name) {
				holds = limit <= of
			}
			if v := d.Judge(bound); v[0].Holds != holds {
				t.Errorf("%s of %g, limit %g: %v", b.Name, of, limit, v[0].Holds)
			}
			if v := none.Judge(bound); v[0].Holds {
				t.Errorf("%s: what is not a number holds it", b.Name)
			}
		}
	}
	if s := d.Judge([]spec.Bound{{Name: "ssim", Limit: 0.98, Text: "0.98"}})[0].String(); s != "ssim 0.5, wants at least 0.98" {
		t.Error(s)
	}
	if s := d.Judge([]spec.Bound{{Name: "max-abs", Limit: 1, Text: "1"}})[0].String(); s != "max-abs 2, wants at most 1" {
		t.Error(s)
	}
}

func TestKeep(t *testing.T) {
	for steps, want := range map[int][]int{0: {}, 1: {1}, 8: {1, 2, 3, 4, 5, 6, 7, 8}, 9: {1, 2, 3, 4, 6, 7, 8, 9}, 30: {1, 5, 9, 13, 18, 22, 26, 30}} {
		if got := Keep(steps); !slices.Equal(got, want) {
			t.Errorf("of %d steps %v, want %v", steps, got, want)
		}
	}
	for steps := 1; steps <= 1000; steps++ {
		got := Keep(steps)
		if len(got) != min(steps, MostKept) || got[0] != 1 || got[len(got)-1] != steps || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != len(got) {
			t.Fatalf("of %d steps %v", steps, got)
		}
	}
	if !strings.HasPrefix(stepKey(12), "0012") {
		t.Error(stepKey(12))
	}
}
