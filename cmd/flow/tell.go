package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/internal/report"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/internal/trial"
	"github.com/seed-8af8f8e1/flow/spec"
)

// tell shows what tests came to: on the terminal, to GitHub where that runs them, and in the files that were asked for.
func (a *app) tell(f *testFlags, files []string, done []*trial.File, left *trial.Leftovers, seen map[*trial.Test]*report.Run) error {
	var diags []spec.Diagnostic
	var tests []*report.Test
	for _, file := range done {
		diags = append(diags, file.Diagnostics...)
		for _, t := range file.Tests {
			tests = append(tests, reported(t, seen[t]))
		}
	}
	if len(diags) > 0 {
		if err := a.show(a.err, diags, f.format, files...); err != nil {
			return err
		}
	}
	for _, name := range left.Orphans {
		fmt.Fprintf(a.out, "orphan  %s: no test expects it\n", safetext.Line(name))
	}
	for _, name := range left.Staged {
		fmt.Fprintf(a.out, "staged  %s\n", safetext.Line(name))
	}
	counts := make(map[string]int)
	for _, t := range tests {
		counts[t.State]++
	}
	fmt.Fprintln(a.out, report.Counts(counts))
	if f.format == "github" || os.Getenv("GITHUB_ACTIONS") == "true" {
		if err := report.Annotations(a.out, tests, left.Orphans); err != nil {
			return err
		}
	}
	if path := os.Getenv("GITHUB_STEP_SUMMARY"); path != "" {
		if err := appendTo(path, func(w io.Writer) error { return report.Summary(w, tests, left.Orphans, left.Staged) }); err != nil {
			return &exitError{exitRun, "the step summary: " + err.Error()}
		}
	}
	if f.junit != "" {
		if err := create(f.junit, func(w io.Writer) error { return report.JUnit(w, tests) }); err != nil {
			return &exitError{exitRun, "JUnit XML: " + err.Error()}
		}
	}
	if f.report != "" {
		return writePage(f.report, testPage(tests, left.Orphans, left.Staged))
	}
	return nil
}

// create writes a file, whole or not at all; what is no regular file, such as a pipe, is written to.
func create(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(path, b.Bytes(), 0o666)
	}
	return writeFile(path, b.Bytes())
}

// appendTo adds to a file.
func appendTo(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}

// reportStates are the states of tests as reports tell them.
var reportStates = map[trial.State]string{trial.Left: report.Skipped, trial.Pass: report.Passed, trial.Updated: report.Changed,
	trial.Differs: report.Errored, trial.Fail: report.Failed, trial.Broken: report.Errored, trial.Wrong: report.Errored}

// reported is a test as a report tells it; run is what a page may show of its run, or nil.
func reported(t *trial.Test, run *report.Run) *report.Test {
	out := &report.Test{File: t.File, Name: t.Name, Doc: t.Doc, Tier: t.Tier, Line: t.Pos.Line, Column: t.Pos.Col, State: reportStates[t.State],
		Message: t.Message, Seconds: t.Seconds, Class: t.Class, Edition: t.Edition}
	given := make(map[string]bool)
	for _, p := range t.Params {
		out.Params = append(out.Params, report.Param{Name: p.Name, Value: p.Value, Given: p.Given})
		given[p.Name] = p.Given
	}
	if run != nil && t.Plan != nil {
		planned(run, t.Plan, nil, func(name string) bool { return given[name] })
		pictured(run, t.Plan)
		out.Run = run
	}
	for i, x := range t.Expected {
		r := expectation(x)
		out.Expected = append(out.Expected, r)
		if out.Run != nil {
			out.Run.Pictures[i].PNG, out.Run.Pictures[i].Path = r.Got, x.Golden
		}
	}
	return out
}

// expectation is an expectation as a report tells it.
func expectation(x *trial.Expected) *report.Expected {
	r := &report.Expected{Output: x.Output, Golden: x.Golden, Line: x.Pos.Line, Column: x.Pos.Col, State: reportStates[x.State], Reason: x.Reason, Wrote: x.Wrote,
		Want: png(x.Want), Got: png(x.Got)}
	if x.State == "" {
		r.State = report.Skipped
	}
	if x.Was != nil {
		r.GoldenClass, r.GoldenRelease = x.Was.Class, x.Was.Release
	}
	r.Where.Text = x.Where()
	if d := x.Divergence; d != nil {
		r.Where.Node, r.Where.Step = d.Node, d.Step
	} else if x.First != nil {
		r.Where.Node, r.Where.Step = x.First.Node, x.First.Step
	}
	for _, s := range x.Across {
		r.Where.Across = append(r.Where.Across, report.Kept{Step: s.Step, Cosine: s.Cosine, MaxAbs: s.MaxAbs, Within: s.Within})
	}
	if x.Difference == nil {
		return r
	}
	if r.Want != nil && r.Got != nil {
		r.Heat, r.HeatMost = report.Heat(r.Want, r.Got)
	}
	held := make(map[string]golden.Verdict)
	for _, v := range x.Verdicts {
		held[v.Bound.Name] = v
	}
	for _, b := range spec.Bounds {
		value := x.Difference.Of(b.Name)
		if value != value { // of another type of value
			continue
		}
		m := report.Measure{Name: b.Name, Value: golden.Number(value)}
		if v, ok := held[b.Name]; ok {
			m.Broken, m.Bound = !v.Holds, v.Wants()
		}
		r.Measures = append(r.Measures, m)
	}
	r.Measures = append(r.Measures, report.Measure{Name: "elements that differ", Value: fmt.Sprintf("%d of %d", x.Difference.Differ, x.Difference.Elements)})
	return r
}
