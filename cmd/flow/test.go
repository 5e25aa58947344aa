package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/report"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/internal/trial"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/spec"
)

// testFlags are the flags of flow test.
type testFlags struct {
	workflowFlags
	tier, run, update, junit, report string
	calibrate                        int
	watched                          *report.Run // of the test that runs
}

// Values of flags of flow test.
var (
	tierNames   = append(slices.Clone(spec.Tiers), "all")
	updateModes = []string{"failed", "stage"}
)

func testCommand(a *app) *cobra.Command {
	var f testFlags
	c := &cobra.Command{
		Use:   "test FILE|DIR/... ...",
		Short: "Render what workflows' tests ask for, and compare with goldens",
		Long: `Runs the tests of workflow files, or of all *.flow.yaml below a folder. A test renders its
parameters and holds outputs of nodes against goldens: equal bits pass; otherwise every bound
that it states has to hold. Where a run leaves its golden is named: the node, and of a loop the step.

A test needs the workflow's lock (flow lock), and reads what it pins.

What another build of flow has computed is not believed: it is computed anew.

--update writes the goldens of what failed; --update=stage writes them as .new files beside the
goldens and still fails, and flow test accept takes these. With CI=true no golden is written.

--calibrate runs each test in every numerics class, measures how far these are from the file's own,
and sets the bounds in the file: those that the test states, else cosine or ssim.

Exit codes: 0 all passed, 1 a test failed, 2 a file is wrong, 4 a run failed, 5 a lock or a golden is
missing or not what it says.`,
		Example: `  flow test castle.flow.yaml
  flow test examples/... --junit junit.xml --report report.html
  flow test castle.flow.yaml --update=stage && flow test accept castle.flow.yaml`,
		Args: takes(1, 0, "a FILE or DIR/..., or several"),
		RunE: func(c *cobra.Command, args []string) error {
			if c.Flags().Changed("calibrate") {
				return a.calibrate(c.Context(), args, &f)
			}
			return a.test(c.Context(), args, &f)
		},
	}
	f.addRun(c)
	fs := c.Flags()
	fs.StringVar(&f.tier, "tier", spec.Tiers[0], "which tests run: "+strings.Join(tierNames, ", "))
	fs.StringVar(&f.run, "run", "", "run the tests whose names match a regular expression")
	fs.StringVar(&f.update, "update", "", "write the goldens of what failed; stage: as .new files")
	fs.Lookup("update").NoOptDefVal = updateModes[0]
	fs.IntVar(&f.calibrate, "calibrate", 0, "run each test this many times in every numerics class, and set its bounds in the file from the spread")
	fs.Lookup("calibrate").NoOptDefVal = "2"
	fs.StringVar(&f.junit, "junit", "", "write JUnit XML to this file")
	fs.StringVar(&f.report, "report", "", "write a page (HTML) that shows what is expected, what was made and where they differ")
	_ = c.RegisterFlagCompletionFunc("tier", cobra.FixedCompletions(tierNames, cobra.ShellCompDirectiveNoFileComp))
	_ = c.RegisterFlagCompletionFunc("update", cobra.FixedCompletions(updateModes, cobra.ShellCompDirectiveNoFileComp))
	c.AddCommand(acceptCommand(a))
	return c
}

// inCI says whether a machine runs the command, as CI services tell.
func inCI() bool { return strings.EqualFold(os.Getenv("CI"), "true") }

// mode is what is done about goldens.
func (f *testFlags) mode() (trial.Mode, error) {
	if f.tier != "" && !slices.Contains(tierNames, f.tier) {
		return 0, fmt.Errorf("--tier %q is not one of %s", f.tier, strings.Join(tierNames, ", "))
	}
	if f.update != "" && f.precision+f.edition != "" {
		return 0, errors.New("goldens are of the file's own numerics: leave --precision and --edition out with --update")
	}
	switch f.update {
	case "":
		return trial.Compare, nil
	case updateModes[0]:
		if inCI() {
			return 0, errors.New("CI=true writes no golden: use --update=stage, look at what it wrote, and accept it on your own machine")
		}
		return trial.Rewrite, nil
	case updateModes[1]:
		return trial.Stage, nil
	}
	return 0, fmt.Errorf("--update=%s is not one of %s; --update alone is --update=%s", f.update, strings.Join(updateModes, ", "), updateModes[0])
}

// test runs tests and tells all who want to know.
func (a *app) test(ctx context.Context, args []string, f *testFlags) error {
	mode, err := f.mode()
	if err != nil {
		return err
	}
	for what, path := range map[string]string{"JUnit XML": f.junit, "the report": f.report} {
		if err := writable(what, path, ""); err != nil {
			return err
		}
	}
	opt, err := a.trial(args, f)
	if err != nil {
		return err
	}
	a.warn()
	opt.Check = func(w *flowruntime.Workflow) error { return a.pinned(ctx, w, f.precision+f.device+f.edition != "") }
	opt.Mode = mode
	files, err := trial.Find(args)
	if err != nil {
		return err
	}
	seen := make(map[*trial.Test]*report.Run)
	opt.End = func(t *trial.Test) {
		a.testLine(t)
		seen[t] = f.watched
	}
	done, err := trial.Run(ctx, files, *opt)
	if err != nil {
		return err
	}
	left, err := trial.Look(args, files)
	if err != nil {
		return &exitError{exitRun, err.Error()}
	}
	if err := a.tell(f, files, done, left, seen); err != nil {
		return err
	}
	switch trial.Worst(done) {
	case trial.Wrong:
		return &exitError{exitFile, ""}
	case trial.Broken:
		return &exitError{exitRun, ""}
	case trial.Fail:
		return &exitError{exitTest, ""}
	case trial.Differs:
		return &exitError{exitDiffers, ""}
	}
	return nil
}

// trial makes the options of tests.
func (a *app) trial(args []string, f *testFlags) (*trial.Options, error) {
	opt := &trial.Options{Tier: f.tier, Release: release(), On: a.onDevice}
	if f.run != "" {
		re, err := regexp.Compile(f.run)
		if err != nil {
			return nil, fmt.Errorf("--run: %w", err)
		}
		opt.Asked = re.MatchString
	}
	roots, err := trial.Roots(args)
	if err != nil {
		return nil, err
	}
	f.models = append(f.models, roots...)
	build, err := buildID()
	if err != nil {
		return nil, &exitError{exitRun, err.Error()}
	}
	opt.Runtime = func(file string) (flowruntime.Options, error) {
		o, _, err := a.options(file, &f.workflowFlags)
		o.Store = cache.Scoped(o.Store, "test "+build+f.device) // what one device made is no evidence of another
		if terminalWidth(a.err) != nil || a.verbose {
			o.Sink = a.sink(false)
		}
		if f.report != "" {
			f.watched = watch(&o)
		}
		return o, err
	}
	_, err = opt.Runtime(args[0]) // for what is wrong with flags
	return opt, err
}

// buildID names this program and the kernels that it runs, so that a test believes no other's results.
func buildID() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("this program cannot be found, which tests need to name it: %w", err)
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)[:16]) + " " + kernel.Best().Name, nil
}

// testWords are the states as they are shown.
var testWords = map[trial.State]string{trial.Left: "--", trial.Pass: "ok", trial.Updated: "updated", trial.Differs: "GOLDEN", trial.Fail: "FAIL", trial.Broken: "ERROR", trial.Wrong: "WRONG"}

// testLine shows a test that has ended.
func (a *app) testLine(t *trial.Test) {
	fmt.Fprintf(a.out, "%-7s %s: %s  %.1fs\n", testWords[t.State], safetext.Line(t.File), safetext.Line(t.Name), t.Seconds)
	say := func(format string, args ...any) {
		fmt.Fprintln(a.out, "        "+safetext.Line(fmt.Sprintf(format, args...)))
	}
	if t.Message != "" {
		say("%s", t.Message)
	}
	for _, x := range t.Expected {
		if x.Reason == "" || x.State == trial.Pass && x.Difference == nil {
			continue
		}
		say("%s:%d:%d: %s against %s: %s", t.File, x.Pos.Line, x.Pos.Col, x.Output, x.Golden, x.Reason)
		if where := x.Where(); where != "" {
			say("%s", where)
		}
		switch x.Wrote {
		case "staged":
			say("staged %s.new; flow test accept %s takes it", x.Golden, t.File)
		case "rewrote":
			say("wrote %s", x.Golden)
		}
	}
}

func acceptCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "accept FILE|DIR/... ...",
		Short:   "Take the goldens that flow test --update=stage has staged",
		Long:    "Puts the .new files that flow test --update=stage has written in the place of the goldens, of workflow files or of all below a folder.",
		Example: "  flow test accept castle.flow.yaml",
		Args:    takes(1, 0, "a FILE or DIR/..., or several"),
		RunE: func(_ *cobra.Command, args []string) error {
			if inCI() {
				return errors.New("CI=true writes no golden: accept on your own machine")
			}
			files, err := trial.Find(args)
			if err != nil {
				return err
			}
			left, err := trial.Look(args, files)
			if err != nil {
				return &exitError{exitRun, err.Error()}
			}
			if len(left.Staged) == 0 {
				return &exitError{exitFile, "nothing is staged: flow test --update=stage writes what failed as .new files"}
			}
			if err := trial.Accept(left.Staged); err != nil {
				return &exitError{exitRun, err.Error()}
			}
			for _, name := range left.Staged {
				fmt.Fprintln(a.out, safetext.Line(name))
			}
			return nil
		},
	}
}
