package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/provenance"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

func showCommand(a *app) *cobra.Command {
	var asJSON, workflow, statement bool
	c := &cobra.Command{
		Use:   "show PICTURE",
		Short: "Say what made a picture",
		Long: `Prints what a PNG that flow has written says of itself: release, numerics class and the
workflow with the values of its parameters. Of pictures of the A1111 web UI and of ComfyUI it
prints their parameters. Nothing is rendered.`,
		Example: `  flow show castle-42.png
  flow show castle-42.png --workflow > castle.flow.yaml
  flow show castle-42.png --statement > castle-42.png.intoto.json`,
		Args: takes(1, 1, "one PICTURE"),
		RunE: func(_ *cobra.Command, args []string) error {
			p, err := openPicture(args[0])
			if err != nil {
				return err
			}
			if (workflow || statement) && p.record == nil {
				_, err := recorded(args[0])
				return err
			}
			switch {
			case workflow:
				_, err = fmt.Fprint(a.out, safetext.Lines(p.record.Workflow))
				return err
			case statement:
				return a.json(p.record.Statement(baseName(p.name), p.sum))
			case asJSON:
				return a.json(map[string]any{"file": p.name, "sha256": p.sum, "flow": p.record, "others": provenance.Others(p.texts), "texts": p.others()})
			}
			return a.showPicture(p)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write all that is known as JSON")
	c.Flags().BoolVar(&workflow, "workflow", false, "print the workflow alone: a file for flow run")
	c.Flags().BoolVar(&statement, "statement", false, "print an in-toto statement about the file, for a signer")
	c.MarkFlagsMutuallyExclusive("json", "workflow", "statement")
	return c
}

// others are the texts that are no record of flow's.
func (p *pictureFile) others() map[string]string {
	out := make(map[string]string)
	for _, t := range p.texts {
		if t.Key != provenance.Key {
			out[t.Key] = t.Value
		}
	}
	return out
}

func (a *app) showPicture(p *pictureFile) error {
	found := provenance.Others(p.texts)
	if r := p.record; r != nil {
		fmt.Fprintf(a.out, "written by flow %s, output %q, %s\n", safetext.Line(r.Release), safetext.Line(r.Output), safetext.Line(r.Numerics))
		fmt.Fprintf(a.out, "pixels %s\n", short(safetext.Line(r.Pixels)))
		if r.Lock != "" {
			fmt.Fprintf(a.out, "lock %s\n", short(safetext.Line(r.Lock)))
		}
		for _, x := range r.Actions {
			fmt.Fprintf(a.out, "action %s %s\n", short(safetext.Line(x.Key)), safetext.Line(x.Node))
		}
		fmt.Fprintf(a.out, "\n%s", safetext.Lines(r.Workflow))
	}
	for _, f := range found {
		fmt.Fprintf(a.out, "written by %s\nprompt: %s\nnegative prompt: %s\n", f.Program, safetext.Line(f.Prompt), safetext.Line(f.Negative))
		for _, s := range f.Settings {
			fmt.Fprintf(a.out, "%s: %s\n", safetext.Line(s.Name), safetext.Line(s.Value))
		}
	}
	if p.record == nil && len(found) == 0 {
		return &exitError{exitFile, fmt.Sprintf("%s: %v", p.name, provenance.ErrNone)}
	}
	return nil
}
