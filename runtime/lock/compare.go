package lock

import (
	"context"
	"fmt"
	"slices"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Check says in what a plan differs from the lock, each at its line in the lock. Files that memo does not know are read.
func (l *Lock) Check(ctx context.Context, p *plan.Plan, memo nodes.Memo) ([]spec.Diagnostic, error) {
	now := Of(p)
	if err := now.Fill(ctx, memo, false); err != nil {
		return nil, err
	}
	return l.differences(now, p), nil
}

// As is the lock with the numerics class, device and edition of a plan that overrides them on purpose.
func (l *Lock) As(p *plan.Plan) *Lock {
	now, out := Of(p), *l
	out.Class, out.Device, out.Edition = now.Class, now.Device, now.Edition
	return &out
}

// Glance is a comparison that reads no files: those of which nothing is remembered are held to their sizes.
type Glance struct {
	Diags  []spec.Diagnostic
	Unread int64 // bytes of files that were held to their sizes

	lock, now *Lock
	plan      *plan.Plan
}

// Look is [Lock.Check] without reading.
func (l *Lock) Look(p *plan.Plan, memo nodes.Memo) *Glance {
	g := &Glance{lock: l, now: Of(p), plan: p}
	g.Again(memo)
	return g
}

// Again compares anew when more may be known, as after a run, which hashes what it reads. Files that were closed meanwhile are compared too.
func (g *Glance) Again(memo nodes.Memo) {
	g.Unread = g.now.recall(memo)
	g.Diags = g.lock.differences(g.now, g.plan)
}

// comparison collects differences.
type comparison struct {
	lock   *Lock
	plan   *plan.Plan
	partly map[string]bool // see [Lock]
	diags  []spec.Diagnostic
}

func (c *comparison) add(at spec.Pos, format string, args ...any) {
	hint := c.lock.Mend
	if hint == "" {
		hint = "if that is meant, write the lock anew: flow lock " + c.plan.Doc.File
	}
	c.diags = append(c.diags, spec.Diagnostic{File: c.lock.file, Pos: at, Code: code, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// differences compares the lock with what a plan reads. What the workflow has and this plan does not read - no output needs it, or a test
// asks for a part of the workflow - may be pinned.
func (l *Lock) differences(now *Lock, p *plan.Plan) []spec.Diagnostic {
	c := &comparison{lock: l, plan: p, partly: now.partly}
	for _, x := range []struct {
		name      string
		at        spec.Pos
		want, got string
	}{{"numerics class", l.class, l.Class, now.Class}, {"device", l.device, l.Device, now.Device}, {"edition", l.edition, l.Edition, now.Edition}} {
		if x.want != x.got {
			c.add(x.at, "the lock pins the %s %s, and this run has %s", x.name, x.want, x.got)
		}
	}
	for _, k := range now.Kinds {
		if !slices.Contains(l.Kinds, k) {
			c.add(l.pos, "the lock does not have the kind %s", k)
		}
	}
	for _, k := range l.Kinds {
		if !slices.ContainsFunc(p.Steps, func(s *plan.Step) bool { return s.Kind.ID() == k }) {
			c.add(l.kindPos[k], "the lock pins the kind %s, which the workflow does not use", spec.Quote(k))
		}
	}
	c.block("model", l.Models, now.Models, func(name string) bool { return p.Doc.Model(name) != nil })
	c.block("file", l.Files, now.Files, func(name string) bool { return p.Doc.InputFile(name) != nil })
	return spec.Sort(c.diags)
}

// block compares models or files by name; declared says what the workflow has.
func (c *comparison) block(what string, want, got []*Pinned, declared func(name string) bool) {
	for _, g := range got {
		if i := slices.IndexFunc(want, func(w *Pinned) bool { return w.Name == g.Name }); i < 0 {
			c.add(c.lock.pos, "the lock does not have the %s %q", what, g.Name)
		} else {
			c.pinned(what, want[i], g)
		}
	}
	for _, w := range want {
		if !declared(w.Name) {
			c.add(w.pos, "the lock pins the %s %s, which the workflow does not have", what, spec.Quote(w.Name))
		}
	}
}

// pinned compares the files of one model, or one file.
func (c *comparison) pinned(what string, want, got *Pinned) {
	name := func(e *Entry) string {
		if e.Name == "" {
			return fmt.Sprintf("%s %q", what, got.Name)
		}
		return fmt.Sprintf("%s of %s %q", spec.Quote(e.Name), what, got.Name)
	}
	for i := range got.Entries {
		g := &got.Entries[i]
		k := slices.IndexFunc(want.Entries, func(w Entry) bool { return w.Name == g.Name })
		if k < 0 {
			c.add(want.pos, "the lock does not have %s, which is read", name(g))
			continue
		}
		w := &want.Entries[k]
		if how := w.difference(g); how != "" {
			c.add(w.pos, "%s is not what the lock pins: %s", name(g), how)
		}
	}
	for i := range want.Entries {
		w := &want.Entries[i]
		if !c.partly[got.Name] && !slices.ContainsFunc(got.Entries, func(g Entry) bool { return w.Name == g.Name }) {
			c.add(w.pos, "the lock pins %s, which is not read", name(w))
		}
	}
}

// difference says how g is not what e pins; empty if it is, or is not known.
func (e *Entry) difference(g *Entry) string {
	zero := nodes.Digest{}
	a, b := e.Sum, g.Sum
	same := e.Size == g.Size
	how := fmt.Sprintf("%d bytes in place of %d", g.Size, e.Size)
	switch {
	case b.SHA256 != zero:
		if same = same && a.SHA256 == b.SHA256; e.Size == g.Size {
			how = fmt.Sprintf("sha256 %s in place of %s", short(b.SHA256), short(a.SHA256))
		}
	case b.Header != zero:
		if same = same && a.Header == b.Header && a.Tensors == b.Tensors; e.Size == g.Size {
			how = fmt.Sprintf("tensors %s in place of %s", short(b.Tensors), short(a.Tensors))
			if a.Tensors == b.Tensors {
				how = fmt.Sprintf("header %s in place of %s", short(b.Header), short(a.Header))
			}
		}
	}
	if same {
		return ""
	}
	if a.Tensors == b.Tensors && a.Tensors != zero {
		how += "; its tensors are the same, so that it gives the same pictures unless its metadata count"
	}
	return how
}

func short(d nodes.Digest) string { return d.String()[:12] }
