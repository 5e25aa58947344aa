package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// report is everything that docs/parity.md shows.
type report struct {
	Versions map[string]string // of the reference, from the goldens
	Equal    []count           // tokens and noise
	Files    []fromFiles       // pictures read for image prompts
	GoJPEG   count             // what Go's own decoder makes of the JPEG files, as a control
	Models   []model
	Pictures []picture
	Control  picture // what a mistake makes of the first
	Loss     []loss  // of bf16
	Tiers    []tierRow
}

// count is a comparison in which nothing may differ.
type count struct {
	What            string
	Compared, Wrong int
}

// model is what was compared of one model.
type model struct {
	Name  string
	Cases []result
}

// result is a case with what its controls gave.
type result struct {
	Name     string
	Rows     []parity.Row
	Controls []mistake
}

// mistake is a control and by how many times it exceeds a bound.
type mistake struct {
	What  string
	Worst float64
}

// folders of the models, below the top of the repository.
var folders = []struct{ name, path string }{
	{"castle", "examples/castle/model"},
	{"oddball", "internal/sdxl/testdata/oddball/model"},
}

// measure compares everything.
func measure(ctx context.Context, root string) (*report, error) {
	r := &report{}
	var err error
	if r.Versions, err = versions(root); err != nil {
		return nil, err
	}
	if r.Equal, err = exact(root); err != nil {
		return nil, err
	}
	if r.Files, err = filesRead(root); err != nil {
		return nil, err
	}
	if r.GoJPEG, err = pixelsOf(root, "jpeg-", byGo); err != nil {
		return nil, err
	}
	for _, f := range folders {
		m, err := compare(ctx, root, f.name, f.path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		r.Models = append(r.Models, *m)
	}
	if r.Pictures, err = pictures(ctx, root); err != nil {
		return nil, err
	}
	if r.Control, err = against(ctx, root, render{precision: "fp32", seed: 42, height: 128, width: 128, guidance: controlGuidance}); err != nil {
		return nil, err
	}
	if r.Tiers, err = onTiers(ctx, root); err != nil {
		return nil, err
	}
	r.Loss, err = losses(ctx, root)
	return r, err
}

// compare runs all cases of a model and their controls.
func compare(ctx context.Context, root, name, path string) (*model, error) {
	m, err := sdxl.Open(filepath.Join(root, path), weights.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = m.Close() }()
	s := &parity.Suite{Model: m, Goldens: filepath.Join(root, testdata, name), Executor: cpu.New(), Precision: program.F32}
	out := &model{Name: name}
	for _, c := range parity.Cases(name) {
		rows, err := c.Run(ctx, s)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.Name, err)
		}
		res := result{Name: c.Name, Rows: rows}
		for _, x := range c.Controls {
			rows, err := x.Run(ctx, s, c)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", c.Name, x.Mistake, err)
			}
			res.Controls = append(res.Controls, mistake{x.Mistake, parity.Worst(rows)})
		}
		out.Cases = append(out.Cases, res)
	}
	if name == "castle" {
		cases, err := imageCases(ctx, root, s)
		if err != nil {
			return nil, err
		}
		out.Cases = append(out.Cases, cases...)
	}
	return out, nil
}

// failed names every bound that does not hold and every control that would not be seen.
func (r *report) failed() error {
	var errs []error
	for _, c := range r.Equal {
		if c.Wrong != 0 || c.Compared == 0 {
			errs = append(errs, fmt.Errorf("%s: %d of %d differ", c.What, c.Wrong, c.Compared))
		}
	}
	errs = append(errs, r.filesFailed()...)
	errs = append(errs, r.tiersFailed()...)
	for _, m := range r.Models {
		for _, c := range m.Cases {
			errs = append(errs, c.failed(m.Name)...)
		}
	}
	for _, p := range r.Pictures {
		if !p.ok() {
			errs = append(errs, fmt.Errorf("picture %s: %d of %d bytes differ, by %d levels at most", p.Name, p.Unequal, p.Bytes, p.Levels))
		}
	}
	if r.Control.Levels < 10 && float64(r.Control.Unequal) < 10*(1-parity.PixelsEqual)*float64(r.Control.Bytes) {
		errs = append(errs, fmt.Errorf("guidance %s is not seen in the picture", controlGuidance))
	}
	return errors.Join(errs...)
}

func (r *report) filesFailed() []error {
	var errs []error
	for _, f := range r.Files {
		if f.Pixels.Wrong != 0 || f.Pixels.Compared == 0 {
			errs = append(errs, fmt.Errorf("pixels from %s: %d of %d files differ", f.Format, f.Pixels.Wrong, f.Pixels.Compared))
		}
		for _, e := range []string{"diffusers", "refiners"} {
			if c := f.Inputs[e]; c.Wrong != 0 || c.Compared == 0 {
				errs = append(errs, fmt.Errorf("encoder inputs from %s, edition %s: %d of %d differ", f.Format, e, c.Wrong, c.Compared))
			}
		}
	}
	if 2*r.GoJPEG.Wrong < r.GoJPEG.Compared {
		errs = append(errs, fmt.Errorf("another JPEG decoder is not seen: %d of %d files differ", r.GoJPEG.Wrong, r.GoJPEG.Compared))
	}
	return errs
}

func (c *result) failed(model string) []error {
	var errs []error
	for _, row := range c.Rows {
		if !row.OK() {
			errs = append(errs, fmt.Errorf("%s, %s, %s: %.2e, bound %.0e", model, c.Name, row.Block, row.Difference, row.Bound))
		}
	}
	for _, x := range c.Controls {
		if !(x.Worst >= 10) {
			errs = append(errs, fmt.Errorf("%s, %s: %s is not seen: %.1f bounds", model, c.Name, x.What, x.Worst))
		}
	}
	return errs
}
