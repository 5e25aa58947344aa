package main

import (
	"bytes"
	"context"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// TestDocument measures everything and demands the committed table: the same rows and the same figures, since bits are portable.
func TestDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("measures for half a minute")
	}
	if tier := cpu.New().Tier(); tier == "go" {
		t.Skip("takes ten minutes in plain Go, whose bits are those of the other tiers")
	}
	r, err := measure(context.Background(), "../../..")
	if err != nil {
		t.Fatal(err)
	}
	if err := r.failed(); err != nil {
		t.Error(err)
	}
	var got bytes.Buffer
	if err := r.write(&got); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../../docs/parity.md")
	if err != nil {
		t.Fatal(err)
	}
	if got.String() == string(want) {
		return
	}
	a, b := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(a), len(b)) {
		if i >= len(a) || i >= len(b) || a[i] != b[i] {
			t.Fatalf("docs/parity.md is not what is measured, from line %d on; if it should be, run: go run ./internal/tools/parity > docs/parity.md\nhas  %q\nwant %q",
				i+1, line(b, i), line(a, i))
		}
	}
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

func TestFailuresAreNamed(t *testing.T) {
	good := picture{Name: "8x8", Bytes: 192, Levels: 1}
	r := report{
		Equal:  []count{{"ids", 3, 1}, {"nothing", 0, 0}},
		Files:  []fromFiles{{"PNG", count{Compared: 5}, map[string]count{"diffusers": {Compared: 5}, "refiners": {Compared: 5, Wrong: 2}}}, {"JPEG", count{Compared: 4, Wrong: 3}, nil}},
		GoJPEG: count{Compared: 4, Wrong: 1},
		Models: []model{{"castle", []result{{"step", []parity.Row{{Block: "a", Difference: 2e-4, Bound: 1e-4}, {Block: "b", Difference: math.NaN(), Bound: 1e-4},
			{Block: "c", Bound: 1e-4}}, []mistake{{"seen", 11}, {"unseen", 9}, {"none", math.NaN()}}}}}},
		Pictures: []picture{good, {Name: "two levels", Bytes: 1e6, Unequal: 1, Levels: 2}, {Name: "too many", Bytes: 1000, Unequal: 2, Levels: 1}},
		Control:  good,
	}
	err := r.failed()
	if err == nil {
		t.Fatal("no failure")
	}
	for _, want := range []string{"ids: 1 of 3", "nothing", "step, a", "step, b", "unseen", "none is not seen", "two levels", "too many", "guidance",
		"inputs from PNG, edition refiners: 2 of 5", "pixels from JPEG: 3 of 4", "inputs from JPEG, edition diffusers: 0 of 0", "another JPEG decoder is not seen"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in\n%v", want, err)
		}
	}
	for _, not := range []string{"step, c", ": seen", "8x8", "pixels from PNG", "PNG, edition diffusers"} {
		if strings.Contains(err.Error(), not) {
			t.Errorf("%q in\n%v", not, err)
		}
	}
}

func TestPivotKeepsEveryRow(t *testing.T) {
	rows := []parity.Row{{Block: "t1.a", Bound: 1}, {Block: "t1.b.c", Bound: 1}, {Block: "t9.a", Bound: 1}, {Block: "t9.b.c", Bound: 1}}
	if columns, names, _ := pivot(rows); strings.Join(columns, " ")+"|"+strings.Join(names, " ") != "t1 t9|a b.c" {
		t.Errorf("columns %v, names %v", columns, names)
	}
	other := append([]parity.Row(nil), rows...)
	other[3].Bound = 2
	for _, odd := range [][]parity.Row{rows[:3], append(rows[:4:4], rows[0]), other, {{Block: "a"}}} {
		if columns, _, _ := pivot(odd); columns != nil {
			t.Errorf("%v stand side by side", odd)
		}
	}
}

func TestLost(t *testing.T) {
	a := &nodes.Image{Width: 16, Height: 12, Pix: make([]byte, 16*12*3)}
	for i := range a.Pix {
		a.Pix[i] = byte(i * 37)
	}
	b := &nodes.Image{Width: 16, Height: 12, Pix: bytes.Clone(a.Pix)}
	if l := lost(a, b); l.SSIM < 1-1e-12 || !math.IsInf(l.PSNR, 1) || l.Levels != 0 || l.Mean != 0 {
		t.Errorf("of nothing: %+v", l)
	}
	for i := range b.Pix {
		b.Pix[i] ^= 1
	}
	// One level everywhere: PSNR is 20 log10 255.
	if l := lost(a, b); math.Abs(l.PSNR-48.1308) > 1e-3 || l.Levels != 1 || l.Mean != 1 || !(l.SSIM > 0.99 && l.SSIM < 1) {
		t.Errorf("of one level: %+v", l)
	}
}

func TestEveryGoldenScriptIsDescribed(t *testing.T) {
	readme, err := os.ReadFile("../goldens/README.md")
	if err != nil {
		t.Fatal(err)
	}
	scripts, err := filepath.Glob("../goldens/*.py")
	if err != nil || len(scripts) < 10 {
		t.Fatalf("%d scripts, error %v", len(scripts), err)
	}
	for _, path := range scripts {
		if name := filepath.Base(path); !strings.Contains(string(readme), name) {
			t.Errorf("internal/tools/goldens/README.md does not say what %s makes", name)
		}
	}
}
