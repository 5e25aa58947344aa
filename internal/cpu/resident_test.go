package cpu

import (
	"fmt"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// sizes sums the bytes of weights.
func sizes(src *content, names ...string) (sum int64) {
	for _, name := range names {
		n, _ := src.Size(name)
		sum += n
	}
	return sum
}

// TestEstimateWeights: all weights count once, in the form that a run reads them in; with low memory the most of one instruction.
func TestEstimateWeights(t *testing.T) {
	p, src, in := keeping()
	f := &folder{dir: t.TempDir()}
	e := keeper(t, kernel.Plain, f, nil)
	estimate := func(low bool) int64 {
		return e.EstimateWeights(p, program.Options{Weights: src, Threads: 1, LowMemory: low})
	}
	var all []string
	for _, w := range p.Weights() {
		all = append(all, w.Name)
	}
	largest := sizes(src, "gated", "gates") // of one instruction
	for _, other := range [][]string{{"conv", "bias"}, {"first", "made for this run"}, {"last"}, {"full"}} {
		if sizes(src, other...) > largest {
			largest = sizes(src, other...)
		}
	}
	if got, want := estimate(false), sizes(src, all...); got != want {
		t.Errorf("nothing packed: %d, want %d", got, want)
	}
	if got := estimate(true); got != largest {
		t.Errorf("low memory: %d, want %d", got, largest)
	}
	runKeptOf(t, e, 1, p, src, in)
	packed(t, e)
	x, err := e.Compile(p, program.Options{Weights: src, Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Close() }()
	want := sizes(src, all...) - sizes(src, "gated", "last") // conv and first are read beside their packed segments
	if len(x.(*exec).panels) != keptFiles {
		t.Fatalf("%d files are mapped", len(x.(*exec).panels))
	}
	whole := make(map[panels.ID]bool)
	for _, k := range x.(*exec).panels {
		whole[k.ID()] = true
		want += k.ID().Size()
	}
	if got := estimate(false); got != want || len(whole) != keptFiles {
		t.Errorf("packed: %d, want %d of %s", got, want, fmt.Sprint(whole))
	}
	if e.EstimateWeights(p, program.Options{Threads: 1}) != 0 {
		t.Error("weights without a source take memory")
	}
}

// Weights that are computed are in memory for the whole run, as fp32; once packed they are not made.
func TestEstimateWeightsOfMadeOnes(t *testing.T) {
	p, src, in := keeping()
	src.made = map[string]bool{"gated": true}
	e := keeper(t, kernel.Plain, &folder{dir: t.TempDir()}, nil)
	opt := program.Options{Weights: src, Threads: 1, LowMemory: true}
	before := e.EstimateWeights(p, opt)
	if made := sizes(src, "gated"); before < made+sizes(src, "first") {
		t.Errorf("%d bytes, of which %d are made", before, made)
	}
	runKeptOf(t, e, 1, p, src, in)
	packed(t, e)
	if after := e.EstimateWeights(p, opt); after >= before {
		t.Errorf("%d bytes though it is packed, %d before", after, before)
	}
}
