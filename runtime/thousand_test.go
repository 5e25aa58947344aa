package runtime_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/runtime/cache"

	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
)

// thousand is a workflow of 1001 nodes of the real kinds.
func thousand() string {
	var b strings.Builder
	b.WriteString("flow: v1\nname: thousand\nmodels: {m: {path: model}}\nnodes:\n  base: {kind: load-model, weights: $models.m}\n")
	for i := range 250 {
		fmt.Fprintf(&b, "  t%d: {kind: encode-prompt, model: $base.model, prompt: \"castle %d\"}\n", i, i)
		fmt.Fprintf(&b, "  n%d: {kind: noise, seed: %d, width: 128, height: 128}\n", i, i)
		fmt.Fprintf(&b, "  l%d: {kind: denoise, model: $base.model, latents: $n%d, conditioning: $t%d, solver: 30}\n", i, i, i)
		fmt.Fprintf(&b, "  i%d: {kind: decode, model: $base.model, latents: $l%d}\n", i, i)
	}
	b.WriteString("outputs:\n")
	for i := range 250 {
		fmt.Fprintf(&b, "  o%d: {from: $i%d, path: out/%d.png}\n", i, i, i)
	}
	return b.String()
}

// promised is the time for a plan of 1,000 nodes on a machine that does nothing else; tests allow for one that does, and
// for the race detector.
const promised, slack = 50 * time.Millisecond, 6

// TestPlanOfAThousandNodes: from the file to what a run would do.
func TestPlanOfAThousandNodes(t *testing.T) {
	s := newStudio(t)
	if err := os.WriteFile(s.file("thousand.flow.yaml"), []byte(thousand()), 0o644); err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open(s.store, cache.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	best := time.Hour
	for range 10 {
		began := time.Now()
		w, diags := flowruntime.Read(t.Context(), s.file("thousand.flow.yaml"), s.options(store))
		if w == nil {
			t.Fatal(diags)
		}
		if rows := w.Explain(); len(rows) != 1001 {
			t.Fatalf("%d rows", len(rows))
		}
		best = min(best, time.Since(began))
		w.Close()
	}
	t.Log(best)
	if best > slack*promised {
		t.Errorf("%v", best)
	}
}
