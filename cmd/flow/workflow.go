package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/machine"
	"github.com/seed-8af8f8e1/flow/internal/panels"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/schema"
	"github.com/seed-8af8f8e1/flow/spec"
)

// workflowFlags are the flags of commands that read a workflow.
type workflowFlags struct {
	params     []string
	paramsFile string
	cells      []string
	shard      string
	models     []string
	allow      []string
	precision  string
	device     string
	edition    string
	format     string
	threads    int
	memory     string
	noPacked   bool
	lowMemory  bool
}

func (f *workflowFlags) add(c *cobra.Command) {
	fs := c.Flags()
	fs.StringArrayVarP(&f.params, "param", "p", nil, "give a parameter a value: NAME=VALUE (repeatable)")
	fs.StringVar(&f.paramsFile, "params", "", "read values of parameters from a YAML or JSON file")
	fs.StringArrayVar(&f.cells, "cell", nil, "take the cells of the matrix with these values: NAME=VALUE,NAME=VALUE (repeatable)")
	f.addRun(c)
}

// addRun adds the flags of commands that take no values of parameters.
func (f *workflowFlags) addRun(c *cobra.Command) {
	fs := c.Flags()
	fs.StringVar(&f.precision, "precision", "", "override numerics.precision: "+strings.Join(spec.Precisions, " or "))
	fs.StringVar(&f.device, "device", "", "override numerics.device: "+strings.Join(spec.Devices, ", "))
	fs.StringVar(&f.edition, "edition", "", "override numerics.edition: "+strings.Join(spec.Editions, " or "))
	f.addPlaces(c)
	for name, values := range map[string][]string{"precision": spec.Precisions, "device": spec.Devices, "edition": spec.Editions} {
		_ = c.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

// addPlaces adds the flags that say where things are and what a run may use.
func (f *workflowFlags) addPlaces(c *cobra.Command) {
	fs := c.Flags()
	fs.StringArrayVar(&f.models, "models", nil, "look for models in this folder too (repeatable; also FLOW_MODELS)")
	fs.StringArrayVar(&f.allow, "allow-path", nil, "allow files below this folder to be read (repeatable)")
	fs.StringVar(&f.format, "format", "text", "how diagnostics are written: "+strings.Join(spec.Formats, ", "))
	fs.IntVar(&f.threads, "threads", 0, "workers; 0 for as many as the process may use (the result is the same)")
	fs.StringVar(&f.memory, "memory", "", "memory that a run may use, such as 4GB (default: what the machine and its control group allow)")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(spec.Formats, cobra.ShellCompDirectiveNoFileComp))
}

// addLowMemory adds the flag that trades time for memory.
func (f *workflowFlags) addLowMemory(c *cobra.Command) {
	c.Flags().BoolVar(&f.lowMemory, "low-memory", false, "take weights out of memory after each use, and decode in smaller bands: slower, the result is the same")
}

// addShard adds the flag that chooses a part of a matrix.
func (f *workflowFlags) addShard(c *cobra.Command) {
	c.Flags().StringVar(&f.shard, "shard", "", "take part I of N parts of the matrix, such as 1/4; each cell is in one (the same on every machine)")
}

// check refuses values of flags that do not exist.
func (f *workflowFlags) check() error {
	for _, x := range []struct {
		name, value string
		of          []string
	}{{"precision", f.precision, spec.Precisions}, {"device", f.device, spec.Devices}, {"edition", f.edition, spec.Editions}, {"format", f.format, spec.Formats}} {
		if x.value != "" && !slices.Contains(x.of, x.value) {
			return fmt.Errorf("--%s %q is not one of %s", x.name, x.value, strings.Join(x.of, ", "))
		}
	}
	if f.threads < 0 || f.threads > 1<<16 {
		return fmt.Errorf("--threads %d is no number of workers", f.threads)
	}
	return nil
}

// limit is the memory that a run may use in bytes.
func (f *workflowFlags) limit() (int64, error) {
	if f.memory == "" {
		return machine.Memory(), nil
	}
	n, err := humanize.ParseBytes(f.memory)
	if err != nil || n == 0 || n > 1<<60 {
		return 0, fmt.Errorf("--memory %q is no size; write 4GB or 500MB", f.memory)
	}
	return int64(n), nil
}

// overrides are the values of -p and --params; -p counts more.
func (f *workflowFlags) overrides() ([]spec.Override, []spec.Diagnostic) {
	var out []spec.Override
	var diags []spec.Diagnostic
	if f.paramsFile != "" {
		src, problem := spec.ReadFile(f.paramsFile)
		if problem != nil {
			return nil, []spec.Diagnostic{*problem}
		}
		out, diags = spec.ParseParams(f.paramsFile, src)
	}
	for _, s := range f.params {
		o, problem := spec.ParseOverride(s)
		if problem != nil {
			diags = append(diags, *problem)
			continue
		}
		out = append(out, o)
	}
	return out, diags
}

// options are the options of reading a workflow.
func (a *app) options(file string, f *workflowFlags) (flowruntime.Options, []spec.Diagnostic, error) {
	if err := f.check(); err != nil {
		return flowruntime.Options{}, nil, err
	}
	limit, err := f.limit()
	if err != nil {
		return flowruntime.Options{}, nil, err
	}
	shard, err := plan.ParseShard(f.shard)
	if err != nil {
		return flowruntime.Options{}, nil, err
	}
	every, err := checkpoints()
	if err != nil {
		return flowruntime.Options{}, nil, err
	}
	overrides, diags := f.overrides()
	roots := append([]string(nil), f.models...)
	roots = append(roots, filepath.SplitList(os.Getenv("FLOW_MODELS"))...)
	store, log := a.openStore(), a.log()
	dir, _ := cache.DefaultDir() // "" where there is none: the store is in memory then, with a warning
	log.Debug("read", "file", file, "memory", humanize.IBytes(uint64(max(limit, 0))), "models", roots, "cache", dir)
	return flowruntime.Options{
		Options: plan.Options{Registry: kinds.Registry(), Overrides: overrides, Cells: f.cells, Shard: shard, Files: flowruntime.FinderFor(file, roots, f.allow),
			Precision: f.precision, Device: f.device, Edition: f.edition, Auto: a.auto},
		Env:     nodes.Env{Executor: a.executor(f, store), Threads: f.threads, Log: log, LowMemory: f.lowMemory},
		Plan:    planOn,
		Store:   store,
		Sink:    event.Discard,
		Machine: machineName(f.threads),
		Memory:  limit,

		Checkpoint: every,

		Folder: filepath.Dir(file),
	}, diags, nil
}

// executor makes what runs programs. A run keeps packed weights in the cache, unless it is told not to; what only plans, which runs no
// program, looks at what is kept.
func (a *app) executor(f *workflowFlags, store cache.Store) *cpu.Executor {
	exec := cpu.New()
	if files, ok := store.(panels.Files); ok && !f.noPacked {
		exec.Keep(cpu.Keeping{Store: panels.NewStore(files), Warn: func(err error) { a.log().Warn(err.Error()) }})
		a.closers = append(a.closers, exec)
	}
	return exec
}

// read reads a workflow and shows its diagnostics. The workflow is nil, with an error, if one is an error.
func (a *app) read(ctx context.Context, file string, f *workflowFlags, opt flowruntime.Options, diags []spec.Diagnostic, quiet bool) (*flowruntime.Workflow, error) {
	w, more := flowruntime.Read(ctx, file, opt)
	diags = spec.Sort(append(diags, more...))
	if w != nil && !spec.Failed(diags) {
		diags = append(diags, schema.Validate(w.Plan.Doc)...)
	}
	if w != nil && f.shard != "" && len(w.Plan.Cells) == 0 {
		fmt.Fprintf(a.err, "shard %s has no cell: there are fewer cells than shards\n", f.shard)
	}
	failed := spec.Failed(diags)
	if len(diags) > 0 && (failed || !quiet) {
		if err := a.show(a.err, diags, f.format, file, f.paramsFile); err != nil {
			return nil, err
		}
	}
	if !failed {
		return w, nil
	}
	if w != nil {
		w.Close()
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return nil, &exitError{exitFile, ""}
}

// show writes diagnostics.
func (a *app) show(w io.Writer, diags []spec.Diagnostic, format string, files ...string) error {
	sources := make(map[string][]byte)
	for _, name := range files {
		if name == "" {
			continue
		}
		if src, problem := spec.ReadFile(name); problem == nil {
			sources[name] = src
		}
	}
	width := 0
	if columns := terminalWidth(w); columns != nil {
		width = columns()
	}
	return spec.Render(w, format, diags, sources, width, release())
}
