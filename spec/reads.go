package spec

import (
	"maps"
	"slices"
	"strings"
)

// With gives the document bound to other values, as [Document.Bind] binds it. What it is made from keeps its own.
func (d *Document) With(overrides []Override) (*Document, []Diagnostic) {
	out := *d
	out.Params = make([]*Param, len(d.Params))
	out.byName.params = make(map[string]*Param, len(d.Params))
	for i, x := range d.Params {
		own := *x
		out.Params[i] = &own
		out.byName.params[x.Name.Text] = &own
	}
	return &out, out.Bind(overrides)
}

// Reads lists for each node the parameters that its result depends on: those that it reads, and those that the nodes do that it comes from. They stand
// in the order of their declaration.
func (d *Document) Reads() map[string][]string {
	r := &reads{d: d, of: make(map[string]map[string]bool)}
	out := make(map[string][]string, len(d.Nodes))
	for _, n := range d.Nodes {
		set := r.node(n)
		for _, x := range d.Params {
			if set[x.Name.Text] {
				out[n.Name.Text] = append(out[n.Name.Text], x.Name.Text)
			}
		}
	}
	return out
}

type reads struct {
	d  *Document
	of map[string]map[string]bool
}

func (r *reads) node(n *Node) map[string]bool {
	if set, ok := r.of[n.Name.Text]; ok {
		return set
	}
	set := make(map[string]bool)
	r.of[n.Name.Text] = set // a circle, which is an error of its own, ends here
	for _, a := range n.Args {
		r.value(a.Value, set)
	}
	return set
}

func (r *reads) value(v *Value, set map[string]bool) {
	switch {
	case v.Ref != nil && v.Ref.Root == ParamsRoot:
		set[v.Ref.Name.Text] = true
	case v.Ref != nil && v.Ref.Root == NodeRoot:
		if n := r.d.Node(v.Ref.Name.Text); n != nil {
			maps.Copy(set, r.node(n))
		}
	case v.Kind == String:
		maps.Copy(set, holesOf(v.Text))
	}
	for _, x := range v.Items {
		r.value(x, set)
	}
	for _, e := range v.Entries {
		r.value(e.Value, set)
	}
}

// holesOf are the parameters that a template fills in.
func holesOf(text string) map[string]bool {
	set := make(map[string]bool)
	for _, h := range holes(text) {
		if name, ok := strings.CutPrefix(h.name, "params."); ok && !h.literal {
			set[name] = true
		}
	}
	return set
}

// Varied lists the parameters that differ between cells, in their order.
func (d *Document) Varied(cells []*Cell) []string {
	return slices.DeleteFunc(varied(cells), func(name string) bool {
		x := d.Param(name)
		first := x.canonical(d.value(cells[0], x))
		return !slices.ContainsFunc(cells, func(c *Cell) bool { return x.canonical(d.value(c, x)) != first })
	})
}
