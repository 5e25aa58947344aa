package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/runtime/why"
)

func planCommand(a *app) *cobra.Command {
	var f workflowFlags
	var lf lockFlags
	var asJSON, check bool
	c := &cobra.Command{
		Use:   "plan FILE",
		Short: "Say what a run would do, and why",
		Long: `Shows for each node whether the cache answers (hit), it would run, or it depends
on what runs before it; with the reason, the memory and about the time it takes: from how long
the like took on this machine, or, with a ~, from what it multiplies a second. It reads headers
of weight files only, computes nothing of the workflow and writes nothing.`,
		Args: takes(1, 1, "one FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			a.readOnly = true
			opt, diags, err := a.options(args[0], &f)
			if err != nil {
				return err
			}
			w, err := a.read(c.Context(), args[0], &f, opt, diags, false)
			if err != nil {
				return err
			}
			defer w.Close()
			if _, err := a.hold(c.Context(), w, args[0], &lf, f.format, false); err != nil {
				return err
			}
			rows, peak := a.foresee(w, f.threads)
			a.reasons(w.Plan, rows)
			if asJSON {
				err = a.planJSON(w.Plan, rows, peak)
			} else {
				err = a.planText(a.out, w.Plan, rows, peak, opt.Memory)
			}
			if err != nil {
				return err
			}
			for _, row := range rows {
				if check && row.State != sched.WouldHit && row.State != sched.WouldOpen && row.State != sched.WouldNotRun {
					return &exitError{exitWork, ""}
				}
			}
			return nil
		},
	}
	f.add(c)
	f.addLowMemory(c)
	f.addShard(c)
	lf.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write the plan as JSON")
	c.Flags().BoolVar(&check, "check", false, "exit with 3 if anything would run")
	return c
}

// recent is the number of kept actions among which a plan looks for reasons.
const recent = 256

// reasons gives rows that would run, where something like them ran before, the difference as their reason.
func (a *app) reasons(p *plan.Plan, rows []sched.Row) {
	e := why.New(p, rows, cache.Memos(a.openStore()), why.Recent(a.openStore(), recent))
	e.Own = true
	for i := range rows {
		if rows[i].State == sched.WouldRun {
			rows[i].Reason = e.Explain(rows[i].Step).Reason()
		}
	}
}

func (a *app) planText(out io.Writer, p *plan.Plan, rows []sched.Row, peak *sched.Resident, memory int64) error {
	if p.Cells != nil {
		fmt.Fprintln(out, cellsText(p))
	}
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	cells := func(string) string { return "" }
	if p.Cells != nil {
		cells = func(s string) string { return s + "\t" }
	}
	fmt.Fprintln(w, "NODE\tKIND\tSTATE\t"+cells("CELLS")+"MEMORY\tTIME\tWHY")
	for _, r := range rows {
		memory, takes, why := "-", "-", r.Reason
		if r.Takes > 0 {
			takes = about(r.Takes)
			if r.From == sched.FromSpeed {
				takes = "~" + takes
			}
		}
		if r.Peak > 0 && !r.Step.Kind.Live() {
			memory = humanize.Bytes(uint64(r.Peak))
		}
		if r.Unread > 0 {
			why += fmt.Sprintf(": %s to hash", humanize.Bytes(uint64(r.Unread)))
		}
		if r.Total > 0 {
			why += fmt.Sprintf("; goes on from step %d of %d", r.Done, r.Total)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s%s\t%s\t%s\n", safetext.Line(r.Step.Name), r.Step.Kind.Name, r.State, cells(strconv.Itoa(r.Step.Cells)), memory, takes, safetext.Line(why))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, text := range []string{whole(rows), peakText(peak, memory)} {
		if text == "" {
			continue
		}
		if _, err := fmt.Fprintln(out, text); err != nil {
			return err
		}
	}
	return nil
}

// cellsText says how many cells a matrix has, and what they share.
func cellsText(p *plan.Plan) string {
	var parts []string
	values := make(map[string]map[string]bool)
	included, alone := 0, 0
	for _, c := range p.Cells {
		if c.At == nil {
			included++
			continue
		}
		for _, o := range c.Values {
			if values[o.Name] == nil {
				values[o.Name] = make(map[string]bool)
			}
			values[o.Name][o.Value.Text] = true
		}
	}
	for _, x := range p.Doc.Matrix.Axes {
		if n := len(values[x.Name.Text]); n > 0 {
			parts = append(parts, fmt.Sprintf("%s (%d)", x.Name.Text, n))
		}
	}
	of := strings.Join(parts, " x ")
	if included > 0 {
		of = strings.TrimPrefix(fmt.Sprintf("%s and include (%d)", of, included), " and ")
	}
	for _, s := range p.Steps {
		alone += s.Cells
	}
	return fmt.Sprintf("cells: %d of %s; steps: %d, without sharing %d", len(p.Cells), of, len(p.Steps), alone)
}

// planRow is one node in JSON.
type planRow struct {
	Node    string  `json:"node"`
	Name    string  `json:"name_in_file,omitempty"` // where a matrix makes several steps of it
	Cells   int     `json:"cells,omitempty"`
	Kind    string  `json:"kind"`
	State   string  `json:"state"`
	Reason  string  `json:"reason,omitempty"`
	Key     string  `json:"key,omitempty"`
	ToHash  int64   `json:"bytes_to_hash,omitempty"`
	Memory  int64   `json:"memory_bytes,omitempty"`
	Weights int64   `json:"weights_bytes,omitempty"`
	Seconds float64 `json:"last_seconds,omitempty"`
	Takes   float64 `json:"estimated_seconds,omitempty"`
	From    string  `json:"estimated_from,omitempty"` // history or speed
	GoesOn  *goesOn `json:"goes_on,omitempty"`
}

// goesOn is the step of a loop after which a run would go on; the estimate is of the others.
type goesOn struct {
	Done  int `json:"done"`
	Total int `json:"total"`
}

func (a *app) planJSON(of *plan.Plan, rows []sched.Row, peak *sched.Resident) error {
	out := make([]planRow, 0, len(rows))
	for _, r := range rows {
		p := planRow{Node: r.Step.Name, Cells: r.Step.Cells, Kind: r.Step.Kind.ID(), State: r.State, Reason: r.Reason, ToHash: r.Unread, Memory: r.Peak, Weights: r.Weights, Seconds: r.Last.Seconds(), Takes: r.Takes.Seconds(), From: r.From}
		if r.Key != nil {
			p.Key = r.Key.String()
		}
		if r.Total > 0 {
			p.GoesOn = &goesOn{r.Done, r.Total}
		}
		if r.Step.Name != r.Step.Node {
			p.Name = r.Step.Node
		}
		out = append(out, p)
	}
	all := map[string]any{"numerics": nodes.Class(of.Precision), "edition": of.Edition, "nodes": out}
	if of.Cells != nil {
		all["cells"] = cellsJSON(of)
	}
	if peak != nil {
		all["peak"] = peakJSON(*peak)
	}
	return a.json(all)
}

// cellJSON is one cell in JSON.
type cellJSON struct {
	Cell   string            `json:"cell"`
	Params map[string]string `json:"params"`
	Paths  map[string]string `json:"paths"` // by output
}

func cellsJSON(p *plan.Plan) []cellJSON {
	out := make([]cellJSON, 0, len(p.Cells))
	for _, c := range p.Cells {
		j := cellJSON{Cell: c.Label, Params: make(map[string]string), Paths: make(map[string]string)}
		for _, o := range c.Values {
			j.Params[o.Name] = o.Value.Text
		}
		for _, o := range p.Outputs {
			if slices.Contains(o.Cells, c) {
				j.Paths[o.Node] = o.Path
			}
		}
		out = append(out, j)
	}
	return out
}
