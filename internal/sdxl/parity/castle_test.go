package parity

import (
	"context"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

func castle(t *testing.T) *Suite {
	t.Helper()
	m, err := sdxl.Open("../../../examples/castle/model", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return &Suite{Model: m, Goldens: "../testdata/castle", Executor: cpu.New(), Precision: program.F32}
}

func check(t *testing.T, rows []Row, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) == 0 {
		t.Fatal("nothing was compared")
	}
	for _, r := range rows {
		t.Logf("%-60s %.2e (bound %.0e)", r.Block, r.Difference, r.Bound)
		if !r.OK() {
			t.Errorf("%s differs by %.3e, bound %.0e", r.Block, r.Difference, r.Bound)
		}
	}
}

func TestCastleText(t *testing.T) {
	rows, err := castle(t).Text(context.Background())
	check(t, rows, err)
}

func TestCastleStep(t *testing.T) {
	rows, err := castle(t).Step(context.Background())
	check(t, rows, err)
}

func TestCastleDenoise(t *testing.T) {
	rows, err := castle(t).Denoise(context.Background(), 30, 5)
	check(t, rows, err)
}

func TestCastleVAE(t *testing.T) {
	rows, err := castle(t).VAE(context.Background())
	check(t, rows, err)
}
