package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/schema"
	"github.com/seed-8af8f8e1/flow/spec"
)

func validateCommand(a *app) *cobra.Command {
	var f workflowFlags
	c := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Say everything that is wrong with workflow files",
		Long: `Checks workflow files: the language, kinds and their arguments, the types of
references, and - from headers and shapes - models and sizes. All mistakes come in
one pass with line, column and what to do. Nothing is computed or written.`,
		Example: `  flow validate castle.flow.yaml
  flow validate --format github *.flow.yaml`,
		Args: takes(1, 0, "a FILE, or several"),
		RunE: func(c *cobra.Command, args []string) error {
			a.readOnly = true
			var all []spec.Diagnostic
			for _, file := range args {
				opt, diags, err := a.options(file, &f)
				if err != nil {
					return err
				}
				w, more := flowruntime.Read(c.Context(), file, opt)
				all = append(all, spec.Sort(append(diags, more...))...)
				if w != nil {
					all = append(all, schema.Validate(w.Plan.Doc)...)
					w.Close()
				}
			}
			if len(all) > 0 || f.format != "text" && f.format != "github" {
				if err := a.show(a.out, all, f.format, append(args, f.paramsFile)...); err != nil {
					return err
				}
			}
			if spec.Failed(all) {
				return &exitError{exitFile, ""}
			}
			if f.format == "text" {
				for _, file := range args {
					fmt.Fprintln(a.out, safetext.Line(file)+": ok")
				}
			}
			return nil
		},
	}
	f.add(c)
	return c
}
