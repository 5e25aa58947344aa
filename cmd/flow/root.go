package main

import (
	"io"
	"log/slog"
	"os"
	"runtime/debug"

	charm "github.com/charmbracelet/log"
	"github.com/muesli/termenv"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

// app is what commands share.
type app struct {
	in       io.Reader
	out, err io.Writer
	verbose  bool
	store    cache.Store
	readOnly bool        // the command changes nothing, the cache neither
	warned   error       // why the store is in memory
	closers  []io.Closer // before the store
}

func (a *app) close() {
	for _, c := range a.closers {
		_ = c.Close()
	}
	if a.store != nil {
		_ = a.store.Close()
	}
}

func root(a *app) *cobra.Command {
	c := group(&cobra.Command{
		Use:   "flow",
		Short: "Render images from versioned workflow files",
		Long: `flow renders images from workflow files: YAML graphs of nodes that load a model,
encode a prompt, denoise and decode. The same file gives the same picture, to the
last bit, on every machine; what has been computed is answered from the cache.

  flow example castle        write an example with a small model into ./castle
  flow run FILE              render a workflow
  flow plan FILE             say what would run, and why
  flow why FILE NODE         say what a node asks otherwise than before
  flow validate FILE         say what is wrong with a file

Each command has --help. Exit codes: 0 ok, 1 another picture than before, 2 the file or the
command line is wrong, 3 plan --check found work, 4 the run failed, 5 the lock differs, 130 interrupted.
flow help language, environment and exit-codes say more.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       release(),
	})
	c.SetIn(a.in)
	c.SetOut(a.out)
	c.SetErr(a.err)
	c.PersistentFlags().BoolVarP(&a.verbose, "verbose", "v", false, "log what is done, on standard error")
	c.AddCommand(runCommand(a), testCommand(a), bisectCommand(a), showCommand(a), verifyCommand(a), validateCommand(a), planCommand(a), whyCommand(a), graphCommand(a), cacheCommand(a), schemaCommand(a),
		kindsCommand(a), doctorCommand(a), versionCommand(a), exampleCommand(a), lockCommand(a), convertCommand(a), loraCommand(a), benchCommand(a))
	c.AddCommand(topics()...)
	c.SetFlagErrorFunc(flagError)
	c.SetHelpCommand(helpCommand())
	c.InitDefaultCompletionCmd()
	if completion := child(c, "completion"); completion != nil {
		group(completion)
	}
	return c
}

// log is the logger; it is quiet unless -v is given.
func (a *app) log() *slog.Logger {
	level := charm.WarnLevel
	if a.verbose {
		level = charm.DebugLevel
	}
	// The writer is hidden, since the logger would ask a terminal for its colours and leave the answer to the shell.
	l := charm.NewWithOptions(struct{ io.Writer }{a.err}, charm.Options{Level: level, ReportTimestamp: true})
	if os.Getenv("NO_COLOR") == "" && terminalWidth(a.err) != nil {
		l.SetColorProfile(termenv.ANSI256)
	}
	return slog.New(l)
}

// openStore opens the cache; one that cannot be written costs a warning.
func (a *app) openStore() cache.Store {
	if a.store == nil {
		a.store, a.warned = cache.OpenOrMemory("", cache.Options{ReadOnly: a.readOnly})
	}
	return a.store
}

// terminalWidth gives the columns of a terminal; nil where w is none.
func terminalWidth(w io.Writer) func() int {
	if o, ok := w.(*output); ok {
		w = o.w
	}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil
	}
	return func() int {
		width, _, err := term.GetSize(int(f.Fd()))
		if err != nil || width < 1 {
			return 80
		}
		return width
	}
}

// release names this build.
func release() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return info.Main.Version
}
