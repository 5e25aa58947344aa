package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/lock"
	"github.com/seed-8af8f8e1/flow/spec"
)

func lockCommand(a *app) *cobra.Command {
	var f workflowFlags
	var check bool
	c := &cobra.Command{
		Use:   "lock FILE",
		Short: "Pin what a workflow reads: write FILE's lock",
		Long: `Writes castle.flow.lock beside castle.flow.yaml: the content of each file of each model and
of each input file, the versions of the kinds, and the numerics as they were resolved. Nothing
of what a run makes is in it, and no time. flow run --locked holds a run to it; with CI=true
that is the default. Files that have not changed since they were last hashed are not read again.`,
		Example: "  flow lock castle.flow.yaml\n  flow lock castle.flow.yaml --check",
		Args:    takes(1, 1, "one FILE"),
		RunE: func(c *cobra.Command, args []string) error {
			a.readOnly = check
			opt, diags, err := a.options(args[0], &f)
			if err != nil {
				return err
			}
			opt.Tests = true
			w, err := a.read(c.Context(), args[0], &f, opt, diags, false)
			if err != nil {
				return err
			}
			defer w.Close()
			return a.lock(c.Context(), w, args[0], check)
		},
	}
	f.add(c)
	c.Flags().BoolVar(&check, "check", false, "write nothing; exit with 5 if the lock is not what would be written")
	return c
}

// lock writes a workflow's lock, or compares it with what would be written.
func (a *app) lock(ctx context.Context, w *flowruntime.Workflow, file string, check bool) error {
	path := lock.Path(file)
	l := lock.Of(w.Plan)
	m := cache.Memos(a.openStore())
	if n := l.Unread(m, true); n > 64<<20 {
		fmt.Fprintf(a.err, "hashing %s\n", humanize.Bytes(uint64(n)))
	}
	if err := l.Fill(ctx, m, true); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return &exitError{exitRun, err.Error()}
	}
	text := l.Encode()
	old, err := os.ReadFile(path)
	switch {
	case err == nil && string(old) == string(text):
		fmt.Fprintln(a.out, safetext.Line(path)+": ok")
		return nil
	case check && errors.Is(err, fs.ErrNotExist):
		return &exitError{exitDiffers, fmt.Sprintf("there is no %s; write it: flow lock %s", safetext.Line(path), safetext.Line(file))}
	case check:
		return a.checkWhole(ctx, w, path)
	case err == nil && !ours(old):
		return &exitError{exitRun, fmt.Sprintf("%s is there and is no lock; rename one of the two files", safetext.Line(path))}
	}
	if err := writeFile(path, text); err != nil {
		return &exitError{exitRun, err.Error()}
	}
	fmt.Fprintln(a.out, safetext.Line(path))
	return nil
}

// ours says whether a file begins as a lock does, so that nothing else is overwritten.
func ours(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			return strings.HasPrefix(line, "lock:")
		}
	}
	return true
}

// checkWhole says how a lock is not what would be written.
func (a *app) checkWhole(ctx context.Context, w *flowruntime.Workflow, path string) error {
	l, diags := lock.Read(path)
	if l == nil {
		return a.refuse(diags, path, "text", exitFile)
	}
	diags, err := l.Check(ctx, w.Plan, cache.Memos(a.openStore()))
	if err != nil {
		return &exitError{exitRun, err.Error()}
	}
	if len(diags) == 0 {
		return &exitError{exitDiffers, path + " pins what is there, and is not written as flow lock writes it"}
	}
	return a.refuse(diags, path, "text", exitDiffers)
}

// refuse shows diagnostics and ends with a code.
func (a *app) refuse(diags []spec.Diagnostic, file, format string, code int) error {
	if err := a.show(a.err, diags, format, file); err != nil {
		return err
	}
	return &exitError{code, ""}
}

// lockFlags say how a command treats the workflow's lock.
type lockFlags struct {
	locked, offline bool
	file            string // of the lock, for a picture
	command         *cobra.Command
}

func (f *lockFlags) add(c *cobra.Command) {
	f.command = c
	c.Flags().BoolVar(&f.locked, "locked", false, "what differs from the lock is an error (default where CI=true and there is a lock; --locked=false)")
	c.Flags().BoolVar(&f.offline, "offline", false, "never use the network; flow never does, whatever this says")
}

// strict says whether what differs is an error; found that there is a lock.
func (f *lockFlags) strict(found bool) bool {
	if !f.command.Flags().Changed("locked") && strings.EqualFold(os.Getenv("CI"), "true") {
		return found
	}
	return f.locked
}

// hold compares a workflow with its lock, nil where it has none. With --locked what differs is an error, without it a warning, as is a lock that is
// not there. Files are hashed, where that is not remembered, only with --locked and if hash says so.
func (a *app) hold(ctx context.Context, w *flowruntime.Workflow, file string, f *lockFlags, format string, hash bool) (*held, error) {
	path := lock.Path(file)
	_, err := os.Stat(path)
	locked := f.strict(err == nil)
	if err != nil {
		how := noLock("the workflow", file)
		if locked {
			return nil, &exitError{exitDiffers, how}
		}
		if hash {
			fmt.Fprintln(a.err, "warning:", safetext.Line(how))
		}
		return nil, nil
	}
	src, problem := spec.ReadFile(path)
	if problem != nil {
		return nil, a.refuse([]spec.Diagnostic{*problem}, path, format, exitFile)
	}
	l, diags := lock.Parse(path, src)
	if l == nil {
		return nil, a.refuse(diags, path, format, exitFile)
	}
	h, err := a.compare(ctx, w, &lockFile{path, src, l}, locked && hash)
	if err != nil {
		return nil, err
	}
	if locked && len(h.diags) == 0 {
		a.unheld("warning", h)
	}
	return h, a.judge(h, locked, format)
}

// holdAgain compares after a run what was not known before it, since the run has hashed it. What differs is a warning, once.
func (a *app) holdAgain(h *held, format string) error {
	if h == nil || h.look == nil || h.unread == 0 {
		return nil
	}
	if h.met(cache.Memos(a.openStore())) {
		return nil
	}
	again := &held{lock: h.lock, unread: h.look.Unread}
	for _, d := range h.look.Diags {
		if !slices.ContainsFunc(h.diags, func(told spec.Diagnostic) bool { return told.Pos == d.Pos && told.Message == d.Message }) {
			again.diags = append(again.diags, d)
		}
	}
	a.unheld("note", again)
	return a.judge(again, false, format)
}

// unheld says how much was compared with a lock by its size alone.
func (a *app) unheld(word string, h *held) {
	if h.unread > 0 {
		fmt.Fprintf(a.err, "%s: %s of files are not held to %s: they are not hashed yet; flow run --locked hashes them\n", word, humanize.Bytes(uint64(h.unread)), safetext.Line(h.lock.path))
	}
}

// lockFile is a lock with the file that it was read from.
type lockFile struct {
	path string
	src  []byte
	*lock.Lock
}

// held is what comparing a workflow with a lock came to.
type held struct {
	lock   *lockFile
	diags  []spec.Diagnostic
	unread int64        // bytes of files that were compared by their sizes alone, before the run
	mu     sync.Mutex   // of look and same
	look   *lock.Glance // nil where all files were read
	same   bool         // met has found it so: it is not looked for again
}

// compare holds a workflow to a lock; whole says that files of which no digest is remembered are read. A workflow that is what the
// lock pins, and whose files were all compared when a picture is written, names the lock in it.
func (a *app) compare(ctx context.Context, w *flowruntime.Workflow, l *lockFile, whole bool) (*held, error) {
	h, memo := &held{lock: l}, cache.Memos(a.openStore())
	if whole {
		var err error
		h.diags, err = l.Check(ctx, w.Plan, memo)
		if err != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		} else if err != nil {
			return nil, &exitError{exitRun, err.Error()}
		}
	} else {
		h.look = l.Look(w.Plan, memo)
		h.diags, h.unread = slices.Clone(h.look.Diags), h.look.Unread
	}
	if len(h.diags) == 0 {
		sum := digest(l.src)
		w.Pin(func() string {
			if h.unread > 0 && !h.met(memo) {
				return ""
			}
			return sum
		})
	}
	return h, nil
}

// met says whether all files have been hashed since, and are what the lock pins.
func (h *held) met(memo nodes.Memo) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.same {
		h.look.Again(memo)
		h.same = h.look.Unread == 0 && len(h.look.Diags) == 0
	}
	return h.same
}

// judge shows what differs from a lock: an error where locked says so.
func (a *app) judge(h *held, locked bool, format string) error {
	switch {
	case len(h.diags) == 0:
		return nil
	case locked:
		return a.refuse(h.diags, h.lock.path, format, exitDiffers)
	}
	for i := range h.diags {
		h.diags[i].Severity = spec.Warning
	}
	return a.show(a.err, h.diags, format, h.lock.path)
}

// digest is a SHA-256 in hex.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// noLock is the message where a workflow has no lock.
func noLock(who, file string) string {
	return fmt.Sprintf("there is no %s: what %s reads is not pinned; write it: flow lock %s", safetext.Line(lock.Path(file)), who, safetext.Line(file))
}

// pinned demands that a test reads what its workflow's lock pins. overridden says that its numerics are others on purpose.
func (a *app) pinned(ctx context.Context, w *flowruntime.Workflow, overridden bool) error {
	file := w.Plan.Doc.File
	path := lock.Path(file)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return errors.New(noLock("the test", file))
	}
	l, diags := lock.Read(path)
	if l != nil {
		if overridden {
			l = l.As(w.Plan)
		}
		var err error
		if diags, err = l.Check(ctx, w.Plan, cache.Memos(a.openStore())); err != nil {
			return err
		}
	}
	for _, d := range diags {
		if d.Severity == spec.Error {
			return fmt.Errorf("%s:%d:%d: %s; %s", d.File, d.Pos.Line, d.Pos.Col, d.Message, d.Hint)
		}
	}
	return nil
}
