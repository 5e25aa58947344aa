package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Options say what to measure.
type Options struct {
	Groups    []string // of [Groups]; nil for all
	Model     *Model   // of the jobs; nil for none
	Width     int      // pixels
	Height    int
	Batch     int // of the UNet's evaluations
	Steps     int // evaluations in a row; the first is a row of its own
	Precision program.Precision
	Threads   int // workers; 0 for as many as the process may use
	Repeat    int // times that each thing is measured, beside a first time that does not count
	Memory    int64
	Release   string
	// Progress is told what is at work: done of total parts of it. It may be nil.
	Progress func(row string, done, total int)

	small bool // sizes for tests
}

// runner measures into a report.
type runner struct {
	Options
	ctx    context.Context
	exec   *cpu.Executor
	tier   kernel.Tier
	report *Report
	busy   busy
}

// Run measures. It ends with ctx.Err() soon after ctx is done.
func Run(ctx context.Context, opt Options) (*Report, error) {
	if opt.Threads <= 0 {
		opt.Threads = runtime.GOMAXPROCS(0)
	}
	if opt.Groups == nil {
		opt.Groups = Groups
	}
	if opt.Progress == nil {
		opt.Progress = func(string, int, int) {}
	}
	r := &runner{Options: opt, ctx: ctx, exec: cpu.New(), tier: kernel.Best(), report: &Report{Version: Version, Machine: here(opt.Release)}}
	r.report.Settings = Settings{Precision: opt.Precision.String(), Threads: opt.Threads, Repeat: opt.Repeat}
	if opt.Model != nil {
		s := &r.report.Settings
		s.Model, s.Width, s.Height, s.Batch, s.Steps = opt.Model.Name, opt.Width, opt.Height, opt.Batch, opt.Steps
	}
	for _, g := range []struct {
		name string
		run  func() error
	}{{Limits, r.limits}, {Ops, r.operations}, {Jobs, r.jobs}} { // jobs measure parts, too
		if !slices.Contains(opt.Groups, g.name) {
			continue
		}
		r.probe()
		if err := g.run(); err != nil {
			return nil, err
		}
	}
	r.probe()
	return r.report, nil
}

// here describes this machine.
func here(release string) Machine {
	m := Machine{CPU: machine.CPU(), Tier: kernel.Best().Name, Cores: runtime.NumCPU(), Memory: machine.Memory(), OS: runtime.GOOS, Arch: runtime.GOARCH, Flow: release, Go: runtime.Version()}
	for _, t := range kernel.Tiers() {
		m.Tiers = append(m.Tiers, t.Name)
	}
	return m
}

// sample measures f Repeat times after a first time that does not count.
func (r *runner) sample(name string, f func() error) ([]float64, error) {
	var out []float64
	for i := range r.Repeat + 1 {
		r.Progress(name, i, r.Repeat+1)
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := f(); err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, seconds(time.Since(start)))
		}
	}
	return out, nil
}

// seconds is a time that is not nothing, even where the clock is coarse.
func seconds(d time.Duration) float64 { return max(d, time.Nanosecond).Seconds() }

// workers names a number of workers.
func workers(n int) string {
	if n == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", n)
}
