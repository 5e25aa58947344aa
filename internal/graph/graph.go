// Package graph draws a workflow's graph: as mermaid, as dot, and as an SVG of its own.
package graph

import (
	"fmt"
	"io"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// Forms of a drawn graph.
var Forms = []string{"mermaid", "dot", "svg"}

// Graph is what is drawn.
type Graph struct {
	Nodes []Node
	Edges []Edge
}

// Node is a box: a node of the workflow, or a file that it writes.
type Node struct {
	Name, Kind string
	Output     bool
	// Mark is a class that an SVG gives the box, of small letters; Note is a third line in it.
	Mark, Note string
	// Fill is how much of the colour of its class the box has, to 1; 0 for all of it.
	Fill float64
}

// Edge goes from one box to another, with the type that flows along.
type Edge struct {
	From, To int
	Label    string
}

// Of is the graph of a plan.
func Of(p *plan.Plan) Graph {
	var g Graph
	at := make(map[*plan.Step]int)
	for _, s := range p.Steps {
		at[s] = len(g.Nodes)
		g.Nodes = append(g.Nodes, Node{Name: s.Name, Kind: s.Kind.Name})
		for _, in := range s.Inputs {
			g.Edges = append(g.Edges, Edge{at[in.From], at[s], string(in.Type)})
		}
	}
	for _, o := range p.Outputs {
		g.Edges = append(g.Edges, Edge{at[o.From], len(g.Nodes), typeOf(o)})
		g.Nodes = append(g.Nodes, Node{Name: o.Name, Kind: o.Path, Output: true})
	}
	return g
}

// typeOf is the type of what an output writes or a test expects.
func typeOf(o plan.Output) string {
	for _, p := range o.From.Kind.Outputs {
		if p.Name == o.Port {
			return string(p.Type)
		}
	}
	return "image"
}

// Write draws the graph in one of [Forms].
func Write(w io.Writer, form string, g Graph) error {
	nodes := make([]Node, 0, len(g.Nodes))
	for _, n := range g.Nodes {
		nodes = append(nodes, n.safe())
	}
	g.Nodes = nodes
	var s string
	switch form {
	case "mermaid":
		s = mermaid(g)
	case "dot":
		s = dot(g)
	case "svg":
		s = svg(g, Style)
	default:
		return fmt.Errorf("there is no form %q; it is one of %s", form, strings.Join(Forms, ", "))
	}
	_, err := io.WriteString(w, s)
	return err
}

// safe is the node with texts that do nothing but stand there.
func (n Node) safe() Node {
	n.Name, n.Kind, n.Note = safetext.Line(n.Name), safetext.Line(n.Kind), safetext.Line(n.Note)
	n.Mark = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, n.Mark)
	return n
}

// Inline draws the graph as SVG for a page whose style sheet has [Style].
func Inline(g Graph) string {
	nodes := make([]Node, 0, len(g.Nodes))
	for _, n := range g.Nodes {
		nodes = append(nodes, n.safe())
	}
	g.Nodes = nodes
	return svg(g, "")
}

func mermaid(g Graph) string {
	text := strings.NewReplacer("#", "#35;", "&", "#amp;", `"`, "#quot;", "<", "#lt;", ">", "#gt;")
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	for i, n := range g.Nodes {
		open, end := "[", "]"
		if n.Output {
			open, end = "([", "])"
		}
		fmt.Fprintf(&b, "  n%d%s\"%s<br/>%s\"%s\n", i, open, text.Replace(n.Name), text.Replace(n.Kind), end)
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  n%d -->|%s| n%d\n", e.From, e.Label, e.To)
	}
	return b.String()
}

func dot(g Graph) string {
	text := strings.NewReplacer(`\`, `\\`, `"`, `\"`)
	var b strings.Builder
	b.WriteString("digraph workflow {\n  rankdir=LR;\n  node [shape=box, fontname=\"sans-serif\"];\n")
	for i, n := range g.Nodes {
		style := ""
		if n.Output {
			style = ", style=rounded"
		}
		fmt.Fprintf(&b, "  n%d [label=\"%s\\n%s\"%s];\n", i, text.Replace(n.Name), text.Replace(n.Kind), style)
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  n%d -> n%d [label=\"%s\"];\n", e.From, e.To, e.Label)
	}
	b.WriteString("}\n")
	return b.String()
}
