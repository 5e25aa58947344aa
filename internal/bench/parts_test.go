package bench

import (
	"context"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// The time of a loop's steps is divided among the sorts of its operations, none of it counted twice, and their work is the program's.
func TestPartsAddUp(t *testing.T) {
	const steps = 5
	b := program.NewBuilder("test", program.F32)
	start := b.Input("start", program.Float32, 1, 8, 64)
	b.Loop(steps)
	c := b.Carry("c", start)
	b.Next(c, b.Activate(program.SiLU, nn.Linear(b, "linear", c, 64)))
	b.EndLoop()
	b.Output("y", c)
	p := b.Program()
	exec, err := cpu.New().Compile(p, program.Options{Weights: NewSynthetic(p), Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := &runner{Options: Options{Groups: Groups, Threads: 1, Progress: func(string, int, int) {}}, ctx: context.Background(), report: new(Report)}
	parts := r.newParts(job{name: "job", program: p})
	took, _, err := r.loop("job", p, exec, Inputs(p), 0, parts)
	if err != nil {
		t.Fatal(err)
	}
	parts.report(r)
	sums, work := make([]float64, steps), 0.0
	for _, row := range r.report.Rows {
		if row.Group != Parts || !strings.HasPrefix(row.Name, "job: ") || len(row.Seconds) != steps-1 {
			t.Fatalf("%+v", row)
		}
		for i, s := range row.Seconds {
			sums[i+1] += s
		}
		if row.Unit == FLOP {
			work += row.Work
		}
	}
	for i := 1; i < steps; i++ {
		if sums[i] <= 0 || sums[i] > took[i] {
			t.Errorf("step %d: parts take %v s of %v s", i, sums[i], took[i])
		}
	}
	if want := 2.0 * 8 * 64 * 64; len(r.report.Rows) != 2 || work != want {
		t.Errorf("%d rows, work %v, want %v", len(r.report.Rows), work, want)
	}
	if (&runner{Options: Options{Groups: []string{Jobs}}}).newParts(job{program: p}) != nil {
		t.Error("parts that nobody asked for")
	}
}
