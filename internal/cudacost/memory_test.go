package cudacost

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/internal/bench"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

var update = flag.Bool("update", false, "write the table of memory into docs/cuda.md")

// What the guide may take by the plan, in bytes: stages run one after the other, and each gives its memory back.
var mayTake = map[int]struct{ resident, streamed int64 }{1024: {12e9, 8e9}, 2048: {16e9, 16e9}}

// TestGuideMemory plans the guide's job with every adapter from shapes and holds it to what GPUs have; docs/cuda.md has the table (-update writes it).
func TestGuideMemory(t *testing.T) {
	m, err := bench.MadeUp()
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("| picture | weights | text encoders | image encoder | sampling | decoding | most | may take |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for _, size := range []int{1024, 2048} {
		stages := m.GuideStages(bench.Guide{Width: size, Height: size, Steps: 30, Precision: program.F16})
		for _, streamed := range []bool{false, true} {
			e, name, limit := cuda.Planner(driver.Info{Processors: 108}), "resident", mayTake[size].resident
			if streamed {
				e.SaveMemory()
				name, limit = "streamed", mayTake[size].streamed
			}
			fmt.Fprintf(&b, "| %[1]dx%[1]d | %s |", size, name)
			var most int64
			for _, s := range stages {
				n := e.Estimate(s.Program, 0)
				most = max(most, n)
				fmt.Fprintf(&b, " %.2f GB |", float64(n)/1e9)
			}
			fmt.Fprintf(&b, " **%.2f GB** | %d GB |\n", float64(most)/1e9, limit/1e9)
			if most > limit {
				t.Errorf("%dx%d, weights %s: %d bytes, more than %d", size, size, name, most, limit)
			}
		}
	}
	const page = "../../docs/cuda.md"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), b.String()) {
		return
	}
	if !*update {
		t.Fatalf("%s has another table; go test ./internal/cudacost -run Memory -update writes:\n%s", page, b.String())
	}
	from := strings.Index(string(text), "| picture | weights |")
	to := from + strings.Index(string(text)[from:], "\n\n") + 1
	if err := os.WriteFile(page, []byte(string(text[:from])+b.String()+string(text[to:])), 0o644); err != nil {
		t.Fatal(err)
	}
}
