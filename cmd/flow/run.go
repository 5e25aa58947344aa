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
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/lock"
)

func runCommand(a *app) *cobra.Command {
	var f workflowFlags
	var asJSON, force, bare bool
	var lf lockFlags
	var out, page, contactSheet string
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
			sink := a.sink(false)
			if asJSON {
				sink = ui.NewJSON(a.out)
			}
			if a.verbose {
				sink = logged{sink, a.log()}
			}
			if isPicture(args[0]) {
				if force {
					return errors.New("a picture's workflow writes over no file: leave --force out, or name another folder with --out")
				}
				return a.runPicture(c.Context(), args[0], &f, &lf, sink, out, asJSON, bare)
			}
			if lf.file != "" {
				return fmt.Errorf("--lock is for pictures; a workflow's lock lies beside it: %s", lock.Path(args[0]))
			}
			opt, diags, err := a.options(args[0], &f)
			if err != nil {
				return err
			}
			opt.Force = force
			if out != "" {
				opt.Folder = out
			}
			opt.Sink = sink
			var seen *report.Run
			if page != "" {
				seen = watch(&opt)
			}
			var cells *contact
			if contactSheet != "" {
				cells = newContact(contactSheet, &opt)
			}
			if !bare {
				opt.Release = release()
			}
			a.warn()
			w, err := a.read(c.Context(), args[0], &f, opt, diags, false)
			if err != nil {
				return err
			}
			defer w.Close()
			if err := a.hold(c.Context(), w, args[0], &lf, f.format, true); err != nil {
				return err
			}
			if seen != nil {
				planned(seen, w.Plan, w.Explain(), gives(opt.Overrides))
				pictured(seen, w.Plan)
			}
			if cells != nil {
				if err := cells.check(w, opt.Folder); err != nil {
					return err
				}
			}
			err = a.execute(c.Context(), w, asJSON)
			if seen != nil {
				err = errors.Join(err, writeRun(page, seen))
			}
			if cells != nil {
				err = errors.Join(err, cells.write(w.Plan))
			}
			return err
		},
	}
	f.add(c)
	f.addLowMemory(c)
	f.addShard(c)
	c.Flags().BoolVar(&f.noPacked, "no-packed", false, "neither use nor make packed weights in the cache (the result is the same)")
	lf.addPicture(c)
	c.Flags().StringVar(&page, "report", "", "write a page (HTML) about the run: pictures, graph, times, steps, parameters")
	c.Flags().StringVar(&contactSheet, "sheet", "", "write a contact sheet (PNG): the pictures of all cells of the matrix with labels")
	c.Flags().BoolVar(&bare, "no-metadata", false, "write pictures that do not say what made them")
	c.Flags().BoolVar(&asJSON, "json", false, "write events as lines of JSON on standard output")
	c.Flags().BoolVar(&force, "force", false, "overwrite files that flow did not write")
	c.Flags().StringVarP(&out, "out", "o", "", "write outputs below this folder (default: the workflow's)")
	return c
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

// runPicture renders the workflow that a picture holds.
func (a *app) runPicture(ctx context.Context, name string, f *workflowFlags, lf *lockFlags, sink event.Sink, out string, asJSON, bare bool) error {
	p, err := recorded(name)
	if err != nil {
		return err
	}
	w, err := a.pictureWorkflow(ctx, p, f, func(opt *flowruntime.Options) {
		opt.Sink = sink
		if out != "" {
			opt.Folder = out
		}
		if !bare {
			opt.Release = release()
		}
	})
	if err != nil {
		return err
	}
	defer w.Close()
	h, locked, err := a.pictureLock(ctx, w, p, lf, f.format, false)
	if err == nil && h != nil {
		err = a.judge(h, locked, f.format)
	}
	if err != nil {
		return err
	}
	a.warn()
	rows := w.Explain()
	a.estimate(w.Plan, rows, f.threads)
	if err := a.planText(a.err, w.Plan, rows); err != nil {
		return err
	}
	return a.execute(ctx, w, asJSON)
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
