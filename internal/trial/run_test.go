package trial

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/golden"
)

// where says where each expectation of a test left its golden.
func where(t *Test) string {
	var out []string
	for _, x := range t.Expected {
		out = append(out, x.Output+": "+x.Where())
	}
	return strings.Join(out, "\n")
}

// TestChangedEngine: within the class the first node and step that a changed engine makes otherwise are named exactly, and that nothing was asked otherwise.
func TestChangedEngine(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if got := r.run(Compare, "five")["five"]; got.State != Differs || !strings.Contains(got.Expected[0].Reason, "flow test --update writes it") || len(r.goldens()) != 0 {
		t.Fatalf("without goldens: %s, %s", got.State, got.Expected[0].Reason)
	}
	if got := r.run(Rewrite, "five")["five"]; got.State != Updated {
		t.Fatalf("writing goldens: %s %s", got.State, got.Message)
	}
	const engine = ": asked the same, it made something else: the engine changed"
	for _, tt := range []struct {
		flaw        flaw
		state       State
		first       State // of the latents
		where, also string
	}{
		{flaw{}, Pass, Pass, "", ""},
		{flaw{step: 6}, Pass, Pass, "", ""}, // there is no sixth step
		{flaw{step: 1}, Fail, Fail, `node "latents" (denoise@1), step 1 of 5`, `node "latents" (denoise@1), step 1 of 5`},
		{flaw{step: 3}, Fail, Fail, `node "latents" (denoise@1), step 3 of 5`, `node "latents" (denoise@1), step 3 of 5`},
		{flaw{step: 5}, Fail, Fail, `node "latents" (denoise@1), step 5 of 5`, `node "latents" (denoise@1), step 5 of 5`},
		{flaw{text: true, picture: true}, Fail, Pass, `node "text" (encode-prompt@1)`, `node "text" (encode-prompt@1)`},
		{flaw{picture: true}, Fail, Pass, "", `node "image" (decode@1)`},
	} {
		r.broken = tt.flaw
		got := r.run(Compare, "five")["five"]
		want := []string{"latents.latents: ", "image.image: "}
		for i, at := range []string{tt.where, tt.also} {
			if at != "" {
				want[i] += "first divergence: " + at + engine
			}
		}
		if got.State != tt.state || where(got) != strings.Join(want, "\n") {
			t.Errorf("%+v: %s %s\n%s", tt.flaw, got.State, got.Message, where(got))
		}
		if tt.flaw.text && got.Expected[0].Difference == nil || tt.flaw.step == 0 && !tt.flaw.text && got.Expected[0].State != tt.first {
			t.Errorf("%+v: latents %s: %s", tt.flaw, got.Expected[0].State, got.Expected[0].Reason)
		}
	}
}

// TestAnotherClass: across classes the first kept step outside the bounds is named, with the cosine that it has; without a flaw all are inside.
func TestAnotherClass(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.run(Rewrite, "five,twelve,noise")
	r.numerics = "fp32"
	got := r.run(Compare, "five,twelve,noise")
	if s := got["noise"].State; s != Pass || got["noise"].Expected[0].Difference != nil {
		t.Errorf("noise has no class: %s", s)
	}
	for _, name := range []string{"five", "twelve"} {
		x := got[name].Expected[0]
		if got[name].State != Pass || x.First != nil || len(x.Across) != min(8, map[string]int{"five": 5, "twelve": 12}[name]) || x.Divergence != nil || !strings.Contains(x.Reason, "this run of fp32@1") {
			t.Errorf("%s: %s, %s, %s", name, got[name].State, x.Reason, where(got[name]))
		}
	}
	for step, first := range map[int]int{1: 3, 4: 4, 5: 6, 12: 12} { // of 12 steps 1, 3, 4, 6, 7, 9, 10 and 12 are kept; more noise is no other direction after the first
		r.broken = flaw{step: step}
		test := r.run(Compare, "twelve")["twelve"]
		x := test.Expected[0]
		if test.State != Fail || x.First == nil || x.First.Step != first || !slices.Contains(golden.Keep(12), first) {
			t.Errorf("from step %d on: %s, %s\n%+v", step, test.State, where(test), x.Across)
			continue
		}
		for _, s := range x.Across {
			if s.Within != (s.Step < first) || s.Within != (s.Cosine >= 0.99) {
				t.Errorf("from step %d on, kept step %d: %+v", step, s.Step, s)
			}
		}
		if want := fmt.Sprintf("latents.latents: first kept step outside the bounds: node \"latents\", step %d: cosine %.6f,", first, x.First.Cosine); !strings.HasPrefix(where(test), want) {
			t.Errorf("%s, want %s", where(test), want)
		}
	}
}
