package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/provenance"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/internal/ui"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

func baseName(name string) string { return filepath.Base(name) }

// verdict is what flow verify finds.
type verdict struct {
	File     string `json:"file"`
	Same     bool   `json:"same"`
	Numerics string `json:"numerics"`
	Found    string `json:"pixels_of_file"`
	Made     string `json:"pixels_made"`
	Node     string `json:"first_node,omitempty"` // the first whose action differs
	Message  string `json:"message"`

	Lock   *lockVerdict `json:"lock,omitempty"` // where the picture names one
	locked bool         // what differs from the lock is an error
}

// err is how the command ends. That the picture is another counts more than that it was made from something else.
func (v *verdict) err() error {
	switch {
	case !v.Same:
		return &exitError{exitTest, ""}
	case v.locked && v.Lock != nil && v.Lock.State == "differs":
		return &exitError{exitDiffers, ""}
	}
	return nil
}

func verifyCommand(a *app) *cobra.Command {
	var f workflowFlags
	var lf lockFlags
	var asJSON bool
	c := &cobra.Command{
		Use:   "verify PICTURE",
		Short: "Render a picture again and compare",
		Long: `Reads from a picture that flow has written what made it, renders that anew - no picture of the
cache is taken - and compares pixel by pixel. It writes nothing. Before more than a minute of
work the plan is shown. Models are looked for in the current folder and in those of --models.
Where the lock is found that the picture was made with (beside it, in the current folder, or
--lock), what is read is held to it: all files are hashed.
Exit codes: 0 the same, 1 another picture, 5 the same, but with --locked not what the lock pins.`,
		Example: `  flow verify castle-42.png
  flow verify castle-42.png --models ~/models --json
  flow verify castle-42.png --locked --lock castle.flow.lock`,
		Args: takes(1, 1, "one PICTURE"),
		RunE: func(c *cobra.Command, args []string) error {
			v, err := a.verify(c.Context(), args[0], &f, &lf, asJSON)
			if err != nil {
				return err
			}
			if asJSON {
				err = a.json(v)
			} else {
				err = a.verdictText(v)
			}
			if err == nil {
				err = v.err()
			}
			return err
		},
	}
	f.addPlaces(c)
	lf.addPicture(c)
	c.Flags().BoolVar(&asJSON, "json", false, "write the verdict as JSON")
	return c
}

func (a *app) verdictText(v *verdict) error {
	if _, err := fmt.Fprintf(a.out, "%s: %s\n", safetext.Line(v.File), safetext.Line(v.Message)); err != nil || v.Lock == nil || v.Lock.text() == "" {
		return err
	}
	_, err := fmt.Fprintln(a.out, safetext.Line(v.Lock.text()))
	return err
}

// anew is a store that knows no result, only the digests of files that another remembers.
type anew struct {
	*cache.Memory
	memo cache.Store
}

// GetMemo implements cache.Store.
func (s anew) GetMemo(key string) ([]byte, bool) { return s.memo.GetMemo(key) }

// PutMemo implements cache.Store.
func (s anew) PutMemo(key string, value []byte) { s.memo.PutMemo(key, value) }

func (a *app) verify(ctx context.Context, name string, f *workflowFlags, lf *lockFlags, quiet bool) (*verdict, error) {
	p, err := recorded(name)
	if err != nil {
		return nil, err
	}
	m, err := p.pixels()
	if err != nil {
		return nil, err
	}
	var memory int64
	w, err := a.pictureWorkflow(ctx, p, f, func(opt *flowruntime.Options) {
		opt.Sink, opt.Store = a.sink(quiet), anew{cache.NewMemory(), opt.Store}
		memory = opt.Memory
	})
	if err != nil {
		return nil, err
	}
	defer w.Close()
	pinned, locked, err := a.verifyLock(ctx, w, p, lf, f.format)
	if err != nil {
		return nil, err
	}
	if err := a.forewarn(w, f.threads, memory); err != nil {
		return nil, err
	}
	done, err := a.onDevice(w)
	if err != nil {
		return nil, err
	}
	defer done()
	res, made, err := w.Render(ctx)
	if err != nil {
		return nil, &exitError{exitRun, err.Error()}
	}
	switch {
	case errors.Is(res.Err, context.Canceled):
		return nil, &exitError{exitInterrupted, "interrupted"} // and nothing is kept
	case res.Err != nil:
		return nil, &exitError{exitRun, res.Err.Error()}
	}
	got, ok := made[p.record.Output]
	if !ok {
		return nil, &exitError{exitRun, "the workflow made no picture"}
	}
	v := &verdict{File: name, Numerics: nodes.Class(w.Plan.Precision), Found: m.Digest().String(), Made: got.Image.Digest().String(), Lock: pinned, locked: locked}
	v.Same = v.Found == v.Made
	v.explain(p.record, got.Actions)
	return v, nil
}

// forewarn shows the plan of a picture that would take longer than a minute, or of which that is not known: a picture from elsewhere may ask for hours.
func (a *app) forewarn(w *flowruntime.Workflow, threads int, memory int64) error {
	rows, peak := a.foresee(w, threads)
	if sum := together(rows); sum > 0 && sum <= time.Minute {
		return nil
	}
	return a.planText(a.err, w.Plan, rows, peak, memory)
}

// explain says what the comparison means.
func (v *verdict) explain(r *provenance.Record, actions []provenance.Action) {
	for i, x := range actions {
		if r.Actions != nil && (i >= len(r.Actions) || r.Actions[i].Key != x.Key) {
			v.Node = x.Node
			break
		}
	}
	changed := v.Found != r.Pixels
	switch {
	case v.Same && v.Node == "":
		v.Message = "the same, pixel by pixel (" + v.Numerics + ")"
	case v.Same:
		v.Message = fmt.Sprintf("the same, pixel by pixel, though node %q did something else (other weights, or other numerics)", v.Node)
	case changed && v.Made == r.Pixels:
		v.Message = "another picture: the file's pixels were changed after flow wrote it; the workflow gives what it gave then"
	case v.Node != "":
		v.Message = fmt.Sprintf("another picture: node %q did something else (other weights, or other numerics)", v.Node)
	default:
		v.Message = fmt.Sprintf("another picture, by the same actions: written by flow %s, rendered by flow %s", r.Release, release())
	}
}

// sink shows a run on standard error, or nowhere.
func (a *app) sink(quiet bool) event.Sink {
	if quiet {
		return event.Discard
	}
	columns := terminalWidth(a.err)
	if a.verbose {
		columns = nil // log lines and a live line would write over each other
	}
	return ui.NewText(a.err, columns)
}
