package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/nodes"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/runtime/why"
	"github.com/seed-8af8f8e1/flow/spec"
)

func whyCommand(a *app) *cobra.Command {
	var f workflowFlags
	var asJSON, document bool
	var against string
	c := &cobra.Command{
		Use:   "why FILE [NODE]",
		Short: "Say why a node would run: what it asks otherwise than before",
		Long: `Compares what a node asks for with the nearest action that the cache keeps, or has evicted: the one of
its kind that differs in the fewest things. Each difference is shown with its place in the file; an
input is followed to the node and argument that it differs by, a component of a model to the file and
its tensors. --against takes the actions of another run instead: a picture that flow has written, a
golden's sidecar, or what flow show --json printed. Weights that were never hashed are hashed; nothing
is rendered.`,
		Example: `  flow why castle.flow.yaml
  flow why castle.flow.yaml latents -p seed=43
  flow why castle.flow.yaml --against colleague.png`,
		Args: takes(1, 2, "one FILE and perhaps a NODE"),
		RunE: func(c *cobra.Command, args []string) error {
			opt, diags, err := a.options(args[0], &f)
			if err != nil {
				return err
			}
			w, err := a.read(c.Context(), args[0], &f, opt, diags, true)
			if err != nil {
				return err
			}
			defer w.Close()
			steps, err := asked(w.Plan, args[1:])
			if err != nil {
				return err
			}
			if err := a.hashFor(c.Context(), steps); err != nil {
				return err
			}
			rows := w.Explain()
			if document {
				return a.document(rows, steps)
			}
			past := why.Past(a.openStore())
			if against != "" {
				if past, err = actionsOf(against); err != nil {
					return &exitError{exitFile, err.Error()}
				}
			}
			e := why.New(w.Plan, rows, cache.Memos(a.openStore()), past)
			var answers []*why.Answer
			for _, s := range steps {
				answers = append(answers, e.Explain(s))
			}
			if asJSON {
				return a.whyJSON(w, answers)
			}
			return whyText(a.out, answers, against)
		},
	}
	f.add(c)
	c.Flags().StringVar(&against, "against", "", "compare with the actions that this picture, golden's sidecar or JSON record tells of")
	c.Flags().BoolVar(&document, "document", false, "print what the node's key is the SHA-256 of")
	c.Flags().BoolVar(&asJSON, "json", false, "write the answer as JSON")
	c.MarkFlagsMutuallyExclusive("document", "json")
	c.MarkFlagsMutuallyExclusive("document", "against")
	return c
}

// asked are the steps to answer for: the named one, in all cells of a matrix or in one, or all that are needed and store what they make.
func asked(p *plan.Plan, names []string) ([]*plan.Step, error) {
	var out []*plan.Step
	var known []string
	for _, s := range p.Steps {
		if len(names) > 0 && s.Name != names[0] && s.Node != names[0] {
			known = append(known, s.Node)
			continue
		}
		switch {
		case s.Needed && !s.Kind.Live():
			out = append(out, s)
		case len(names) > 0 && !s.Needed:
			return nil, &exitError{exitFile, fmt.Sprintf("node %q is not run: no output needs it", s.Name)}
		case len(names) > 0:
			return nil, &exitError{exitFile, fmt.Sprintf("node %q opens a model and is never stored; ask about a node that reads it", s.Name)}
		}
	}
	if len(names) == 0 || len(out) > 0 {
		return out, nil
	}
	message := "there is no node " + spec.Quote(names[0])
	if hint := spec.Suggest(names[0], known); hint != "" {
		message += "; " + hint
	}
	return nil, &exitError{exitFile, message}
}

// hashFor hashes what steps, and those that they read, use of models and files, where that is not remembered.
func (a *app) hashFor(ctx context.Context, steps []*plan.Step) error {
	memo := cache.Memos(a.openStore())
	seen := make(map[*plan.Step]bool)
	var visit func(s *plan.Step) error
	visit = func(s *plan.Step) error {
		if seen[s] {
			return nil
		}
		seen[s] = true
		for _, in := range s.Awaits() {
			if err := visit(in.From); err != nil {
				return err
			}
		}
		live := s.LiveInputs()
		for _, use := range s.Plan.Uses {
			for _, c := range use.Components {
				if _, unread, _ := live[use.Input].Known(c, memo); unread > 64<<20 {
					fmt.Fprintf(a.err, "hashing %s of %s\n", humanize.Bytes(uint64(unread)), safetext.Line(c))
				}
				if _, err := live[use.Input].Digest(ctx, c, memo); err != nil {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					return &exitError{exitRun, err.Error()}
				}
			}
		}
		return nil
	}
	for _, s := range steps {
		if err := visit(s); err != nil {
			return err
		}
	}
	return nil
}

// document prints action documents as they were hashed.
func (a *app) document(rows []sched.Row, steps []*plan.Step) error {
	for _, s := range steps {
		for i := range rows {
			r := &rows[i]
			if r.Step != s {
				continue
			}
			if r.Action == nil {
				if len(steps) > 1 {
					continue
				}
				return &exitError{exitRun, fmt.Sprintf("what node %q does is not known yet: it %s", s.Name, r.Reason)}
			}
			if _, err := fmt.Fprintf(a.out, "%s\n", r.Action); err != nil {
				return err
			}
		}
	}
	return nil
}

// whyText writes answers, a node a paragraph.
func whyText(out io.Writer, answers []*why.Answer, against string) error {
	p := &printer{w: safetextWriter{out}}
	listed := func(node string) bool { // its own paragraph says why
		return len(answers) > 1 && slices.ContainsFunc(answers, func(a *why.Answer) bool { return a.Step.Name == node && a.Row.State != sched.WouldHit })
	}
	for _, x := range answers {
		state := x.Row.State
		if state == sched.WouldHit {
			state = "cached"
		}
		p.line("%s (%s): %s, %s", x.Step.Name, x.Step.Kind.Name, state, x.Row.Reason)
		if x.Row.State == sched.WouldHit {
			p.line("  action %s", short(x.Row.Key.String()))
			if against == "" {
				continue
			}
		}
		switch k := x.Nearest; {
		case k == nil && against != "":
			p.line("  %s tells of no %s", against, x.Step.Kind.Name)
		case k == nil:
			p.line("  no %s is kept or remembered", x.Step.Kind.Name)
		default:
			p.line("  nearest: %s", nearest(k))
			for _, d := range x.Differences {
				for _, line := range d.Tree(listed) {
					p.line("  %s", line)
				}
			}
			if len(x.Differences) == 0 {
				p.line("  the same action")
			}
		}
	}
	return p.err
}

// nearest says which action it is.
func nearest(k *why.Kept) string {
	s := short(k.Key)
	if k.Node != "" {
		s += fmt.Sprintf(" of node %q", k.Node)
	}
	if !k.Made.IsZero() {
		s += ", made " + k.Made.Local().Format("2006-01-02 15:04")
	}
	if !k.Evicted.IsZero() {
		s += ", evicted " + k.Evicted.Local().Format(time.DateOnly)
	}
	return s
}

// printer writes lines until one fails.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// safetextWriter makes the lines that it is given harmless for terminals.
type safetextWriter struct{ w io.Writer }

// Write implements io.Writer.
func (s safetextWriter) Write(p []byte) (int, error) {
	if _, err := io.WriteString(s.w, safetext.Lines(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// whyNode is the answer for one node in JSON.
type whyNode struct {
	Node        string           `json:"node"`
	Kind        string           `json:"kind"`
	State       string           `json:"state"`
	Reason      string           `json:"reason"`
	Key         string           `json:"key,omitempty"`
	Nearest     *whyKept         `json:"nearest,omitempty"`
	Differences []why.Difference `json:"differences,omitempty"`
}

// whyKept is an action of the past in JSON.
type whyKept struct {
	Key     string    `json:"key"`
	Node    string    `json:"node,omitempty"`
	Made    time.Time `json:"made,omitzero"`
	Evicted time.Time `json:"evicted,omitzero"`
	Source  string    `json:"source,omitempty"`
}

func (a *app) whyJSON(w *flowruntime.Workflow, answers []*why.Answer) error {
	list := make([]whyNode, 0, len(answers))
	for _, x := range answers {
		n := whyNode{Node: x.Step.Name, Kind: x.Step.Kind.ID(), State: x.Row.State, Reason: x.Row.Reason, Differences: x.Differences}
		if x.Row.Key != nil {
			n.Key = x.Row.Key.String()
		}
		if k := x.Nearest; k != nil {
			n.Nearest = &whyKept{k.Key, k.Node, k.Made, k.Evicted, k.Source}
		}
		list = append(list, n)
	}
	return a.json(map[string]any{"numerics": nodes.Class(w.Plan.Precision), "edition": w.Plan.Edition, "nodes": list})
}
