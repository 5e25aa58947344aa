package bisect

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/golden"
	"github.com/seed-8af8f8e1/flow/internal/trail"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Place is where in a workflow file a node, or what it was asked otherwise, stands.
type Place struct {
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"column"`
	Path string `json:"path,omitempty"` // of the change; empty for the node itself
}

// Distance is how far two values are apart. Problem says why they cannot be compared.
type Distance struct {
	Output  string  `json:"output"` // NODE.OUTPUT, or what the loop carried
	Cosine  float64 `json:"cosine,omitempty"`
	SSIM    float64 `json:"ssim,omitempty"`
	MaxAbs  float64 `json:"max_abs"`
	Picture bool    `json:"picture,omitempty"`
	Problem string  `json:"problem,omitempty"`
}

// Finding is what is found between two runs.
type Finding struct {
	First  *trail.Divergence // nil where both made the same
	Places []Place           // of the first run, then of the second
	Step   []Distance        // of what the loop carried after the first step that differs
	Made   []Distance        // of what the node made
	Others []string          // nodes after it that made something else too
}

// Compare finds where b parts from a.
func Compare(ctx context.Context, a, b *Side) (*Finding, error) {
	f := &Finding{First: trail.Diverge(a.within(b), b.within(a))}
	if f.First == nil {
		return f, nil
	}
	node := f.First.Node
	for _, s := range []*Side{a, b} {
		f.Places = append(f.Places, s.places(f.First)...)
	}
	for i := range b.Trail.Nodes {
		now := &b.Trail.Nodes[i]
		if was := a.Trail.Node(now.Name); was != nil && now.Name != node && !maps.Equal(was.Outputs, now.Outputs) {
			f.Others = append(f.Others, now.Name)
		}
	}
	if f.First.Missing != "" || a.values == nil || b.values == nil {
		return f, nil
	}
	for _, name := range slices.Sorted(maps.Keys(a.values)) {
		if x, y := a.values[name], b.values[name]; strings.HasPrefix(name, node+".") && y != nil {
			f.Made = append(f.Made, distance(name, x, y))
		}
	}
	if f.First.Step == 0 || f.First.Step > min(len(a.Trail.Node(node).Steps), len(b.Trail.Node(node).Steps)) {
		return f, nil
	}
	x, err := a.step(ctx, node, f.First.Step)
	if err != nil {
		return nil, err
	}
	y, err := b.step(ctx, node, f.First.Step)
	if err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(x)) {
		if _, ok := y[name]; ok {
			one := func(m map[string]nodes.Tensor) *nodes.Tensors {
				return &nodes.Tensors{List: map[string]nodes.Tensor{name: m[name]}}
			}
			f.Step = append(f.Step, distance(name, one(x), one(y)))
		}
	}
	return f, nil
}

// within is the side's trail as far as the other knows of it: a record is of what led to one value, and that it has no more is no difference.
func (s *Side) within(other *Side) *trail.Trail {
	if other.doc != nil {
		return s.Trail
	}
	out := *s.Trail
	out.Nodes = nil
	for _, n := range s.Trail.Nodes {
		if other.Trail.Node(n.Name) != nil {
			out.Nodes = append(out.Nodes, n)
		}
	}
	return &out
}

// distance measures how far two values are apart.
func distance(name string, a, b nodes.Value) Distance {
	d, err := golden.Measure(a, b)
	if err != nil {
		return Distance{Output: name, Problem: err.Error()}
	}
	if d.MaxAbs != d.MaxAbs {
		return Distance{Output: name, Problem: "one of the two is not a number"}
	}
	out := Distance{Output: name, MaxAbs: d.MaxAbs, Cosine: d.Cosine}
	if _, out.Picture = a.(*nodes.Image); out.Picture {
		out.Cosine = 0
		if out.SSIM = d.SSIM; d.SSIM != d.SSIM {
			out.SSIM = 0 // too small a picture
		}
	}
	return out
}

// places says where what differs stands in the side's file.
func (s *Side) places(d *trail.Divergence) []Place {
	if s.doc == nil {
		return nil
	}
	name, _, _ := strings.Cut(d.Node, "[") // a cell of a matrix
	n := s.doc.Node(name)
	if n == nil {
		return nil
	}
	var out []Place
	at := func(p spec.Pos, path string) {
		if p.Known() {
			out = append(out, Place{s.doc.File, p.Line, p.Col, path})
		}
	}
	for _, c := range d.Changes {
		path, ok := strings.CutPrefix(c.Path, "args.")
		if !ok {
			continue
		}
		v := argument(n, path)
		if v == nil {
			continue
		}
		at(v.Pos, c.Path)
		if v.Ref != nil && v.Ref.Root == spec.ParamsRoot {
			if x := s.doc.Param(v.Ref.Name.Text); x != nil && x.Default != nil {
				at(x.Default.Pos, "params."+x.Name.Text)
			}
		}
	}
	if len(out) == 0 {
		at(n.Pos, "")
	}
	return out
}

// argument is the value of a node's argument as the file has it, or the nearest that holds it: a shorthand stands for several.
func argument(n *spec.Node, path string) *spec.Value {
	parts := strings.Split(path, ".")
	var v *spec.Value
	for _, e := range n.Args {
		if e.Key.Text == parts[0] {
			v = e.Value
		}
	}
	for _, part := range parts[1:] {
		if v == nil || v.Kind != spec.Map {
			return v
		}
		inner := v.Get(part)
		if inner == nil {
			return v
		}
		v = inner
	}
	return v
}
