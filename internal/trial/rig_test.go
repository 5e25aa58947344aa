package trial

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	castleexample "github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// rig is the castle in a folder, tested by an engine that can be broken.
type rig struct {
	t    *testing.T
	file string
	opt  Options
	// numerics, where it is not empty, overrides the file's precision.
	numerics string
	broken   flaw
	between  func() // called before every run
}

// flaw is what is wrong with an engine.
type flaw struct {
	step    int  // one of the solver's coefficients is another from this step on, counted from 1; 0 for none
	text    bool // the text encoders
	picture bool // the autoencoder
}

// castleTests are two tests of the castle, of 5 and of 12 steps.
const castleTests = `tests:
  five:
    params: {steps: 5, size: 64}
    expect:
      latents.latents: {golden: goldens/five.safetensors, cosine: 0.999}
      image.image: {golden: goldens/five.png, ssim: 0.99}
  twelve:
    params: {steps: 12, size: 64}
    expect: {latents.latents: {golden: goldens/twelve.safetensors, cosine: 0.99}}
  noise:
    params: {size: 64}
    expect: {noise.latents: {golden: goldens/noise.safetensors}}
`

func newRig(t *testing.T) *rig {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, castleexample.Files()); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, file: filepath.Join(dir, castleexample.Workflow)}
	r.edit(func(s string) string { return s[:strings.Index(s, "tests:\n")] + castleTests })
	if err := os.RemoveAll(filepath.Join(dir, "goldens")); err != nil {
		t.Fatal(err)
	}
	r.opt = Options{Tier: "all", Release: "devel", Runtime: r.runtime}
	return r
}

// edit changes the workflow.
func (r *rig) edit(f func(string) string) {
	r.t.Helper()
	data, err := os.ReadFile(r.file)
	if err == nil {
		err = os.WriteFile(r.file, []byte(f(string(data))), 0o666)
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// runtime gives every run a store of its own, as another build would have.
func (r *rig) runtime(file string) (flowruntime.Options, error) {
	if r.between != nil {
		r.between()
	}
	return flowruntime.Options{
		Options: plan.Options{Registry: kinds.Registry(), Files: flowruntime.FinderFor(file, nil, nil), Precision: r.numerics},
		Env:     nodes.Env{Executor: broken{cpu.New(), r.broken}, Log: slog.New(slog.DiscardHandler)},
		Store:   cache.NewMemory(), Sink: event.Discard,
	}, nil
}

// run runs some tests; names are separated by commas.
func (r *rig) run(mode Mode, names string) map[string]*Test {
	r.t.Helper()
	opt := r.opt
	opt.Mode = mode
	opt.Asked = func(name string) bool { return strings.Contains(","+names+",", ","+name+",") }
	files, err := Run(r.t.Context(), []string{r.file}, opt)
	if err != nil || len(files) != 1 {
		r.t.Fatal(files, err)
	}
	out := make(map[string]*Test)
	for _, t := range files[0].Tests {
		out[t.Name] = t
	}
	return out
}

// files lists the goldens' folder.
func (r *rig) goldens() []string {
	r.t.Helper()
	names, err := fs.Glob(os.DirFS(filepath.Dir(r.file)), "goldens/*")
	if err != nil {
		r.t.Fatal(err)
	}
	return names
}

// broken is an executor with a flaw that no action key knows of, as a changed kernel is.
type broken struct {
	program.Executor
	flaw flaw
}

func (b broken) Compile(p *program.Program, opt program.Options) (program.Exec, error) {
	e, err := b.Executor.Compile(p, opt)
	if err != nil {
		return nil, err
	}
	return brokenExec{e, b.flaw}, nil
}

type brokenExec struct {
	program.Exec
	flaw flaw
}

func (b brokenExec) Run(ctx context.Context, in map[string]program.Tensor, opt program.RunOptions) (map[string]program.Tensor, error) {
	table, loop := in[sdxl.InCoefficients]
	if loop && b.flaw.step > 0 {
		changed := program.Tensor{Shape: table.Shape, F: append([]float32(nil), table.F...)}
		for step := b.flaw.step; step <= table.Shape[0]; step++ {
			changed.F[4*step-1] += 0.5 // of the predicted noise
		}
		in[sdxl.InCoefficients] = changed
	}
	out, err := b.Exec.Run(ctx, in, opt)
	for name, wrong := range map[string]bool{sdxl.OutContext: b.flaw.text, sdxl.OutPicture: b.flaw.picture} {
		if v, ok := out[name]; ok && wrong && !loop {
			for i := range v.F {
				v.F[i] += 0.4
			}
		}
	}
	return out, err
}
