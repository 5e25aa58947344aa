package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/report"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/internal/ui"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/lock"
)

// runFlags are the flags of flow run.
type runFlags struct {
	workflowFlags
	lock              lockFlags
	json, force, bare bool
	out, page, sheet  string
}

func runCommand(a *app) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run FILE|PICTURE",
		Short: "Render a workflow's pictures",
		Long: `Runs a workflow and writes its outputs below the workflow's folder (or --out).
What the cache knows is not computed again. A file that flow did not write is not
overwritten without --force. Ctrl-C stops within a second; what is finished stays.

A PNG that flow has written holds its workflow: given instead of FILE it is rendered again into
the current folder (or --out), over no file, after its plan is shown. It is held to the lock that
it was made with, where that lies beside it or in the current folder, or is named by --lock.`,
		Example: `  flow run castle.flow.yaml
  flow run castle.flow.yaml -p seed=43 -p "prompt=a red house on a beach"
  flow run castle.flow.yaml --json | jq .type`,
		Args: takes(1, 1, "one FILE or PICTURE"),
		RunE: func(c *cobra.Command, args []string) error {
			if err := writable("the report", f.page, args[0]); err != nil {
				return err
			}
			if isPicture(args[0]) {
				return a.runPicture(c.Context(), args[0], &f)
			}
			return a.runFile(c.Context(), args[0], &f)
		},
	}
	f.add(c)
	f.addLowMemory(c)
	f.addShard(c)
	c.Flags().BoolVar(&f.noPacked, "no-packed", false, "neither use nor make packed weights in the cache (the result is the same)")
	f.lock.addPicture(c)
	c.Flags().StringVar(&f.page, "report", "", "write a page (HTML) about the run: pictures, graph, times, steps, parameters")
	c.Flags().StringVar(&f.sheet, "sheet", "", "write a contact sheet (PNG): the pictures of all cells of the matrix with labels")
	c.Flags().BoolVar(&f.bare, "no-metadata", false, "write pictures that do not say what made them")
	c.Flags().BoolVar(&f.json, "json", false, "write events as lines of JSON on standard output")
	c.Flags().BoolVar(&f.force, "force", false, "overwrite files that flow did not write")
	c.Flags().StringVarP(&f.out, "out", "o", "", "write outputs below this folder (default: the workflow's)")
	return c
}

// onlooker is what sees a run besides the one who started it: the page and the contact sheet, nil where they are not wanted.
type onlooker struct {
	page  *report.Run
	sheet *contact
	given func(param string) bool
}

// prepare puts what the flags say into the options of a run.
func (a *app) prepare(opt *flowruntime.Options, f *runFlags) *onlooker {
	opt.Sink = a.sink(false)
	if f.json {
		opt.Sink = ui.NewJSON(a.out)
	}
	if a.verbose {
		opt.Sink = logged{opt.Sink, a.log()}
	}
	opt.Force = f.force
	if f.out != "" {
		opt.Folder = f.out
	}
	if !f.bare {
		opt.Release = release()
	}
	o := &onlooker{given: gives(opt.Overrides)}
	if f.page != "" {
		o.page = watch(opt)
	}
	if f.sheet != "" {
		o.sheet = newContact(f.sheet, opt)
	}
	return o
}

// render runs a workflow that was read, and writes what its onlookers have seen.
func (a *app) render(ctx context.Context, w *flowruntime.Workflow, o *onlooker, f *runFlags, folder string) error {
	if o.page != nil {
		planned(o.page, w.Plan, w.Explain(), o.given)
		pictured(o.page, w.Plan)
	}
	if o.sheet != nil {
		if err := o.sheet.check(w, folder); err != nil {
			return err
		}
	}
	err := a.execute(ctx, w, f.json)
	if o.page != nil {
		err = errors.Join(err, writeRun(f.page, o.page))
	}
	if o.sheet != nil {
		err = errors.Join(err, o.sheet.write(w.Plan))
	}
	return err
}

// runFile renders a workflow.
func (a *app) runFile(ctx context.Context, name string, f *runFlags) error {
	if f.lock.file != "" {
		return fmt.Errorf("--lock is for pictures; a workflow's lock lies beside it: %s", lock.Path(name))
	}
	opt, diags, err := a.options(name, &f.workflowFlags)
	if err != nil {
		return err
	}
	o := a.prepare(&opt, f)
	a.warn()
	w, err := a.read(ctx, name, &f.workflowFlags, opt, diags, false)
	if err != nil {
		return err
	}
	defer w.Close()
	h, err := a.hold(ctx, w, name, &f.lock, f.format, true)
	if err != nil {
		return err
	}
	if err := a.render(ctx, w, o, f, opt.Folder); err != nil {
		return err
	}
	return a.holdAgain(h, f.format)
}

// runPicture renders the workflow that a picture holds.
func (a *app) runPicture(ctx context.Context, name string, f *runFlags) error {
	if f.force {
		return errors.New("a picture's workflow writes over no file: leave --force out, or name another folder with --out")
	}
	p, err := recorded(name)
	if err != nil {
		return err
	}
	var o *onlooker
	var folder string
	var memory int64
	w, err := a.pictureWorkflow(ctx, p, &f.workflowFlags, func(opt *flowruntime.Options) {
		o = a.prepare(opt, f)
		folder, memory = opt.Folder, opt.Memory
	})
	if err != nil {
		return err
	}
	defer w.Close()
	h, locked, err := a.pictureLock(ctx, w, p, &f.lock, f.format, false)
	if err == nil && h != nil {
		err = a.judge(h, locked, f.format)
	}
	if err != nil {
		return err
	}
	a.warn()
	rows, peak := a.foresee(w, f.threads)
	if err := a.planText(a.err, w.Plan, rows, peak, memory); err != nil {
		return err
	}
	if err := a.render(ctx, w, o, f, folder); err != nil {
		return err
	}
	return a.holdAgain(h, f.format)
}

// warn says what a run should know of this machine.
func (a *app) warn() {
	if err := kernel.CheckSwitch(); err != nil {
		fmt.Fprintln(a.err, "warning:", err)
	}
	if a.warned != nil {
		fmt.Fprintln(a.err, "warning:", a.warned)
	}
}

// execute runs a workflow that was read; the paths of what was written go to standard output,
// unless they stand on the terminal already.
func (a *app) execute(ctx context.Context, w *flowruntime.Workflow, asJSON bool) error {
	done, err := a.onDevice(w)
	if err != nil {
		return err
	}
	defer done()
	a.log().Debug("run", "numerics", nodes.Class(w.Plan.Precision), "edition", w.Plan.Edition, "device", w.Plan.Device, "nodes", len(w.Plan.Steps))
	res, err := w.Run(ctx)
	if err != nil {
		return &exitError{exitRun, err.Error()}
	}
	seen := terminalWidth(a.out) != nil && terminalWidth(a.err) != nil // the lines of progress named them
	if !asJSON && !seen {
		for _, path := range res.Written {
			fmt.Fprintln(a.out, safetext.Line(path))
		}
	}
	switch {
	case errors.Is(res.Err, context.Canceled):
		return context.Canceled
	case res.Err != nil:
		return &exitError{exitRun, res.Err.Error()}
	}
	return nil
}
