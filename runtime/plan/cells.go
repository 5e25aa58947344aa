package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/spec"
)

// Cell is one cell of a workflow's matrix.
type Cell struct {
	*spec.Cell
	Doc   *spec.Document // bound to the cell's values
	steps map[string]*Step
}

// maxSteps bounds the steps of all cells, as if nothing were shared.
const maxSteps = 1 << 16

// matrix is what the cells of a matrix share. A node whose parameters are the same in two cells is one step.
type matrix struct {
	varied []string            // the parameters that differ between cells
	reads  map[string][]string // by node: those of varied that decide its result
	steps  map[string]*Step    // by node and the values that it has
	names  map[string]bool     // of steps
	told   map[string]bool     // outputs that were found to clash with themselves
}

// bind binds the document to its parameters' values, and builds the steps of every cell.
func (b *builder) bind(doc *spec.Document, diags []spec.Diagnostic, test *spec.Test) {
	b.diags = diags
	var cells []*spec.Cell
	if test == nil {
		var problem *spec.Diagnostic
		if cells, problem = doc.Cells(b.opt.Overrides); problem != nil {
			b.diags = append(b.diags, *problem)
			return
		}
		var more []spec.Diagnostic
		if cells, more = doc.Select(cells, b.opt.Cells); len(more) > 0 {
			b.diags = append(b.diags, more...)
			return
		}
		if s := b.opt.Shard; s.Of > 0 && cells == nil {
			b.diags = append(b.diags, spec.Diagnostic{File: fmt.Sprintf("--shard %d/%d", s.Index, s.Of), Code: "F0705", Hint: "leave --shard out", Message: "the workflow has no matrix"})
			return
		}
	}
	if cells == nil {
		b.diags = append(b.diags, doc.Bind(b.opt.Overrides)...)
		b.most = len(b.diags) + maxDiagnostics
		b.build(doc, nil)
		return
	}
	if n := len(cells) * len(doc.Nodes); n > maxSteps {
		b.diags = append(b.diags, spec.Diagnostic{File: doc.File, Pos: doc.Matrix.Pos, Code: "F0704", Hint: "take values out, or choose cells with --cell",
			Message: fmt.Sprintf("%d cells of %d nodes are more than %d steps", len(cells), len(doc.Nodes), maxSteps)})
		return
	}
	b.matrix = newMatrix(doc, cells)
	b.most = len(b.diags) + maxDiagnostics
	for i, c := range cells {
		bound, more := doc.With(append(slices.Clone(c.Values), b.opt.Overrides...))
		for _, d := range more {
			b.add(d)
		}
		if i == 0 {
			b.plan.Doc = bound
		}
		cell := &Cell{Cell: c, Doc: bound}
		b.plan.Cells = append(b.plan.Cells, cell)
		b.build(bound, cell)
		if b.full() {
			break // enough to mend; the rest is found then
		}
	}
}

func newMatrix(doc *spec.Document, cells []*spec.Cell) *matrix {
	m := &matrix{varied: doc.Varied(cells), reads: doc.Reads(), steps: make(map[string]*Step), names: make(map[string]bool), told: make(map[string]bool)}
	for node, params := range m.reads {
		m.reads[node] = slices.DeleteFunc(slices.Clone(m.varied), func(p string) bool { return !slices.Contains(params, p) })
	}
	return m
}

// build makes the steps and outputs of a workflow, or of one of its cells, but for the steps that cells before have.
func (b *builder) build(doc *spec.Document, cell *Cell) {
	b.doc, b.cell, b.fresh, b.byName = doc, cell, nil, make(map[string]*Step)
	for i, n := range doc.Nodes {
		if b.full() {
			break
		}
		key := b.key(n)
		if s := b.shared(key); s != nil {
			b.byName[n.Name.Text] = s
			s.Cells++
			continue
		}
		if b.step(n, i); b.matrix != nil && b.byName[n.Name.Text] != nil {
			s := b.byName[n.Name.Text]
			b.matrix.steps[key], s.Cells = s, 1
		}
	}
	if cell != nil {
		cell.steps = b.byName
	}
	for _, s := range b.fresh {
		b.connect(s)
	}
	b.outputs(b.plan)
}

// key is what decides the result of a node in the present cell.
func (b *builder) key(n *spec.Node) string {
	if b.matrix == nil {
		return ""
	}
	var key strings.Builder
	key.WriteString(n.Name.Text)
	for _, name := range b.matrix.reads[n.Name.Text] {
		if v := b.doc.Param(name).Value(); v != nil {
			fmt.Fprintf(&key, "\x00%d:%s", len(v.Text), v.Text)
		} else {
			key.WriteString("\x00-")
		}
	}
	return key.String()
}

// shared is a step of a cell before; nil for none.
func (b *builder) shared(key string) *Step {
	if b.matrix == nil {
		return nil
	}
	return b.matrix.steps[key]
}

// name names the step of a node in the present cell, unlike all others.
func (b *builder) name(n *spec.Node) string {
	if b.matrix == nil {
		return n.Name.Text
	}
	name := n.Name.Text + b.suffix(b.matrix.reads[n.Name.Text])
	unlike := name
	for i := 2; b.matrix.names[unlike]; i++ {
		unlike = fmt.Sprintf("%s~%d", name, i)
	}
	b.matrix.names[unlike] = true
	return unlike
}

// suffix tells what the present cell gives to some parameters: "[seed=42,sag=0]".
func (b *builder) suffix(params []string) string {
	var parts []string
	for i, o := range b.cell.Values {
		if slices.Contains(params, o.Name) {
			parts = append(parts, o.Name+"="+b.cell.Labels[i])
		}
	}
	if parts == nil {
		return ""
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// inCell says of a mistake in a node whose values differ between cells which of them has it first.
func (b *builder) inCell(n *spec.Node, d spec.Diagnostic) spec.Diagnostic {
	if b.matrix == nil || d.Code != "F0302" && d.Code != "F0402" {
		return d
	}
	for _, o := range b.cell.Values {
		if slices.Contains(b.matrix.reads[n.Name.Text], o.Name) && o.Value.Pos.Known() {
			d.Related = append(d.Related, spec.Related{Pos: o.Value.Pos, Message: "met first in the cell " + b.cell.Label})
			break
		}
	}
	return d
}

// clashOfCells reports two cells that write one file.
func (b *builder) clashOfCells(out, other Output) {
	if b.matrix.told[out.Node] {
		return // one pair tells
	}
	b.matrix.told[out.Node] = true
	d := spec.Diagnostic{File: b.doc.File, Pos: out.Pos, Code: "F0601",
		Message: fmt.Sprintf("the cells %s and %s write one file, %s", other.Cells[0].Label, out.Cells[0].Label, out.Path)}
	var missing []string
	for _, name := range b.matrix.varied {
		p, q := other.Cells[0].Doc.Param(name), out.Cells[0].Doc.Param(name)
		if p.Value() == nil || q.Value() == nil || p.Value().Text == q.Value().Text {
			continue
		}
		missing = append(missing, "${params."+name+"}")
		if len(missing) == 1 {
			d.Related = []spec.Related{{Pos: other.Cells[0].place(name), Message: "the one cell"}, {Pos: out.Cells[0].place(name), Message: "the other"}}
		}
	}
	d.Hint = "put " + strings.Join(missing, " or ") + " into the path"
	b.add(d)
}

// place is where a cell gives a parameter its value.
func (c *Cell) place(param string) spec.Pos {
	for _, o := range c.Values {
		if o.Name == param && o.Value.Pos.Known() {
			return o.Value.Pos
		}
	}
	return c.Pos
}
