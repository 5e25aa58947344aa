package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/internal/trial"
	"github.com/seed-8af8f8e1/flow/spec"
)

// calibrate measures the spread of tests and sets their bounds in the workflow files.
func (a *app) calibrate(ctx context.Context, args []string, f *testFlags) error {
	switch {
	case f.calibrate < 1 || f.calibrate > 100:
		return fmt.Errorf("--calibrate=%d is no number of runs; write 1 to 100", f.calibrate)
	case inCI():
		return errors.New("CI=true writes no bounds: calibrate on your own machine")
	case f.update+f.junit+f.report+f.precision+f.edition+f.device != "":
		return errors.New("--calibrate judges nothing: leave --update, --junit, --report, --precision, --edition and --device out")
	}
	opt, err := a.trial(args, f)
	if err != nil {
		return err
	}
	files, err := trial.Find(args)
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := a.calibrateFile(ctx, file, f, opt); err != nil {
			return err
		}
	}
	return nil
}

// calibrateFile calibrates the tests of one workflow that were asked for.
func (a *app) calibrateFile(ctx context.Context, file string, f *testFlags, opt *trial.Options) error {
	doc, diags := spec.Load(file)
	if doc == nil || spec.Failed(diags) {
		return a.wrong(diags, f, file)
	}
	var edits []trial.Edit
	for _, t := range doc.Tests {
		if opt.Asked != nil && !opt.Asked(t.Name.Text) || f.tier != "all" && f.tier != t.Tier {
			continue
		}
		c, diags, err := opt.Calibrate(ctx, file, t.Name.Text, f.calibrate, portable)
		switch {
		case ctx.Err() != nil:
			return context.Canceled
		case diags != nil:
			return a.wrong(diags, f, file)
		case err != nil:
			return &exitError{exitRun, file + ": " + err.Error()}
		}
		edits = append(edits, c.Edits...)
		fmt.Fprintf(a.out, "%s: %s  %d runs in each of %s\n", safetext.Line(file), safetext.Line(t.Name.Text), c.Runs, strings.Join(c.Classes, ", "))
		for _, b := range c.Bounds {
			was := b.Was
			if was == "" {
				was = "none"
			}
			fmt.Fprintf(a.out, "        %s: %s %s -> %s (measured %s)\n", b.Output, b.Bound, was, b.Now, golden.Number(b.Measured))
		}
	}
	if len(edits) == 0 {
		return nil
	}
	src, err := os.ReadFile(file)
	if err != nil {
		return &exitError{exitRun, err.Error()}
	}
	text, err := trial.Apply(string(src), edits)
	if err == nil {
		if doc, diags := spec.Parse(file, []byte(text)); doc == nil || spec.Failed(diags) {
			err = errors.New("its bounds cannot be set where they stand; set them by hand")
		}
	}
	if err == nil {
		err = writeFile(file, []byte(text))
	}
	if err != nil {
		return &exitError{exitRun, fmt.Sprintf("%s: %v", file, err)}
	}
	return nil
}

// wrong shows diagnostics of a file that is wrong.
func (a *app) wrong(diags []spec.Diagnostic, f *testFlags, file string) error {
	if err := a.show(a.err, diags, f.format, file); err != nil {
		return err
	}
	return &exitError{exitFile, ""}
}
