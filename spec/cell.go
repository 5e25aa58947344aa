package spec

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// Cell is one render of a matrix.
type Cell struct {
	Values []Override // what it gives to parameters: in the order of the axes, or of an include
	Labels []string   // of Values, each a short text unlike those of the parameter's other values
	At     []int      // which value of each axis it has; nil for a cell of include
	Pos    Pos        // of its first value, or of the include
	Label  string     // unlike those of the other cells: "seed=42,sag=0"
}

// Cells lists the cells of the matrix, the last axis' values first; nil where the file has no matrix. An axis whose parameter
// has a value among the overrides has that one; then what exclude says of such axes alone leaves nothing out, and the cells of include
// are left away. The diagnostic says that no cell is left.
func (d *Document) Cells(overrides []Override) ([]*Cell, *Diagnostic) {
	m := d.Matrix
	if m == nil {
		return nil, nil
	}
	given := make(map[string]Override)
	for _, o := range overrides {
		given[o.Name] = o
	}
	cells := m.product(d.File, given)
	if !slices.ContainsFunc(m.Axes, func(a *Axis) bool { _, ok := given[a.Name.Text]; return ok }) {
		for _, x := range m.Include {
			cells = append(cells, &Cell{Values: x.Values, Pos: x.Pos})
		}
	}
	if len(cells) == 0 {
		return nil, &Diagnostic{File: d.File, Pos: m.Pos, Code: "F0704", Hint: "exclude less, or give another value", Message: "the matrix has no cell left"}
	}
	l := make(labels)
	for _, c := range cells {
		var parts []string
		for _, o := range c.Values {
			short := l.of(o.Name, o.Value.Text)
			c.Labels = append(c.Labels, short)
			parts = append(parts, o.Name+"="+short)
		}
		c.Label = strings.Join(parts, ",")
	}
	return cells, nil
}

// product lists the combinations of the axes' values that are not left out.
func (m *Matrix) product(file string, given map[string]Override) []*Cell {
	if len(m.Axes) == 0 {
		return nil
	}
	at := make([]int, len(m.Axes))
	var out []*Cell
	for {
		c := &Cell{At: slices.Clone(at), Pos: m.Axes[0].Values[at[0]].Pos}
		for i, a := range m.Axes {
			o, ok := given[a.Name.Text]
			if !ok {
				o = Override{Name: a.Name.Text, Value: a.Values[at[i]], From: file, Pos: a.Values[at[i]].Pos}
			}
			c.Values = append(c.Values, o)
		}
		if !m.excluded(c, given) {
			out = append(out, c)
		}
		i := len(at) - 1
		for ; i >= 0; i-- {
			if _, ok := given[m.Axes[i].Name.Text]; !ok && at[i]+1 < len(m.Axes[i].Values) {
				at[i]++
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return out
		}
	}
}

// excluded says whether a combination is left out.
func (m *Matrix) excluded(c *Cell, given map[string]Override) bool {
	return slices.ContainsFunc(m.Exclude, func(x *Point) bool {
		asked := true
		for i, o := range x.Values {
			axis, value := x.at[i][0], x.at[i][1]
			_, ok := given[o.Name]
			if ok && !m.Axes[axis].Param.same(c.Values[axis].Value, o.Value) || !ok && c.At[axis] != value {
				return false
			}
			asked = asked && ok
		}
		return !asked
	})
}

// value is what a parameter has in a cell; nil for nothing.
func (d *Document) value(c *Cell, x *Param) *Value {
	for _, o := range c.Values {
		if o.Name == x.Name.Text {
			return o.Value
		}
	}
	return x.Default
}

// point is a text that two cells share where all their parameters have the same values.
func (d *Document) point(c *Cell) string {
	var b strings.Builder
	for _, x := range d.Params {
		fmt.Fprintf(&b, "%q;", x.canonical(d.value(c, x)))
	}
	return b.String()
}

// labels are short texts for values, by parameter and value.
type labels map[string]*labelled

// labelled are the labels of one parameter's values, by value, and which are taken.
type labelled struct {
	of    map[string]string
	taken map[string]bool
}

// maxLabel is the number of characters that a value's label keeps.
const maxLabel = 24

// of gives the label of a value.
func (l labels) of(param, text string) string {
	p := l[param]
	if p == nil {
		p = &labelled{make(map[string]string), make(map[string]bool)}
		l[param] = p
	}
	if s, ok := p.of[text]; ok {
		return s
	}
	short := strings.Join(strings.Fields(safetext.Line(text)), " ")
	if utf8.RuneCountInString(short) > maxLabel {
		short = string([]rune(short)[:maxLabel-1]) + "…"
	}
	s := short
	for i := 2; p.taken[s]; i++ {
		s = fmt.Sprintf("%s~%d", short, i)
	}
	p.of[text], p.taken[s] = s, true
	return s
}

// pairText finds where the values of --cell begin.
var pairText = regexp.MustCompile(`(?:^|,)([A-Za-z][A-Za-z0-9_-]*)=`)

// Select keeps the cells that one of some choices names. A choice is NAME=VALUE,NAME=VALUE: a cell that has all these values.
func (d *Document) Select(cells []*Cell, choices []string) ([]*Cell, []Diagnostic) {
	if len(choices) == 0 {
		return cells, nil
	}
	var diags []Diagnostic
	keep := make(map[*Cell]bool)
	for _, choice := range choices {
		found, problem := d.choose(cells, choice)
		if problem != nil {
			problem.File, problem.Code = "--cell "+shorten(choice), "F0705"
			diags = append(diags, *problem)
		}
		for _, c := range found {
			keep[c] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(cells), func(c *Cell) bool { return !keep[c] }), diags
}

// choose finds the cells of one choice.
func (d *Document) choose(cells []*Cell, choice string) ([]*Cell, *Diagnostic) {
	if d.Matrix == nil {
		return nil, &Diagnostic{Hint: "give values with -p NAME=VALUE", Message: "the workflow has no matrix"}
	}
	at := pairText.FindAllStringSubmatchIndex(choice, -1)
	if len(at) == 0 || at[0][0] != 0 {
		return nil, &Diagnostic{Hint: "write --cell NAME=VALUE,NAME=VALUE", Message: "it names no cell"}
	}
	for i, m := range at {
		name, end := choice[m[2]:m[3]], len(choice)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		value := &Value{Text: choice[m[1]:end], Kind: classify(choice[m[1]:end])}
		x := d.Param(name)
		if x == nil || !slices.ContainsFunc(cells, func(c *Cell) bool { return c.gives(name) }) {
			names := varied(cells)
			return nil, &Diagnostic{Hint: or(Suggest(name, names), "the matrix gives values to "+strings.Join(names, ", ")), Message: fmt.Sprintf("no cell gives %s a value", Quote(name))}
		}
		left := slices.DeleteFunc(slices.Clone(cells), func(c *Cell) bool { return !x.same(d.value(c, x), value) })
		if len(left) == 0 {
			return nil, d.none(cells, x, value)
		}
		cells = left
	}
	return cells, nil
}

// none says that no cell has a value.
func (d *Document) none(cells []*Cell, x *Param, value *Value) *Diagnostic {
	var values []*Value
	for _, c := range cells {
		if v := d.value(c, x); v != nil && !slices.ContainsFunc(values, func(o *Value) bool { return x.same(o, v) }) {
			values = append(values, v)
		}
	}
	return &Diagnostic{Hint: "there " + x.Name.Text + " is " + texts(values), Message: fmt.Sprintf("no cell of those has %s=%s", x.Name.Text, shorten(value.Text))}
}

// gives says whether the cell gives a parameter a value of its own.
func (c *Cell) gives(name string) bool {
	return slices.ContainsFunc(c.Values, func(o Override) bool { return o.Name == name })
}

// varied lists the parameters that cells give values to, in their order.
func varied(cells []*Cell) []string {
	var out []string
	for _, c := range cells {
		for _, o := range c.Values {
			if !slices.Contains(out, o.Name) {
				out = append(out, o.Name)
			}
		}
	}
	return out
}
