package why

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
)

// asked is what a step asks for, as far as it is known.
type asked struct {
	row *sched.Row
	Action
	waits map[string]plan.Input // stored inputs that are not known
}

// ask takes a step's row apart.
func ask(p *plan.Plan, row *sched.Row) *asked {
	s := row.Step
	a := &asked{row: row, waits: make(map[string]plan.Input)}
	a.Action = Action{Version: plan.KeyVersion, Kind: s.Kind.ID(), Args: s.Kind.Action(s.Args), Stored: make(map[string]string), Live: make(map[string]map[string]string)}
	if s.Plan.Class {
		a.Numerics = nodes.Class(p.Precision)
	}
	if s.Plan.Edition {
		a.Edition = p.Edition
	}
	for path, d := range row.Digests.Stored {
		a.Stored[path] = d.String()
	}
	for path, components := range row.Digests.Live {
		parts := make(map[string]string)
		for name, d := range components {
			parts[name] = d.String()
		}
		a.Live[path] = parts
	}
	for _, in := range row.Waits {
		a.waits[in.Path] = in
	}
	return a
}

// count is the number of things that are asked otherwise than by a kept action, up to a bound from which on it does not matter.
func (a *asked) count(k *Kept, most int) int {
	n := 0
	differ := func(is bool) {
		if is {
			n++
		}
	}
	differ(a.Version != k.Action.Version)
	differ(a.Kind != k.Action.Kind)
	differ(a.Numerics != k.Action.Numerics)
	differ(a.Edition != k.Action.Edition)
	for path, v := range a.Args {
		differ(!same(v, k.Action.Args[path]))
	}
	for path := range k.Action.Args {
		_, ok := a.Args[path]
		differ(!ok)
	}
	if n >= most {
		return n
	}
	n += len(a.waits)
	for path, d := range a.Stored {
		differ(d != k.Action.Stored[path])
	}
	for path := range k.Action.Stored {
		_, waits := a.waits[path]
		_, ok := a.Stored[path]
		differ(!ok && !waits)
	}
	for _, c := range components(a.Live, k.Action.Live) {
		differ(a.Live[c[0]][c[1]] != k.Action.Live[c[0]][c[1]])
	}
	return n
}

// components are inputs with components, of two actions, sorted.
func components(a, b map[string]map[string]string) [][2]string {
	seen := make(map[[2]string]bool)
	for _, m := range []map[string]map[string]string{a, b} {
		for path, parts := range m {
			for name := range parts {
				seen[[2]string{path, name}] = true
			}
		}
	}
	return slices.SortedFunc(maps.Keys(seen), func(x, y [2]string) int { return slices.Compare(x[:], y[:]) })
}

// compare lists what a asks otherwise than a kept action: what concerns all first, then arguments, files and components, and inputs.
func (e *Explainer) compare(a *asked, k *Kept) []Difference {
	s := a.row.Step
	var out []Difference
	if a.Version != k.Action.Version {
		out = append(out, Difference{Type: Key, Was: strconv.Itoa(k.Action.Version), Is: strconv.Itoa(a.Version)})
	}
	if a.Kind != k.Action.Kind {
		d := Difference{Type: Version, Was: k.Action.Kind, Is: a.Kind}.at(s.Pos)
		if n := e.plan.Doc.Node(s.Node); n != nil {
			d = d.at(n.Kind.Pos)
		}
		out = append(out, d)
	}
	if a.Numerics != k.Action.Numerics {
		out = append(out, e.numerics(Numerics, k.Action.Numerics, a.Numerics))
	}
	if a.Edition != k.Action.Edition {
		out = append(out, e.numerics(Edition, k.Action.Edition, a.Edition))
	}
	out = append(out, arguments(s, a.Args, k.Action.Args)...)
	for _, c := range components(a.Live, k.Action.Live) {
		was, is := k.Action.Live[c[0]][c[1]], a.Live[c[0]][c[1]]
		if was != is && !otherwise(c[1], a.Live[c[0]], k.Action.Live[c[0]]) {
			out = append(out, e.component(a, k, c[0], c[1]))
		}
	}
	return append(out, e.inputs(a, k)...)
}

// otherwise says that a component is read in two ways, of which this is one: "scheduler" and "scheduler.refiners". Arguments or the edition, which
// are listed before, decide how.
func otherwise(component string, a, b map[string]string) bool {
	name, _, _ := strings.Cut(component, ".")
	in := func(parts map[string]string) bool {
		for other := range parts {
			if of, _, _ := strings.Cut(other, "."); of == name {
				return true
			}
		}
		return false
	}
	return (a[component] == "" || b[component] == "") && in(a) && in(b)
}

// arguments lists the arguments that differ, by path.
func arguments(s *plan.Step, is, was map[string]any) []Difference {
	paths := make(map[string]bool)
	for p := range is {
		paths[p] = true
	}
	for p := range was {
		paths[p] = true
	}
	var out []Difference
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		if !same(is[path], was[path]) {
			out = append(out, Difference{Type: Argument, Name: path, Was: Show(was[path]), Is: Show(is[path])}.given(place(s, path), s.Pos))
		}
	}
	return out
}

// place is where an argument gets its value; of one that the file leaves out, where what holds it does.
func place(s *plan.Step, path string) nodes.Place {
	for {
		p := s.Args.Place(path)
		if p.Pos.Known() {
			return p
		}
		i := lastDot(path)
		if i < 0 {
			return p
		}
		path = path[:i]
	}
}

func lastDot(path string) int {
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '.' {
			return i
		}
	}
	return -1
}

// numerics is a difference of class or edition, at the place in the file unless something else gave it.
func (e *Explainer) numerics(of, was, is string) Difference {
	d := Difference{Type: of, Was: orNone(was), Is: orNone(is)}
	word, flag := e.plan.Doc.Precision, "--precision"
	now := e.plan.Precision.String()
	if of == Edition {
		word, flag, now = e.plan.Doc.Edition, "--edition", e.plan.Edition
	}
	d = d.at(word.Pos)
	if word.Text != now {
		d.By = flag
	}
	return d
}

func orNone(s string) string {
	if s == "" {
		return absent
	}
	return s
}

// inputs lists the stored inputs that differ, or are not known yet, with their causes.
func (e *Explainer) inputs(a *asked, k *Kept) []Difference {
	s := a.row.Step
	paths := make(map[string]bool)
	for p := range a.Stored {
		paths[p] = true
	}
	for p := range k.Action.Stored {
		paths[p] = true
	}
	from := make(map[string]plan.Input)
	for _, in := range s.Awaits() {
		if !in.Type.Live() {
			from[in.Path], paths[in.Path] = in, true
		}
	}
	var out []Difference
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		was, is := k.Action.Stored[path], a.Stored[path]
		in, ok := from[path]
		_, waits := a.waits[path]
		if was == is && !waits {
			continue
		}
		d := Difference{Type: Input, Name: path, Was: short(was), Is: short(is), Unknown: waits}.at(s.Pos)
		if ok {
			d.Node = in.From.Name
			d = d.at(in.Pos)
			if waits {
				d.Is = ""
			}
			if was != "" {
				d.Because, d.Same = e.because(in, was, k)
				d.Same = d.Same && waits
			}
		}
		out = append(out, d)
	}
	return out
}
