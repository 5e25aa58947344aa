package lora

import (
	"fmt"
	"slices"
	"strings"
)

// Match is how the layers of a file lie on a model.
type Match struct {
	Targets   []*Target // by component, then path
	Unmatched []string  // keys that find no layer
	Namings   []string  // the conventions of the names that were found
	problems  []string
}

// Target is one layer of a model with what a file has for it.
type Target struct {
	place
	*layer
	Method Method
	Rank   int   // 0 for whole differences
	weight []int // shape of the model's weight
	alpha  float64
	divide float64 // what alpha is divided by
	root   bool    // by the root of it
}

// byName finds the layer that each name in the file means.
func (f *File) byName(m Model) *Match {
	n := spell(m)
	out := &Match{Unmatched: slices.Clone(f.strange)}
	taken := make(map[place]*layer)
	for _, l := range f.layers {
		s, ok := n.find(l.name)
		if !ok {
			out.Unmatched = append(out.Unmatched, l.list()...)
			continue
		}
		if !slices.Contains(out.Namings, string(s.naming)) {
			out.Namings = append(out.Namings, string(s.naming))
		}
		if other := taken[s.place]; other != nil {
			out.problem("%s and %s are both for %s of the %s; only one of the two can be meant", other.name, l.name, s.path, s.component)
			continue
		}
		taken[s.place] = l
		out.add(f, m, s.place, l)
	}
	out.sort()
	return out
}

// add enters a layer after checking that it fits.
func (o *Match) add(f *File, m Model, p place, l *layer) {
	t := &Target{place: p, layer: l, weight: m[p.component][p.path+".weight"]}
	if problems := t.fit(f, m); len(problems) > 0 {
		o.problems = append(o.problems, problems...)
		return
	}
	o.Targets = append(o.Targets, t)
}

func (o *Match) problem(format string, args ...any) {
	o.problems = append(o.problems, fmt.Sprintf(format, args...))
}

func (o *Match) sort() {
	slices.Sort(o.Unmatched)
	slices.Sort(o.Namings)
	slices.SortFunc(o.Targets, func(a, b *Target) int {
		if a.component != b.component {
			return strings.Compare(a.component, b.component)
		}
		return strings.Compare(a.path, b.path)
	})
}

// list gives a layer's keys, sorted.
func (l *layer) list() []string {
	var out []string
	for _, key := range l.keys {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// Component is the part of the model that holds the layer.
func (t *Target) Component() string { return t.component }

// Path is the layer's canonical name.
func (t *Target) Path() string { return t.path }

// Alpha is the layer's alpha: the file's, or the rank.
func (t *Target) Alpha() float64 { return t.alpha }

// refuse makes one error of what does not fit: layers of another shape, and - unless they are let pass - keys without a layer.
func (f *File) refuse(o *Match, m Model, letPass bool) error {
	const most = 12
	switch {
	case len(o.Unmatched) > 0 && len(o.Targets) == 0 && len(o.problems) == 0, len(o.problems) > 0 && len(o.Targets) == 0:
		if theirs, ours := f.architecture(), modelArchitecture(m); theirs != "" && theirs != ours {
			return f.fail("", fmt.Sprintf("is a LoRA for %s, and the model is %s", theirs, ours), "give a LoRA that was trained on this kind of model")
		}
	}
	if len(o.problems) > 0 {
		return f.fail("", fmt.Sprintf("does not fit the model (%d):%s", len(o.problems), listed(o.problems, most)), "was it trained on another model?")
	}
	if len(o.Unmatched) > 0 && !letPass {
		return f.fail("", fmt.Sprintf("%d of %d keys find no layer in the model:%s", len(o.Unmatched), len(f.file.Names()), listed(o.Unmatched, most)),
			"unmatched: warn applies the others")
	}
	if len(o.Targets) == 0 {
		return f.fail("", "no key finds a layer in the model"+examples(o.Unmatched), "")
	}
	return nil
}

// listed shows a list and how many are left out. It stays on one line, as what comes of files does in messages.
func listed(list []string, most int) string {
	shown := list[:min(len(list), most)]
	out := " " + strings.Join(shown, "; ")
	if more := len(list) - len(shown); more > 0 {
		out += fmt.Sprintf("; and %d more", more)
	}
	return out
}
