package bench

import (
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// TestDecodingFits: what decoding at SDXL's size takes beside its weights, from shapes alone.
func TestDecodingFits(t *testing.T) {
	m, err := MadeUp()
	if err != nil {
		t.Fatal(err)
	}
	for side, most := range map[int]float64{512: 0.55e9, 1024: 1.9e9, 1536: 3e9, 2048: 3.8e9} {
		p := program.Optimize(sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, side/8, side/8))
		if got := float64(cpu.New().Estimate(p, 2)); got > most {
			t.Errorf("%dx%d: %.2f GB, at most %.2f are wanted", side, side, got/1e9, most/1e9)
		}
	}
}

// TestDecodingAgain: convolutions are computed again where memory asks for it and nowhere else.
func TestDecodingAgain(t *testing.T) {
	m, err := MadeUp()
	if err != nil {
		t.Fatal(err)
	}
	p := program.Optimize(sdxl.DecodeProgram(m.VAE, edition.Diffusers.ResnetEps, 1, 128, 128))
	b := program.Banding{Least: 1 << 24, Most: 2e9, Band: 1 << 24, LeastOf: 16}
	whole, once := program.PlanMemory(p).Bytes, program.Bands(p, b).Program
	b.Most = 1e9
	again := program.Bands(p, b).Program
	if got, want := program.MACs(once), program.MACs(p); got != want {
		t.Errorf("%d multiply-adds in bands, %d without", got, want)
	}
	if got, want := program.MACs(again), program.MACs(p); got <= want || got > want*3/2 {
		t.Errorf("%d multiply-adds where some are made again, %d without", got, want)
	}
	for i, got := range []int64{program.PlanMemory(once).Bytes, program.PlanMemory(again).Bytes} {
		if float64(got) > []float64{0.7, 0.4}[i]*float64(whole) {
			t.Errorf("an arena of %d bytes, without bands %d", got, whole)
		}
	}
}
