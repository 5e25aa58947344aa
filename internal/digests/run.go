package digests

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Workflow is a workflow that is run: where it lies, and the name that it has in the document.
type Workflow struct{ Name, File string }

// Options are what is run.
type Options struct {
	Workflows  []Workflow
	Precisions []string // names of precisions, each a class
	Size       int      // pixels of a side, for workflows with a parameter size; 0 for what the file says
	Steps      int      // for those with a parameter steps; 0 for what the file says
	Release    string
	// Open makes the options of reading a workflow file; the executor and the store are filled in.
	Open func(file string) flowruntime.Options
	// Makers are what runs the workflows.
	Makers []Maker
	// Picture is given each decoded picture, in the precision and by the maker that made it. It may be nil.
	Picture func(precision, maker string, m *nodes.Image)
	// Progress is told what runs next, and of how many. It may be nil.
	Progress func(what string, done, total int)
}

// Maker is what makes bits: kernels with a number of workers, or another executor.
type Maker struct {
	Name     string
	Tier     kernel.Tier
	Threads  int
	Executor program.Executor // nil for the processor's, with Tier
}

// executor is what runs programs.
func (m *Maker) executor() program.Executor {
	if m.Executor != nil {
		return m.Executor
	}
	return cpu.WithTier(m.Tier)
}

// Makers are the tiers of this machine with a number of workers; where that is 0, with as many as the machine has, and the best of them with
// one worker and with three too. arch is the processor's architecture as Go names it.
func Makers(arch string, threads int) []Maker {
	var out []Maker
	tiers := kernel.Tiers()
	for _, t := range tiers {
		out = append(out, Maker{Name: arch + " " + t.Name, Tier: t, Threads: threads})
	}
	if threads != 0 {
		return out
	}
	best := tiers[len(tiers)-1]
	return append(out, Maker{Name: arch + " " + best.Name + ", 1 worker", Tier: best, Threads: 1},
		Maker{Name: arch + " " + best.Name + ", 3 workers", Tier: best, Threads: 3})
}

// Run runs every workflow in every class by every maker. Nothing is taken from a cache.
func Run(ctx context.Context, opt Options) (*Document, error) {
	d := &Document{Form: form, Release: opt.Release}
	total := len(opt.Workflows) * len(opt.Precisions) * len(opt.Makers)
	done := 0
	for _, w := range opt.Workflows {
		for _, precision := range opt.Precisions {
			row := Row{Workflow: w.Name, Size: opt.Size, Steps: opt.Steps, Made: make(map[string]Digest)}
			for _, m := range opt.Makers {
				if opt.Progress != nil {
					opt.Progress(fmt.Sprintf("%s in %s by %s", w.Name, precision, m.Name), done, total)
				}
				class, digest, err := render(ctx, w, precision, m, &opt)
				if err != nil {
					return nil, fmt.Errorf("%s in %s by %s: %w", w.Name, precision, m.Name, err)
				}
				row.Class, row.Made[m.Name] = class, digest
				done++
			}
			d.Rows = append(d.Rows, row)
		}
	}
	return d, nil
}

// render runs one workflow and digests its latents and pixels.
func render(ctx context.Context, w Workflow, precision string, m Maker, opt *Options) (class string, d Digest, err error) {
	o := opt.Open(w.File)
	o.Precision, o.Device = precision, "cpu"
	if precision == program.F16.String() {
		o.Device = "cuda" // which alone has it
	}
	o.Env.Executor, o.Env.Threads = m.executor(), m.Threads
	o.Store, o.Sink, o.Plan = cache.NewMemory(), event.Discard, nil // what plans and runs is the maker's
	doc, diags := spec.Load(w.File)
	if doc != nil {
		o.Overrides = overrides(doc, opt)
	}
	f, diags := flowruntime.ReadDocument(ctx, doc, diags, o)
	if f == nil {
		return "", d, diagnosed(diags)
	}
	defer f.Close()
	res, values, err := f.Collect(ctx)
	if err == nil {
		err = res.Err
	}
	if err != nil {
		return "", d, err
	}
	kinds := make(map[string]string)
	for _, s := range f.Plan.Steps {
		kinds[s.Name] = s.Kind.Name
	}
	for _, v := range values {
		if picture, ok := v.(*nodes.Image); ok && opt.Picture != nil {
			opt.Picture(precision, m.Name, picture)
		}
	}
	d = Digest{Latents: made(res, kinds, "denoise"), Pixels: made(res, kinds, "decode")}
	return nodes.Class(f.Plan.Precision), d, nil
}

// overrides gives the parameters of a workflow that are set: size and steps, where it has them, and the first axis of its matrix, so that one row of
// its cells runs, as a batch where they can.
func overrides(doc *spec.Document, opt *Options) (list []spec.Override) {
	set := func(name, value string) {
		if o, problem := spec.ParseOverride(name + "=" + value); problem == nil {
			list = append(list, o)
		}
	}
	for name, n := range map[string]int{"size": opt.Size, "steps": opt.Steps} {
		if n != 0 && slices.ContainsFunc(doc.Params, func(p *spec.Param) bool { return p.Name.Text == name }) {
			set(name, strconv.Itoa(n))
		}
	}
	if m := doc.Matrix; m != nil && len(m.Axes) > 1 && len(m.Axes[0].Values) > 0 {
		set(m.Axes[0].Name.Text, m.Axes[0].Values[0].Text)
	}
	return list
}

// diagnosed is the first error of a workflow file.
func diagnosed(diags []spec.Diagnostic) error {
	for _, d := range diags {
		if spec.Failed([]spec.Diagnostic{d}) {
			return d
		}
	}
	return errors.New("the workflow cannot be read")
}

// made is the digest of what the nodes of a kind made: that of the value, or where there are several one of all.
func made(res *sched.Result, kinds map[string]string, kind string) string {
	var digests, lines []string
	for _, s := range res.Steps {
		if kinds[s.Name] != kind {
			continue
		}
		for _, port := range slices.Sorted(maps.Keys(s.Outputs)) {
			digests = append(digests, s.Outputs[port].String())
			lines = append(lines, s.Name+"."+port+" "+s.Outputs[port].String()+"\n")
		}
	}
	if len(digests) == 1 {
		return digests[0]
	}
	slices.Sort(lines)
	h := sha256.New()
	for _, line := range lines {
		h.Write([]byte(line))
	}
	return hex.EncodeToString(h.Sum(nil))
}
