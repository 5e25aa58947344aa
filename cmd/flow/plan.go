package main

import (
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

func planCommand(a *app) *cobra.Command {
	var f workflowFlags
	var lf lockFlags
	var asJSON, check bool
	c := &cobra.Command{
		Use:   "plan FILE",
		Short: "Say what a run would do, and why",
		Long: `Shows for each node whether the cache answers (hit), it would run, or it depends
on what runs before it; with the reason and the memory it takes. It reads headers of weight
files only, computes nothing and writes nothing.`,
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
			if err := a.hold(c.Context(), w, args[0], &lf, f.format, false); err != nil {
				return err
			}
			rows := w.Explain()
			if asJSON {
				err = a.planJSON(nodes.Class(w.Plan.Precision), w.Plan.Edition, rows)
			} else {
				err = a.planText(a.out, rows)
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
	lf.add(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write the plan as JSON")
	c.Flags().BoolVar(&check, "check", false, "exit with 3 if anything would run")
	return c
}

func (a *app) planText(out io.Writer, rows []sched.Row) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tKIND\tSTATE\tMEMORY\tWHY")
	for _, r := range rows {
		memory, why := "-", r.Reason
		if r.Peak > 0 && !r.Step.Kind.Live() {
			memory = humanize.Bytes(uint64(r.Peak))
		}
		if r.Unread > 0 {
			why += fmt.Sprintf(": %s to hash", humanize.Bytes(uint64(r.Unread)))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", r.Step.Name, r.Step.Kind.Name, r.State, memory, why)
	}
	return w.Flush()
}

// planRow is one node in JSON.
type planRow struct {
	Node    string  `json:"node"`
	Kind    string  `json:"kind"`
	State   string  `json:"state"`
	Reason  string  `json:"reason,omitempty"`
	Key     string  `json:"key,omitempty"`
	ToHash  int64   `json:"bytes_to_hash,omitempty"`
	Memory  int64   `json:"memory_bytes,omitempty"`
	Seconds float64 `json:"last_seconds,omitempty"`
}

func (a *app) planJSON(class, edition string, rows []sched.Row) error {
	out := make([]planRow, 0, len(rows))
	for _, r := range rows {
		p := planRow{Node: r.Step.Name, Kind: r.Step.Kind.ID(), State: r.State, Reason: r.Reason, ToHash: r.Unread, Memory: r.Peak, Seconds: r.Last.Seconds()}
		if r.Key != nil {
			p.Key = r.Key.String()
		}
		out = append(out, p)
	}
	return a.json(map[string]any{"numerics": class, "edition": edition, "nodes": out})
}
