package lock

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Version is the version of the lock's form.
const Version = 1

// Lock is what a lock says.
type Lock struct {
	Workflow string // the workflow's name
	Class    string // numerics class, such as "bf16@1"
	Edition  string
	Device   string
	Kinds    []string  // with their versions, sorted
	Models   []*Pinned // by name
	Files    []*Pinned // by name, each with one entry

	// Mend says what to do where a plan differs from what was read. Empty: flow lock with the plan's file.
	Mend string

	file                        string // that it was read from
	class, edition, device, pos spec.Pos
	kindPos                     map[string]spec.Pos
	partly                      map[string]bool // models that a step names which the plan does not need: others may read more of them
}

// Pinned is a declared model or file.
type Pinned struct {
	Name    string
	Entries []Entry // by name
	pos     spec.Pos
}

// Entry is one file.
type Entry struct {
	Name string // below the path that the workflow declares; empty for an input file
	Size int64
	Sum  nodes.FileSum
	pos  spec.Pos

	content nodes.Content // nil for what was read from a lock
}

// Path is where a workflow's lock lies: castle.flow.lock for castle.flow.yaml.
func Path(workflow string) string {
	return strings.TrimSuffix(workflow, filepath.Ext(workflow)) + ".lock"
}

// Of gathers what an inspected plan reads. The sums of the entries are not known yet, see [Lock.Fill].
func Of(p *plan.Plan) *Lock {
	l := &Lock{Workflow: p.Doc.Name.Text, Class: nodes.Class(p.Precision), Edition: p.Edition, Device: p.Device}
	models, files := make(map[string]*Pinned), make(map[string]*Pinned)
	l.partly = make(map[string]bool)
	for _, s := range p.Steps {
		if s.Live == nil && s.Plan.Outputs == nil { // no output needs it, whatever the parameters are
			for _, f := range s.Args.Files() {
				l.partly[f.Name] = true
			}
			continue
		}
		l.Kinds = append(l.Kinds, s.Kind.ID())
		for _, live := range opened(s) {
			for arg, list := range live.Contents() {
				f := s.Args.File(arg)
				into := models
				if s.Kind.Reads(arg) == nodes.FileArg {
					into = files
				}
				pin := into[f.Name]
				if pin == nil {
					pin = &Pinned{Name: f.Name}
					into[f.Name] = pin
				}
				for _, c := range list {
					name := entryName(f, c.Path())
					if s.Kind.Reads(arg) == nodes.FileArg {
						name = ""
					}
					pin.add(Entry{Name: name, Size: c.Size(), content: c})
				}
			}
		}
	}
	slices.Sort(l.Kinds)
	l.Kinds = slices.Compact(l.Kinds)
	l.Models, l.Files = sorted(models), sorted(files)
	return l
}

// opened lists the live values that a step has opened.
func opened(s *plan.Step) []nodes.Opened {
	var out []nodes.Opened
	for _, list := range []map[string]nodes.Live{s.Live, s.Plan.Own} {
		for _, live := range list {
			if o, ok := live.(nodes.Opened); ok {
				out = append(out, o)
			}
		}
	}
	return out
}

// add keeps an entry, once a name.
func (p *Pinned) add(e Entry) {
	if !slices.ContainsFunc(p.Entries, func(x Entry) bool { return x.Name == e.Name }) {
		p.Entries = append(p.Entries, e)
	}
}

func sorted(m map[string]*Pinned) []*Pinned {
	var out []*Pinned
	for _, p := range m {
		slices.SortFunc(p.Entries, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Pinned) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// entryName names a file below the path that the workflow declares, or below the folder that describes a single file.
func entryName(f nodes.File, path string) string {
	if f.Config != "" {
		if rel, err := filepath.Rel(f.Config, path); err == nil && filepath.IsLocal(rel) {
			return "config:" + filepath.ToSlash(rel)
		}
	}
	rel, err := filepath.Rel(f.Path, path)
	if err == nil && rel == "." {
		return filepath.Base(path)
	}
	if err != nil || !filepath.IsLocal(rel) {
		rel, err = filepath.Rel(filepath.Dir(f.Path), path)
	}
	if err != nil {
		return filepath.Base(path)
	}
	return filepath.ToSlash(rel)
}

// Unread is the number of bytes that [Lock.Fill] has to read.
func (l *Lock) Unread(memo nodes.Memo, whole bool) int64 {
	var n int64
	for e := range l.entries() {
		_, unread, _ := e.content.Known(memo, whole)
		n += unread
	}
	return n
}

// Fill finds the sums of all entries, reading what memo does not have. whole asks for each file's SHA-256 too, where the rest tells as much.
func (l *Lock) Fill(ctx context.Context, memo nodes.Memo, whole bool) error {
	for e := range l.entries() {
		sum, err := e.content.Sum(ctx, memo, whole)
		if err != nil {
			return err
		}
		e.Sum = sum
	}
	return nil
}

// recall finds the sums that memo has.
func (l *Lock) recall(memo nodes.Memo) (unread int64) {
	for e := range l.entries() {
		sum, n, ok := e.content.Known(memo, false)
		if unread += n; ok {
			e.Sum = sum
		}
	}
	return unread
}

// entries gives all entries: of models, then of files.
func (l *Lock) entries() func(yield func(*Entry) bool) {
	return func(yield func(*Entry) bool) {
		for _, list := range [][]*Pinned{l.Models, l.Files} {
			for _, p := range list {
				for i := range p.Entries {
					if !yield(&p.Entries[i]) {
						return
					}
				}
			}
		}
	}
}
