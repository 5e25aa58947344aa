package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/internal/bench"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// benchFlags are the flags of flow bench.
type benchFlags struct {
	model, size, precision, compare, memory string
	only                                    []string
	batch, steps, repeat, threads           int
	device                                  string
	asJSON, digests, modelOnly              bool
}

func benchCommand(a *app) *cobra.Command {
	var f benchFlags
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this machine, operations and a model as shares of what it can do",
		Long: `Measures what this machine can do at most: arithmetic on registers for each tier of kernels,
reading of memory, SHA-256. Then operations as SDXL has them, as a share of that; and with
--model the parts of a model: both text encoders, one evaluation of the UNet, the decoding of
a picture. --model sdxl is the architecture of SDXL with weights that are made up: nothing is
read, and times are those of the real one. docs/bench/README.md says how to measure well.

--digests measures nothing: it renders the examples in fp32 and bf16 on every tier of kernels that
this machine has, with one worker and with several, and shows that latents and pixels have the same
bits. With --compare they are held against those of another machine. Exit code 1: bits differ.

--device cuda --model-only measures nothing either: it predicts what the guide's job on SDXL takes on
GPUs, from the launches, counters of the simulator and published peaks (docs/cuda-model.md).`,
		Example: "  flow bench\n  flow bench --model castle --size 128\n  flow bench --model sdxl --json > before.json\n  flow bench --model sdxl --compare before.json\n  flow bench --digests --size 64 --steps 2 --compare docs/digests.json",
		Args:    nothing,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.modelOnly || f.device != "" {
				return a.costModel(c.Context(), &f, c.Flags().Changed)
			}
			if f.digests {
				return a.digests(c.Context(), &f, c.Flags().Changed)
			}
			return a.bench(c.Context(), &f)
		},
	}
	fs := c.Flags()
	fs.StringVar(&f.model, "model", "", "measure the parts of a model: sdxl (made up), castle, or a model folder or file")
	fs.StringVar(&f.size, "size", "1024", "pixels of the picture: N or WIDTHxHEIGHT")
	fs.IntVar(&f.batch, "batch", 1, "batch of the UNet; guidance doubles it in a workflow")
	fs.IntVar(&f.steps, "steps", 0, "evaluations of the UNet in a row (default: one more than --repeat)")
	fs.IntVar(&f.repeat, "repeat", 5, "times that each thing is measured, after a first time that does not count")
	fs.StringVar(&f.precision, "precision", "bf16", "of products: "+strings.Join(portable, " or "))
	fs.IntVar(&f.threads, "threads", 0, "workers; 0 for as many as the process may use")
	fs.StringVar(&f.memory, "memory", "", "memory that may be used, such as 4GB (default: what the machine and its control group allow)")
	fs.StringSliceVar(&f.only, "only", nil, "measure these alone: "+strings.Join(bench.Groups, ", ")+"; with --digests: tiers of kernels")
	fs.BoolVar(&f.asJSON, "json", false, "write a JSON document with all samples")
	fs.BoolVar(&f.digests, "digests", false, "show the digests of the examples for each tier of kernels instead; --size and --steps make them smaller")
	fs.StringVar(&f.device, "device", "", "with --model-only: cuda")
	fs.BoolVar(&f.modelOnly, "model-only", false, "predict the guide's job on GPUs instead, without one; --size, --steps (30) and --precision (fp16) say which")
	fs.StringVar(&f.compare, "compare", "", "compare with a document that --json has written")
	for name, values := range map[string][]string{"precision": portable, "only": bench.Groups, "model": {bench.SDXL, "castle"}} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveDefault))
	}
	return c
}

// bench measures and shows.
func (a *app) bench(ctx context.Context, f *benchFlags) error {
	opt, err := f.options()
	if err != nil {
		return err
	}
	var before *bench.Report
	if f.compare != "" { // before minutes are spent
		if before, err = readReport(f.compare); err != nil {
			return err
		}
	}
	model, done, err := openBenchModel(f.model)
	if err != nil {
		return err
	}
	defer done()
	opt.Model = model
	say := &benchProgress{w: a.err, width: terminalWidth(a.err)}
	opt.Progress = say.at
	report, err := bench.Run(ctx, opt)
	say.clear()
	if err != nil {
		return runError(ctx, err)
	}
	if before != nil {
		var alone []string
		report.Comparison, alone = bench.Compare(before, report)
		a.benchWarnings(f.compare, bench.Differences(before, report), alone)
		if before.Busy() || report.Busy() {
			fmt.Fprintln(a.err, "warning: other work had the processors in one of the two runs, or in both: the ratios say little")
		}
	}
	if f.asJSON {
		return a.json(report)
	}
	if err := bench.Table(a.out, report); err != nil || before == nil {
		return err
	}
	fmt.Fprintln(a.out)
	return bench.ChangesTable(a.out, report.Comparison)
}

// runError is the error of measuring: an interrupt as it is, else exit code 4.
func runError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &exitError{exitInterrupted, "interrupted"}
	}
	return &exitError{exitRun, err.Error()}
}

// benchWarnings says what makes a comparison doubtful.
func (a *app) benchWarnings(file string, differ, alone []string) {
	if len(differ) > 0 {
		fmt.Fprintf(a.err, "warning: %s was made with other settings: %s\n", file, strings.Join(differ, ", "))
	}
	if len(alone) > 0 {
		fmt.Fprintf(a.err, "not compared, since one of the two lacks it: %s\n", strings.Join(alone, "; "))
	}
}

// options checks the flags.
func (f *benchFlags) options() (bench.Options, error) {
	opt := bench.Options{Batch: f.batch, Steps: f.steps, Threads: f.threads, Repeat: f.repeat, Release: release()}
	for _, g := range f.only {
		if !slices.Contains(bench.Groups, g) {
			return opt, fmt.Errorf("--only %q is not one of %s", g, strings.Join(bench.Groups, ", "))
		}
	}
	opt.Groups = f.only
	if slices.Contains(f.only, bench.Jobs) && f.model == "" {
		return opt, fmt.Errorf("--only %s needs a --model", bench.Jobs)
	}
	if slices.Contains(f.only, bench.Parts) && !slices.Contains(f.only, bench.Jobs) {
		return opt, fmt.Errorf("--only %s needs %s, too: it says where their time goes", bench.Parts, bench.Jobs)
	}
	if f.steps == 0 {
		opt.Steps = f.repeat + 1
	}
	for _, n := range []struct {
		name               string
		value, least, most int
	}{{"batch", f.batch, 1, 64}, {"steps", opt.Steps, 1, 1000}, {"repeat", f.repeat, 1, 999}, {"threads", f.threads, 0, 1 << 16}} {
		if n.value < n.least || n.value > n.most {
			return opt, fmt.Errorf("--%s %d is not between %d and %d", n.name, n.value, n.least, n.most)
		}
	}
	var err error
	if opt.Width, opt.Height, err = sizeOf(f.size); err != nil {
		return opt, err
	}
	w := workflowFlags{precision: f.precision, memory: f.memory}
	if err := w.check(); err != nil {
		return opt, err
	}
	if !slices.Contains(portable, f.precision) {
		return opt, fmt.Errorf("--precision %q is not one of %s: this measures the processor", f.precision, strings.Join(portable, ", "))
	}
	if opt.Precision = program.BF16; f.precision == program.F32.String() {
		opt.Precision = program.F32
	}
	opt.Memory, err = w.limit()
	return opt, err
}

// sizeOf reads N or WIDTHxHEIGHT.
func sizeOf(s string) (width, height int, err error) {
	w, h, two := strings.Cut(s, "x")
	if !two {
		h = w
	}
	for _, side := range []struct {
		text string
		n    *int
	}{{w, &width}, {h, &height}} {
		if _, err := fmt.Sscanf(side.text+" ", "%d ", side.n); err != nil || *side.n < 8 || *side.n > 8192 || fmt.Sprint(*side.n) != side.text {
			return 0, 0, fmt.Errorf("--size %q is no size; write 1024 or 832x1216", s)
		}
	}
	return width, height, nil
}

func readReport(file string) (*bench.Report, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r, err := bench.Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// openBenchModel opens what --model names; done closes it.
func openBenchModel(name string) (m *bench.Model, done func(), err error) {
	done = func() {}
	path := name
	switch name {
	case "":
		return nil, done, nil
	case bench.SDXL:
		m, err = bench.MadeUp()
		return m, done, err
	case "castle":
		dir, err := os.MkdirTemp("", "flow-bench-")
		if err != nil {
			return nil, done, &exitError{exitRun, err.Error()}
		}
		done = func() { _ = os.RemoveAll(dir) }
		if err := os.CopyFS(dir, castle.Model()); err != nil {
			done()
			return nil, func() {}, &exitError{exitRun, err.Error()}
		}
		path = filepath.Join(dir, "model")
	}
	files, err := sdxl.Open(path, weights.Options{})
	if err != nil {
		done()
		return nil, func() {}, err
	}
	remove := done
	return bench.Opened(name, files), func() { _ = files.Close(); remove() }, nil
}

// benchProgress shows what is at work: a line that changes on a terminal, or a line for each thing and one more every half a minute.
type benchProgress struct {
	verb  string // with a space; "measuring " where it is empty
	w     io.Writer
	width func() int // nil where w is no terminal
	row   string
	shown time.Time
}

func (p *benchProgress) at(row string, done, total int) {
	now := time.Now()
	verb := cmp.Or(p.verb, "measuring ")
	if p.width == nil {
		switch {
		case row != p.row:
			fmt.Fprintln(p.w, verb+row)
		case now.Sub(p.shown) > 30*time.Second:
			fmt.Fprintf(p.w, "%s%s: %d%%\n", verb, row, 100*done/max(total, 1))
		default:
			return
		}
		p.row, p.shown = row, now
		return
	}
	if row == p.row && now.Sub(p.shown) < 100*time.Millisecond {
		return
	}
	p.row, p.shown = row, now
	line := fmt.Sprintf("%s%s  %s%%", verb, row, fmt.Sprint(100*done/max(total, 1)))
	if most := p.width() - 1; len(line) > most {
		line = line[:max(most, 0)]
	}
	fmt.Fprintf(p.w, "\r\x1b[K%s", line)
}

// clear takes the line away.
func (p *benchProgress) clear() {
	if p.width != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
