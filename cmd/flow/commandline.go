package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-8af8f8e1/flow/spec"
)

// takes demands from least to most arguments, called what; most 0 is no bound.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s needs %s; write: flow %s", c.Name(), what, strings.TrimPrefix(c.UseLine(), "flow "))
		case most > 0 && len(args) > most:
			return fmt.Errorf("%s takes %s and no more, but %q is given too", c.Name(), what, args[most])
		}
		return nil
	}
}

// nothing refuses arguments.
func nothing(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument, but %q is given; %s --help shows its flags", c.Name(), args[0], c.CommandPath())
	}
	return nil
}

// group makes a command that only holds others: alone it shows its help, an unknown name is an error.
func group(c *cobra.Command) *cobra.Command {
	c.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return unknownCommand(c, args[0])
	}
	c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return c
}

func unknownCommand(c *cobra.Command, name string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return fmt.Errorf("%s has no command %q; %s", c.CommandPath(), name, or(spec.Suggest(name, names), "there are "+strings.Join(names, ", ")))
}

// flagError words the mistakes that pflag finds.
func flagError(c *cobra.Command, err error) error {
	help := c.CommandPath() + " --help shows the flags"
	var none *pflag.NotExistError
	var empty *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &none):
		name, dashes := none.GetSpecifiedName(), "--"
		if none.GetSpecifiedShortnames() != "" {
			dashes = "-"
		}
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		return fmt.Errorf("%s has no flag %s; %s", c.CommandPath(), dashes+name, or(spec.Suggest(dashes+name, names), help))
	case errors.As(err, &empty):
		return fmt.Errorf("--%s needs a value; %s", empty.GetFlag().Name, help)
	case errors.As(err, &invalid):
		kind := map[string]string{"int": "a whole number", "bool": "true or false"}[invalid.GetFlag().Value.Type()]
		return fmt.Errorf("--%s %q is not %s", invalid.GetFlag().Name, invalid.GetValue(), or(kind, "a value of it"))
	}
	return fmt.Errorf("%w; %s", err, help)
}

// helpCommand replaces cobra's, which takes an unknown command for a success.
func helpCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "help [COMMAND]",
		Short: "Explain a command",
		ValidArgsFunction: func(c *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			var names []string
			for _, sub := range c.Root().Commands() {
				names = append(names, sub.Name()+"\t"+sub.Short)
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(c *cobra.Command, args []string) error {
			at := c.Root()
			for _, name := range args {
				next := child(at, name)
				if next == nil {
					return unknownCommand(at, name)
				}
				at = next
			}
			at.InitDefaultHelpFlag()
			return at.Help()
		},
	}
}

func child(c *cobra.Command, name string) *cobra.Command {
	for _, sub := range c.Commands() {
		if sub.Name() == name {
			return sub
		}
	}
	return nil
}

// topics are pages of help that are no commands.
func topics() []*cobra.Command {
	return []*cobra.Command{
		{Use: "environment", Short: "Variables that flow reads", Long: `No variable changes a picture. These say where things are and how much is said:

  FLOW_CACHE_DIR  the cache's folder; else "flow" in the user's cache folder
  FLOW_MODELS     folders in which models are looked for too, as in PATH
  CI              "true" holds runs to the workflow's lock, if it has one, as --locked does
  NO_COLOR        logs (-v) without colours
  TERM=dumb       no live line of progress: plain lines, as when piped`},
		{Use: "exit-codes", Short: "What exit codes mean", Long: `  0    ok
  1    a picture is not as it was (verify), or a test failed
  2    the file or the command line is wrong; nothing ran
  3    plan --check found work
  4    the run, the cache or standard output failed
  5    a lock or a golden is missing, or not what it says
  130  interrupted (Ctrl-C or SIGTERM)`},
		{Use: "language", Short: "How a workflow file is written", Long: languageHelp},
	}
}

const languageHelp = `A workflow is YAML: a graph of nodes. flow example castle writes one to start from.

  flow: v1                                          the language's version
  name: castle
  params:                                           values that -p NAME=VALUE changes
    seed: {type: seed, default: 42}                 types: string, int, float, bool, seed
  models:                                           weight folders or files
    small: {path: model}
  nodes:                                            NAME: {kind: KIND, ARGUMENT: VALUE, ...}
    base: {kind: load-model, weights: $models.small}
    text: {kind: encode-prompt, model: $base, prompt: "a castle, ${name}"}
  outputs:                                          pictures that are written
    picture: {from: $image.image, path: "out/${params.seed}.png"}

A reference is a whole value: $NODE.OUTPUT (or $NODE where it has one output), $params.X,
$models.X, $files.X; $$ begins a text with a dollar sign. Inside a text that is a template,
${params.X} and ${name} are filled in, and $${ stands for ${.

flow kinds lists the kinds, flow kinds KIND their arguments. flow validate FILE says what is wrong
with a file; flow schema prints a JSON schema that editors use while you write.`
