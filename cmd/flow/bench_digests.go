package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/digests"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
)

// undigested are the examples that have no row: sdxl comes without weights.
var undigested = []string{"sdxl"}

// portable are the precisions whose bits are the same everywhere.
var portable = []string{"fp32", "bf16"}

// digests runs the examples on every tier of kernels and shows whether their bits are equal.
func (a *app) digests(ctx context.Context, f *benchFlags, given func(flag string) bool) error {
	opt, err := a.digestOptions(f, given)
	if err != nil {
		return err
	}
	var earlier *digests.Document
	if f.compare != "" { // before minutes are spent
		if earlier, err = readDigests(f.compare); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "flow-digests-")
	if err != nil {
		return &exitError{exitRun, err.Error()}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if opt.Workflows, err = exampleWorkflows(dir); err != nil {
		return &exitError{exitRun, err.Error()}
	}
	say := &benchProgress{w: a.err, width: terminalWidth(a.err), verb: "rendering "}
	opt.Progress = say.at
	made, err := digests.Run(ctx, *opt)
	say.clear()
	if err != nil {
		return runError(ctx, err)
	}
	return a.showDigests(f, made, earlier)
}

// showDigests writes the table or the document, and fails where bits differ: between makers, or from what an earlier document says.
func (a *app) showDigests(f *benchFlags, made, earlier *digests.Document) error {
	var recorded, wrong []string
	if earlier != nil {
		changed, missing := made.Changes(earlier)
		recorded = made.Merge(earlier)
		wrong = changed
		for _, row := range missing {
			wrong = append(wrong, row+": "+f.compare+" does not have it")
		}
	}
	var err error
	if f.asJSON {
		err = made.Write(a.out)
	} else {
		err = digests.Table(a.out, made, recorded)
	}
	if err != nil {
		return err
	}
	for _, row := range made.Differing() {
		wrong = append(wrong, row+": not all made the same")
	}
	if len(wrong) > 0 {
		return &exitError{exitTest, "digests differ: " + strings.Join(wrong, "; ")}
	}
	return nil
}

// digestOptions checks the flags.
func (a *app) digestOptions(f *benchFlags, given func(flag string) bool) (*digests.Options, error) {
	for _, flag := range []string{"model", "batch", "repeat"} {
		if given(flag) {
			return nil, fmt.Errorf("--%s says nothing to --digests: it runs the examples with --size, --steps, --precision, --threads and --only", flag)
		}
	}
	opt := &digests.Options{Release: release(), Precisions: portable}
	if given("precision") {
		if !slices.Contains(portable, f.precision) {
			return nil, fmt.Errorf("--precision %q is not one of %s, whose bits are the same everywhere", f.precision, strings.Join(portable, ", "))
		}
		opt.Precisions = []string{f.precision}
	}
	if given("size") {
		width, height, err := sizeOf(f.size)
		if err != nil {
			return nil, err
		}
		if width != height || width%8 != 0 {
			return nil, errors.New("--size of --digests is one number of pixels, a multiple of 8")
		}
		opt.Size = width
	}
	if opt.Steps = f.steps; f.steps < 0 || f.steps > 999 {
		return nil, fmt.Errorf("--steps %d is not between 1 and 999", f.steps)
	}
	w := workflowFlags{memory: f.memory, threads: f.threads, noPacked: true}
	if err := w.check(); err != nil {
		return nil, err
	}
	if _, err := w.limit(); err != nil {
		return nil, err
	}
	opt.Open = func(file string) flowruntime.Options {
		o, _, _ := a.options(file, &w) // the flags were checked
		return o
	}
	var err error
	opt.Makers, err = chosenMakers(f.threads, f.only)
	return opt, err
}

// chosenMakers are the tiers of this machine with a number of workers: all, or those that --only names.
func chosenMakers(threads int, only []string) ([]digests.Maker, error) {
	makers := digests.Makers(runtime.GOARCH, threads)
	if len(only) == 0 {
		return makers, nil
	}
	var names []string
	for _, t := range kernel.Tiers() {
		names = append(names, t.Name)
	}
	for _, name := range only {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("--only %q is no tier of kernels that this machine has: %s", name, strings.Join(names, ", "))
		}
	}
	return slices.DeleteFunc(makers, func(m digests.Maker) bool { return !slices.Contains(only, m.Tier.Name) }), nil
}

// exampleWorkflows writes the examples that have rows below dir and lists their workflows.
func exampleWorkflows(dir string) (list []digests.Workflow, err error) {
	for _, name := range slices.Sorted(maps.Keys(examples)) {
		if slices.Contains(undigested, name) {
			continue
		}
		at := filepath.Join(dir, name)
		if err := writeExample(examples[name].parts, at); err != nil {
			return nil, err
		}
		files, err := filepath.Glob(filepath.Join(at, "*.flow.yaml"))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			list = append(list, digests.Workflow{Name: name + "/" + strings.TrimSuffix(filepath.Base(file), ".flow.yaml"), File: file})
		}
	}
	return list, nil
}

func readDigests(file string) (*digests.Document, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	d, err := digests.Read(f)
	if err != nil {
		return nil, &exitError{exitFile, fmt.Sprintf("%s: %v", safetext.Line(file), err)}
	}
	return d, nil
}
