package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/graph"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
)

func graphCommand(a *app) *cobra.Command {
	var f workflowFlags
	var as string
	c := &cobra.Command{
		Use:     "graph FILE",
		Short:   "Draw a workflow's graph as mermaid, dot or svg",
		Example: "  flow graph castle.flow.yaml --as svg > castle.svg",
		Args:    takes(1, 1, "one FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			a.readOnly = true
			if slices.Contains(graph.Forms, f.format) {
				return fmt.Errorf("--format is of diagnostics; write --as %s", f.format)
			}
			if !slices.Contains(graph.Forms, as) {
				return fmt.Errorf("--as %q is not one of %s", as, strings.Join(graph.Forms, ", "))
			}
			opt, diags, err := a.options(args[0], &f)
			if err != nil {
				return err
			}
			p, more := flowruntime.Graph(args[0], opt)
			diags = append(diags, more...)
			if p == nil {
				if err := a.show(a.err, diags, f.format, args[0], f.paramsFile); err != nil {
					return err
				}
				return &exitError{exitFile, ""}
			}
			return graph.Write(a.out, as, graph.Of(p))
		},
	}
	f.add(c)
	c.Flags().StringVar(&as, "as", "mermaid", "the form: "+strings.Join(graph.Forms, ", "))
	_ = c.RegisterFlagCompletionFunc("as", cobra.FixedCompletions(graph.Forms, cobra.ShellCompDirectiveNoFileComp))
	return c
}
