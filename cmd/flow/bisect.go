package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/bisect"
	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/internal/trail"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
)

// parting is what flow bisect --json writes.
type parting struct {
	A      string            `json:"a"`
	B      string            `json:"b"`
	Same   bool              `json:"same"`
	Node   string            `json:"node,omitempty"`
	Kind   string            `json:"kind,omitempty"`
	Step   int               `json:"step,omitempty"`
	Steps  int               `json:"steps,omitempty"`
	Alone  string            `json:"alone,omitempty"` // the node is in one of the two alone
	Asked  []trail.Change    `json:"asked_otherwise,omitempty"`
	Places []bisect.Place    `json:"places,omitempty"`
	After  []bisect.Distance `json:"after_step,omitempty"`
	Made   []bisect.Distance `json:"made,omitempty"`
	Others []string          `json:"then,omitempty"`
}

func bisectCommand(a *app) *cobra.Command {
	var f workflowFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "bisect A B",
		Short: "Find the first node and step at which two workflows or runs differ",
		Long: `A and B are workflow files, pictures that flow has written, or the sidecars of goldens
(castle.png.json). Workflows, and those that pictures hold, are run as far as the cache does not know
them, and nothing is written; a sidecar is the record of a run of any build. The first node that made
something else is named, of a loop the first step; then what it was asked otherwise, where that
stands, and how far the two are apart. Exit codes: 0 they make the same, 1 they differ.`,
		Example: `  flow bisect castle.flow.yaml mine.flow.yaml
  flow bisect castle-42.png castle.flow.yaml -p steps=30
  flow bisect goldens/castle.png.json castle.flow.yaml -p steps=4 -p size=64`,
		Args: takes(2, 2, "A and B: workflow files, pictures or sidecars of goldens"),
		RunE: func(c *cobra.Command, args []string) error {
			var sides [2]*bisect.Side
			var runs [2]func() (*bisect.Side, error)
			for i, name := range args { // what is wrong with the second is said before the first is run
				run, err := a.side(c.Context(), name, &f, asJSON)
				if err != nil {
					return err
				}
				runs[i] = run
			}
			a.warn()
			for i, run := range runs {
				s, err := run()
				if err != nil {
					return err
				}
				sides[i] = s
			}
			found, err := bisect.Compare(c.Context(), sides[0], sides[1])
			if err != nil {
				return sideError(c.Context(), err)
			}
			if asJSON {
				err = a.json(partingOf(args, found))
			} else {
				a.partingText(args, found)
			}
			if err == nil && found.First != nil {
				err = &exitError{exitTest, ""}
			}
			return err
		},
	}
	f.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write what is found as JSON")
	return c
}

// sideError is the error of a run, or that it was stopped.
func sideError(ctx context.Context, err error) error {
	var e *exitError
	switch {
	case ctx.Err() != nil:
		return context.Canceled
	case errors.As(err, &e):
		return err
	}
	return &exitError{exitRun, err.Error()}
}

// side opens one of the two; what it gives runs it, where it is no record.
func (a *app) side(ctx context.Context, name string, f *workflowFlags, quiet bool) (func() (*bisect.Side, error), error) {
	read := func(change func(*flowruntime.Options)) (*flowruntime.Workflow, error) {
		opt, diags, err := a.options(name, f)
		if err != nil {
			return nil, err
		}
		opt.Sink = a.sink(quiet)
		change(&opt)
		return a.read(ctx, name, f, opt, diags, true)
	}
	switch {
	case strings.HasSuffix(name, ".json"):
		return record(name)
	case isPicture(name):
		p, err := openPicture(name)
		if err != nil {
			return nil, err
		}
		if p.record == nil {
			if _, err := os.Stat(name + golden.SidecarSuffix); err == nil {
				return record(name + golden.SidecarSuffix)
			}
			return nil, &exitError{exitFile, name + " says nothing of what made it, and no sidecar lies beside it"}
		}
		read = func(change func(*flowruntime.Options)) (*flowruntime.Workflow, error) {
			return a.pictureWorkflow(ctx, p, f, func(opt *flowruntime.Options) {
				opt.Sink = a.sink(quiet)
				change(opt)
			})
		}
	}
	w, err := read(func(*flowruntime.Options) {})
	if err != nil {
		return nil, sideError(ctx, err)
	}
	w.Close()
	return func() (*bisect.Side, error) { return a.runSide(ctx, name, read) }, nil
}

// runSide runs the workflow that read gives.
func (a *app) runSide(ctx context.Context, name string, read func(func(*flowruntime.Options)) (*flowruntime.Workflow, error)) (*bisect.Side, error) {
	s, err := bisect.Run(ctx, name, release(), func(change func(*flowruntime.Options)) (*flowruntime.Workflow, func(), error) {
		w, err := read(change)
		if err != nil {
			return nil, nil, err
		}
		done, err := a.onDevice(w)
		if err != nil {
			w.Close()
		}
		return w, done, err
	})
	if err != nil {
		return nil, sideError(ctx, err)
	}
	return s, nil
}

// record reads a sidecar.
func record(name string) (func() (*bisect.Side, error), error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, &exitError{exitFile, err.Error()}
	}
	defer func() { _ = file.Close() }()
	t, err := trail.Read(file)
	if err != nil {
		return nil, &exitError{exitFile, fmt.Sprintf("%s: %v", name, err)}
	}
	return func() (*bisect.Side, error) { return bisect.Record(name, t), nil }, nil
}

// partingOf is what is found, for programs.
func partingOf(args []string, f *bisect.Finding) *parting {
	p := &parting{A: args[0], B: args[1], Same: f.First == nil, Places: f.Places, After: f.Step, Made: f.Made, Others: f.Others}
	if d := f.First; d != nil {
		p.Node, p.Kind, p.Step, p.Steps, p.Alone, p.Asked = d.Node, d.Kind, d.Step, d.Steps, d.Missing, d.Changes
	}
	return p
}

// partingText says what is found.
func (a *app) partingText(args []string, f *bisect.Finding) {
	say := func(format string, args ...any) { fmt.Fprintln(a.out, safetext.Line(fmt.Sprintf(format, args...))) }
	if f.First == nil {
		say("%s and %s make the same", args[0], args[1])
		return
	}
	say("first difference: %s", f.First)
	for _, p := range f.Places {
		what := ""
		if p.Path != "" {
			what = " " + p.Path
		}
		say("  %s:%d:%d%s", p.File, p.Line, p.Col, what)
	}
	for _, d := range f.Step {
		say("  %s after step %d: %s", d.Output, f.First.Step, apart(d))
	}
	for _, d := range f.Made {
		say("  %s: %s", d.Output, apart(d))
	}
	if len(f.Others) > 0 {
		say("then: %s", strings.Join(f.Others, ", "))
	}
}

// apart is a distance in words.
func apart(d bisect.Distance) string {
	switch {
	case d.Problem != "":
		return d.Problem
	case d.Picture:
		return fmt.Sprintf("ssim %s, max-abs %s", golden.Number(d.SSIM), golden.Number(d.MaxAbs))
	}
	return fmt.Sprintf("cosine %.6f, max-abs %s", d.Cosine, golden.Number(d.MaxAbs))
}
