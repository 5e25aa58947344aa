package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	"github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// picture is a run of the example's workflow beside the picture of diffusers' own pipeline.
type picture struct {
	Name    string
	Bytes   int // of the picture
	Unequal int // bytes that differ
	Levels  int // greatest difference of a byte
}

// ok says whether the bounds hold: one level, and 99.9% equal.
func (p picture) ok() bool {
	return p.Bytes > 0 && p.Levels <= 1 && float64(p.Unequal) <= (1-parity.PixelsEqual)*float64(p.Bytes)
}

// controlGuidance is the mistake that the comparison of pictures has to see: the example has 5.0.
const controlGuidance = "5.02"

// render is what to change in the example's workflow.
type render struct {
	precision     string
	seed          int
	height, width int
	guidance      string // as the file has it where empty
}

// pictures runs the example in fp32 at the sizes of the goldens.
func pictures(ctx context.Context, root string) ([]picture, error) {
	var out []picture
	for _, size := range [][2]int{{128, 128}, {104, 152}, {128, 88}} {
		p, err := against(ctx, root, render{precision: "fp32", seed: 42, height: size[0], width: size[1]})
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

// against compares a run with the golden of its size.
func against(ctx context.Context, root string, r render) (picture, error) {
	p := picture{Name: fmt.Sprintf("%dx%d", r.height, r.width)}
	data, err := os.ReadFile(filepath.Join(root, testdata, "endtoend", p.Name+".png"))
	if err != nil {
		return p, err
	}
	want, err := nodes.DecodePNG(data)
	if err != nil {
		return p, err
	}
	got, err := r.run(ctx, root)
	if err != nil {
		return p, err
	}
	if got.Width != want.Width || got.Height != want.Height {
		return p, fmt.Errorf("%s: the run gives %dx%d pixels", p.Name, got.Width, got.Height)
	}
	p.Bytes = len(want.Pix)
	for i := range want.Pix {
		d := max(int(got.Pix[i]), int(want.Pix[i])) - min(int(got.Pix[i]), int(want.Pix[i]))
		p.Levels = max(p.Levels, d)
		if d > 0 {
			p.Unequal++
		}
	}
	return p, nil
}

// run runs examples/castle/castle.flow.yaml as "flow run" does, with an empty store, and reads the picture that it wrote.
func (r render) run(ctx context.Context, root string) (*nodes.Image, error) {
	dir, err := os.MkdirTemp("", "flow-parity-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "castle.flow.yaml")
	if err := r.workflow(root, file); err != nil {
		return nil, err
	}
	seed, problem := spec.ParseOverride(fmt.Sprintf("seed=%d", r.seed))
	if problem != nil {
		return nil, errors.New(problem.Message)
	}
	example, err := filepath.Abs(filepath.Join(root, "examples/castle"))
	if err != nil {
		return nil, err
	}
	w, diags := runtime.Read(ctx, file, runtime.Options{
		Options: plan.Options{Registry: kinds.Registry(), Overrides: []spec.Override{seed}, Precision: r.precision,
			Files: runtime.FinderFor(file, []string{example}, nil)},
		Env: nodes.Env{Executor: cpu.New()}, Store: cache.NewMemory(), Sink: event.Discard, Folder: dir})
	if w == nil {
		return nil, fmt.Errorf("the example does not plan: %+v", diags)
	}
	defer w.Close()
	res, err := w.Run(ctx)
	if err != nil {
		return nil, err
	}
	if res.Err != nil {
		return nil, res.Err
	}
	if len(res.Written) != 1 {
		return nil, fmt.Errorf("the example writes %d files, want one", len(res.Written))
	}
	data, err := os.ReadFile(res.Written[0])
	if err != nil {
		return nil, err
	}
	return nodes.DecodePNG(data)
}

// workflow writes the example with the picture's size, which has one parameter for both sides there.
func (r render) workflow(root, file string) error {
	data, err := os.ReadFile(filepath.Join(root, "examples/castle/castle.flow.yaml"))
	if err != nil {
		return err
	}
	text := string(data)
	change := [][2]string{{"width: $params.size, height: $params.size", fmt.Sprintf("width: %d, height: %d", r.width, r.height)}}
	if r.guidance != "" {
		change = append(change, [2]string{"guidance: {scale: 5.0}", "guidance: {scale: " + r.guidance + "}"})
	}
	for _, c := range change {
		if strings.Count(text, c[0]) != 1 {
			return fmt.Errorf("the example no longer says %q", c[0])
		}
		text = strings.Replace(text, c[0], c[1], 1)
	}
	return os.WriteFile(file, []byte(text), 0o600)
}
