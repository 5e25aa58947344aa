//go:build !purego

package kernel

import (
	"os"
	"regexp"
	"testing"
)

// TestPeaksCountWhatTheyDo: the number of operations of a round is that of the instructions in the loop.
func TestPeaksCountWhatTheyDo(t *testing.T) {
	for _, c := range []struct {
		file, loop, name string
		each, want       int
	}{
		{"peak_avx2_amd64.s", "peakF32AVX2", "VFMADD231PS", 2 * 8, peakOf(t, "avx2").F32Ops},
		{"peak_avx512_amd64.s", "peakF32AVX512", "VFMADD231PS", 2 * 16, peakOf(t, "avx512").F32Ops},
		{"peak_avx512bf16_amd64.s", "peakBF16Dot", "VDPBF16PS", 4 * 16, peakOf(t, "avx512bf16").BF16Ops},
	} {
		src, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		loop := regexp.MustCompile(`(?s)·` + c.loop + `\(SB\).*?loop:(.*?)JNZ loop`).FindSubmatch(src)
		if loop == nil {
			t.Fatalf("%s has no loop %s", c.file, c.loop)
		}
		if n := len(regexp.MustCompile(c.name).FindAll(loop[1], -1)); n*c.each != c.want {
			t.Errorf("%s: %d times %s are %d operations, not %d", c.loop, n, c.name, n*c.each, c.want)
		}
	}
}

func peakOf(t *testing.T, tier string) Peak {
	t.Helper()
	p, ok := machinePeak(tier)
	if !ok {
		t.Fatalf("no peak of %s", tier)
	}
	return p
}

// TestPeaksRun: the loops of every tier that the machine has end and touch nothing.
func TestPeaksRun(t *testing.T) {
	for _, tier := range Tiers() {
		p := tier.Peak()
		p.F32(3)
		if p.BF16 != nil {
			p.BF16(3)
		}
		b := make([]byte, 3*ReadUnit+5)
		p.Read(b[:3*ReadUnit])
		for i, v := range b {
			if v != 0 {
				t.Fatalf("%s: reading wrote byte %d", tier.Name, i)
			}
		}
	}
}
