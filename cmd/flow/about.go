package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	"github.com/seed-8af8f8e1/flow/schema"
	"github.com/seed-8af8f8e1/flow/spec"
)

func schemaCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON schema of workflow files",
		Long: `Prints the JSON schema of workflow files. Editors with a YAML language server use it
by a first line such as
  # yaml-language-server: $schema=flow.v1.schema.json`,
		Args: nothing,
		RunE: func(*cobra.Command, []string) error { _, err := a.out.Write(schema.V1); return err },
	}
}

func kindsCommand(a *app) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:     "kinds [KIND]",
		Short:   "List the kinds of nodes, or one with its arguments and outputs",
		Example: "  flow kinds\n  flow kinds denoise",
		Args:    takes(0, 1, "one KIND"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return kindNames(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			list := kinds.Registry().All()
			if len(args) == 1 {
				k, err := kindCalled(args[0])
				if err != nil {
					return err
				}
				list = []*nodes.Kind{k}
			}
			if asJSON {
				return a.kindsJSON(list)
			}
			for i, k := range list {
				if len(args) == 0 {
					fmt.Fprintf(a.out, "%-16s %s\n", k.Name, k.Doc)
					continue
				}
				if i > 0 {
					fmt.Fprintln(a.out)
				}
				a.kind(k)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "write the kinds as JSON")
	return c
}

// kindCalled finds a kind by NAME or NAME@VERSION.
func kindCalled(s string) (*nodes.Kind, error) {
	name, _, versioned := strings.Cut(s, "@")
	var have []string
	for _, k := range kinds.Registry().All() {
		if k.ID() == s || !versioned && k.Name == name && k.Version == 1 {
			return k, nil
		}
		if k.Name == name {
			have = append(have, k.ID())
		}
	}
	if have != nil {
		return nil, fmt.Errorf("there is no %s; this release has %s", s, strings.Join(have, ", "))
	}
	return nil, fmt.Errorf("there is no kind %q; %s", s, or(spec.Suggest(name, kindNames()), "flow kinds lists them"))
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func kindNames() []string {
	var out []string
	for _, k := range kinds.Registry().All() {
		out = append(out, k.Name)
	}
	return out
}

// kind describes one kind.
func (a *app) kind(k *nodes.Kind) {
	fmt.Fprintf(a.out, "%s: %s\n\narguments\n", k.ID(), k.Doc)
	for i := range k.Args {
		a.arg("  ", &k.Args[i])
	}
	fmt.Fprintln(a.out, "\noutputs")
	for _, p := range k.Outputs {
		fmt.Fprintf(a.out, "  %-18s %-22s %s\n", p.Name, p.Type, p.Doc)
	}
}

func (a *app) arg(indent string, x *nodes.Arg) {
	sort := x.Type.String()
	switch {
	case x.Type == nodes.PortArg:
		sort = "$NODE, " + string(x.Port)
	case x.Type == nodes.EnumArg:
		sort = strings.Join(x.Enum, " | ")
	case x.Type == nodes.WeightsArg:
		sort = "$models.NAME"
	case x.Type == nodes.FileArg:
		sort = "$files.NAME"
	case x.Type == nodes.ListArg && x.Item != nil:
		sort = "list of " + listed(x.Item)
	}
	var notes []string
	if x.Required {
		notes = append(notes, "required")
	}
	if x.Default != nil {
		notes = append(notes, fmt.Sprintf("default %v", x.Default))
	}
	if x.Min != nil && x.Max != nil {
		notes = append(notes, fmt.Sprintf("%v to %v", *x.Min, *x.Max))
	}
	if x.MultipleOf > 0 {
		notes = append(notes, fmt.Sprintf("multiple of %d", x.MultipleOf))
	}
	if x.Template {
		notes = append(notes, "template")
	}
	doc := x.Doc
	if notes != nil {
		doc += " (" + strings.Join(notes, ", ") + ")"
	}
	fmt.Fprintf(a.out, "%s%-*s %-22s %s\n", indent, 20-len(indent), x.Name, sort, doc)
	fields := x.Fields
	if x.Type == nodes.ListArg && x.Item != nil {
		fields = x.Item.Fields
	}
	for i := range fields {
		a.arg(indent+"  ", &fields[i])
	}
}

// listed names the items of a list.
func listed(item *nodes.Arg) string {
	switch item.Type {
	case nodes.ObjectArg:
		return "maps"
	case nodes.PortArg:
		return "$NODE, " + string(item.Port)
	}
	return item.Type.String() + "s"
}

// kindJSON is a kind for programs.
type kindJSON struct {
	Name    string    `json:"name"`
	Version int       `json:"version"`
	Doc     string    `json:"doc"`
	Args    []argJSON `json:"arguments"`
	Outputs []argJSON `json:"outputs"`
}

type argJSON struct {
	Name     string    `json:"name"`
	Type     string    `json:"type"`
	Port     string    `json:"port,omitempty"`
	Required bool      `json:"required,omitempty"`
	Default  any       `json:"default,omitempty"`
	Enum     []string  `json:"enum,omitempty"`
	Doc      string    `json:"doc,omitempty"`
	Fields   []argJSON `json:"fields,omitempty"`
	Item     *argJSON  `json:"item,omitempty"` // of a list
}

func argsJSON(args []nodes.Arg) []argJSON {
	var out []argJSON
	for i := range args {
		x := &args[i]
		j := argJSON{Name: x.Name, Type: x.Type.String(), Port: string(x.Port), Required: x.Required, Default: x.Default, Enum: x.Enum, Doc: x.Doc, Fields: argsJSON(x.Fields)}
		if x.Item != nil {
			j.Item = &argsJSON([]nodes.Arg{*x.Item})[0]
		}
		out = append(out, j)
	}
	return out
}

func (a *app) kindsJSON(list []*nodes.Kind) error {
	var out []kindJSON
	for _, k := range list {
		j := kindJSON{Name: k.Name, Version: k.Version, Doc: k.Doc, Args: argsJSON(k.Args)}
		for _, p := range k.Outputs {
			j.Outputs = append(j.Outputs, argJSON{Name: p.Name, Type: string(p.Type), Doc: p.Doc})
		}
		out = append(out, j)
	}
	return a.json(out)
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the release and what it was built with", Args: nothing, RunE: func(*cobra.Command, []string) error {
		fmt.Fprintf(a.out, "flow %s\nlanguage %s\nnumerics %s, %s\n%s %s/%s\n", release(), spec.Version, nodes.Class(0), nodes.Class(1), runtime.Version(), runtime.GOOS, runtime.GOARCH)
		if info, ok := debug.ReadBuildInfo(); ok {
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" || s.Key == "vcs.time" || s.Key == "CGO_ENABLED" {
					fmt.Fprintf(a.out, "%s %s\n", s.Key, s.Value)
				}
			}
		}
		return nil
	}}
}
