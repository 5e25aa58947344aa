package cpu

import (
	"os"
	"slices"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
)

// TestMadeWeights: weights that are computed are asked for where they are not packed, and not where they are; damaged panels count as none.
func TestMadeWeights(t *testing.T) {
	want, _ := runKept(t, WithTier(kernel.Plain), 1)
	best := kernel.Tiers()[len(kernel.Tiers())-1]
	f := &folder{dir: t.TempDir()}
	made := map[string]bool{"gated": true, "last": true, "full": true, "first": true, "gates": true}
	run := func(what string, mapped int, asked int64) {
		t.Helper()
		e := keeper(t, best, f, nil)
		p, src, in := keeping()
		src.made = made
		got, n := runKeptOf(t, e, 2, p, src, in)
		now := src.asked.Load()
		packed(t, e)
		if n < mapped || !slices.Equal(got, want) {
			t.Errorf("%s: %d files mapped, not %d, or other bits", what, n, mapped)
		}
		if now < asked || now > asked+2 { // packing may have begun
			t.Errorf("%s: %d weights were made, not %d", what, now, asked)
		}
		if src.kept.Load() != 0 {
			t.Errorf("%s: weights are kept after all is packed", what)
		}
	}
	run("without files", 0, 5)
	run("packed", keptFiles, 3) // full is a product in fp32, first has a small segment, gates is a vector
	for _, name := range f.files(t) {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		data[5000] ^= 1
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run("damaged", 0, 5)
	run("packed anew", keptFiles, 3)
}
