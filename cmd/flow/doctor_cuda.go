package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/seed-8af8f8e1/flow/cuda"
	"github.com/seed-8af8f8e1/flow/cuda/driver"
	"github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/internal/checkup"
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/digests"
	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
)

// The castle that flow doctor renders: pixels of a side and steps, and the same where the device is simulated.
const (
	castleSize, castleSteps       = 128, 30
	simulatedSize, simulatedSteps = 32, 1
)

// processor is what the processor is called beside the device.
const processor = "processor"

// sendTo is where the text goes.
const sendTo = "https://github.com/seed-8af8f8e1/flow/issues"

// doctorCUDA looks at a CUDA device and writes what is to be sent back.
func (a *app) doctorCUDA(ctx context.Context) (err error) {
	d, err := device()
	if err != nil {
		return err
	}
	defer func() {
		if failed := d.Close(); err == nil && failed != nil {
			err = &exitError{exitRun, failed.Error()}
		}
	}()
	start := time.Now()
	say := &benchProgress{w: a.err, width: terminalWidth(a.err), verb: "looking at "}
	defer say.clear()
	report, err := checkup.Run(ctx, d, checkup.Options{Progress: say.at})
	if err != nil {
		return runError(ctx, err)
	}
	castles, half, err := a.castles(ctx, d, say)
	if err != nil {
		return runError(ctx, err)
	}
	say.clear()
	return a.showDoctor(report, castles, half, time.Since(start))
}

// castles renders the castle on the device and on the processor, and in class fp16 on the device.
func (a *app) castles(ctx context.Context, d driver.Driver, say *benchProgress) (doc *digests.Document, half *halfCastle, err error) {
	dir, err := os.MkdirTemp("", "flow-doctor-")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.CopyFS(dir, castle.Files()); err != nil {
		return nil, nil, err
	}
	e, err := cuda.New(d)
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	opt := digests.Options{Workflows: []digests.Workflow{{Name: "castle", File: filepath.Join(dir, castle.Workflow)}}, Precisions: portable,
		Size: castleSize, Steps: castleSteps, Release: release(), Progress: say.at,
		Makers: []digests.Maker{{Name: "device", Executor: e}, {Name: processor, Tier: kernel.Best()}}}
	if d.Info().Simulated {
		opt.Size, opt.Steps = simulatedSize, simulatedSteps
	}
	opt.Open = func(file string) flowruntime.Options {
		o, _, _ := a.options(file, &workflowFlags{noPacked: true}) // no flag is given that could be wrong
		return o
	}
	var like *nodes.Image
	opt.Picture = func(precision, maker string, m *nodes.Image) {
		if precision == program.F32.String() && maker == processor {
			like = m
		}
	}
	if doc, err = digests.Run(ctx, opt); err != nil {
		return nil, nil, err
	}
	half, err = renderHalf(ctx, opt, like)
	return doc, half, err
}

// showDoctor writes the text to send, and fails where the device is wrong.
func (a *app) showDoctor(report *checkup.Report, castles *digests.Document, half *halfCastle, took time.Duration) error {
	fmt.Fprintf(a.out, "flow doctor --device cuda: please send all of this text to %s\n\n", sendTo)
	fmt.Fprintf(a.out, "flow       %s, %s/%s, %s\n", release(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	fmt.Fprintf(a.out, "processor  %s\n", machine.CPU())
	if err := checkup.Write(a.out, report); err != nil {
		return err
	}
	fmt.Fprintln(a.out, "\nthe castle, by device and processor")
	if err := digests.Table(a.out, castles, nil); err != nil {
		return err
	}
	half.write(a.out)
	wrong := castles.Differing()
	if !half.similar() {
		wrong = append(wrong, "the castle in fp16")
	}
	if !report.Equal() {
		wrong = append(wrong, "the suite")
	}
	if len(wrong) == 0 {
		fmt.Fprintf(a.out, "\nall well, in %v\n", took.Round(time.Second))
		return nil
	}
	fmt.Fprintf(a.out, "\nwrong on this device: %s; in %v\n", strings.Join(wrong, ", "), took.Round(time.Second))
	return &exitError{exitTest, "the device does not give the processor's results"}
}
