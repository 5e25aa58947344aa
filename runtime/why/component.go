package why

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// maxParts is the number of tensors or settings that a difference names.
const maxParts = 3

// component is the difference of a component of a live input: a file's content, or what nodes have made of a model.
func (e *Explainer) component(a *asked, k *Kept, input, component string) Difference {
	s := a.row.Step
	was, is := k.Action.Live[input][component], a.Live[input][component]
	if s.Kind.Reads(input) == nodes.FileArg {
		f := s.Args.File(input)
		d := Difference{Type: File, Name: f.Name, Was: short(was), Is: short(is)}.at(s.Args.Place(input).Pos)
		if x := e.plan.Doc.InputFile(f.Name); x != nil && x.Path != nil {
			d.Path = x.Path.Text
			d = d.at(x.Path.Pos)
		}
		return d
	}
	d := Difference{Type: Component, Name: input + "." + component, Was: short(was), Is: short(is)}.at(place(s, input).Pos)
	if is == "" && s.Plan.Uses == nil {
		return d
	}
	if is == "" && a.row.Unread > 0 {
		d.Is = "not hashed yet"
	}
	before := k.Trace[input+"."+component]
	if before == nil {
		d.Untraced = was != ""
		return d
	}
	d.Because = e.chains(s.Trace(e.memo)[input+"."+component], before)
	return d
}

// chains compares what two chains of nodes have added to a component.
func (e *Explainer) chains(is, was []plan.Traced) []Difference {
	var out []Difference
	left := slices.Clone(was)
	for _, now := range is {
		i := match(left, now)
		if i < 0 {
			out = append(out, e.node(now, absent, kindName(now.Kind)))
			continue
		}
		out = append(out, e.added(now, left[i])...)
		left = slices.Delete(left, i, i+1)
	}
	for _, gone := range left {
		out = append(out, e.node(gone, kindName(gone.Kind), absent))
	}
	if out == nil && len(is) > 1 {
		out = append(out, Difference{Type: Node, Name: is[0].Node, Was: "another order", Is: "before " + is[1].Node})
	}
	return out
}

// match finds what a node was among those that are left: by name, else by what its parts are, else the first of its kind.
func match(left []plan.Traced, now plan.Traced) int {
	by := []func(plan.Traced) bool{
		func(t plan.Traced) bool { return t.Node == now.Node && kindName(t.Kind) == kindName(now.Kind) },
		func(t plan.Traced) bool { return slices.Equal(t.Parts, now.Parts) },
		func(t plan.Traced) bool { return kindName(t.Kind) == kindName(now.Kind) },
	}
	for _, f := range by {
		if i := slices.IndexFunc(left, f); i >= 0 {
			return i
		}
	}
	return -1
}

// node is a node that is there in one of the two alone.
func (e *Explainer) node(t plan.Traced, was, is string) Difference {
	d := Difference{Type: Node, Name: t.Node, Was: was, Is: is}
	if n := e.plan.Doc.Node(t.Node); n != nil && is != absent {
		d = d.at(n.Name.Pos)
	}
	return d
}

// added compares what one node adds to a component with what it added.
func (e *Explainer) added(now, then plan.Traced) []Difference {
	s := now.Step
	var out []Difference
	before := make(map[string]nodes.Part)
	for _, p := range then.Parts {
		before[p.What] = p
	}
	settled := false
	for _, p := range now.Parts {
		old, ok := before[p.What]
		delete(before, p.What)
		if ok && old.Digest == p.Digest {
			continue
		}
		if p.Argument != "" {
			out = append(out, e.part(s, p, old))
			continue
		}
		if settled {
			continue
		}
		settled = true
		list := arguments(s, now.Args, then.Args)
		for i := range list {
			list[i].Node = s.Name
		}
		if list == nil { // the file says it, such as the alphas of a LoRA
			p.Argument = "weights"
			list = append(list, e.part(s, p, old))
		}
		out = append(out, list...)
	}
	for _, what := range slices.Sorted(maps.Keys(before)) {
		out = append(out, e.part(s, nodes.Part{Argument: before[what].Argument, What: what}, before[what]))
	}
	return out
}

// part is the difference of one part, with the tensors or settings where these are remembered.
func (e *Explainer) part(s *plan.Step, is, was nodes.Part) Difference {
	d := Difference{Type: Config, Name: is.What, Node: s.Name, Was: digest(was.Digest), Is: digest(is.Digest)}
	d = d.at(s.Args.Place(is.Argument).Pos)
	f := s.Args.File(is.Argument)
	if m := e.plan.Doc.Model(f.Name); m != nil && m.Path != nil {
		d.Path = m.Path.Text
		d = d.at(m.Path.Pos)
	}
	before, after := nodes.MadeOf(e.memo, was.Digest), nodes.MadeOf(e.memo, is.Digest)
	if is.What == "weights" {
		d.Type, d.Of = Weights, len(after)
	}
	if before == nil || after == nil {
		return d
	}
	for _, name := range union(before, after) {
		if before[name] == after[name] {
			continue
		}
		if len(d.Parts) == maxParts {
			d.More++
			continue
		}
		if d.Type == Config {
			name = fmt.Sprintf("%s: %s -> %s", name, setting(is.What, before[name]), setting(is.What, after[name]))
		}
		d.Parts = append(d.Parts, name)
	}
	return d
}

// setting is a value of a document as a person writes it. Strengths of LoRAs are kept by their bits.
func setting(of, value string) string {
	if bits, err := strconv.ParseUint(strings.Trim(value, `"`), 16, 64); (strings.HasSuffix(of, "strengths") || of == "scales") && err == nil {
		return strconv.FormatFloat(math.Float64frombits(bits), 'g', -1, 64)
	}
	return orNone(value)
}

func digest(d nodes.Digest) string {
	if d == (nodes.Digest{}) {
		return absent
	}
	return short(d.String())
}

// union are the keys of two maps, sorted.
func union(a, b map[string]string) []string {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}
