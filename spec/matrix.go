package spec

import (
	"fmt"
	"slices"
	"strings"
)

// MaxCells is the number of cells that a matrix may have, those that exclude leaves out counted.
const MaxCells = 1024

// Matrix lists values of parameters whose combinations are rendered.
type Matrix struct {
	Axes    []*Axis
	Exclude []*Point // combinations that are left out
	Include []*Point // cells beside the combinations
	Pos     Pos      // of its key
}

// Axis is a parameter with the values that it takes.
type Axis struct {
	Name   Word
	Param  *Param
	Values []*Value
}

// Point gives values to some parameters.
type Point struct {
	Values []Override
	Pos    Pos
	at     [][2]int // of an exclude: for each value its axis, and which of that one's it is
}

// The keys of a matrix that are no axes.
const (
	excludeKey = "exclude"
	includeKey = "include"
)

// matrix reads the matrix. Parameters are known by then.
func (p *parser) matrix(root *Value) {
	v := root.Get("matrix")
	if v == nil || v.Kind == Null {
		return
	}
	m := &Matrix{Pos: p.key(root, "matrix")}
	if v.Kind != Map || len(v.Entries) == 0 {
		what := "F0301"
		if v.Kind == Map {
			what = "F0107"
		}
		p.errorf(v.Pos, what, "matrix: {PARAMETER: [VALUE, VALUE]}", "a matrix is a map of parameters with lists of values, this is %s", v.Describe())
		return
	}
	sound := true
	for _, e := range v.Entries {
		if e.Key.Text != excludeKey && e.Key.Text != includeKey {
			sound = p.axis(m, e) && sound
		}
	}
	for _, e := range v.Entries {
		switch e.Key.Text {
		case excludeKey:
			sound = p.points(&m.Exclude, e, m.excludes(p)) && sound
		case includeKey:
			sound = p.points(&m.Include, e, p.includes) && sound
		}
	}
	if sound {
		p.d.Matrix = m
		p.cells(m)
	}
}

// axis reads a parameter's values.
func (p *parser) axis(m *Matrix, e Entry) bool {
	x := p.d.Param(e.Key.Text)
	if x == nil {
		if !p.declared["params"][e.Key.Text] { // a faulty declaration is reported where it stands
			names := append(p.d.names(ParamsRoot), excludeKey, includeKey)
			p.errorf(e.Key.Pos, "F0202", or(Suggest(e.Key.Text, names), "declare it under params"), "there is no parameter %s", Quote(e.Key.Text))
		}
		return false
	}
	v := e.Value
	if v.Kind != List || len(v.Items) == 0 {
		hint := "write a list: [VALUE, VALUE]"
		if v.Scalar() && v.Kind != Null && v.Ref == nil {
			hint = fmt.Sprintf("write [%s]", shorten(v.Text))
		}
		p.errorf(v.Pos, "F0301", hint, "an axis is a list of at least one value, this is %s", v.Describe())
		return false
	}
	a := &Axis{Name: e.Key, Param: x, Values: v.Items}
	m.Axes = append(m.Axes, a)
	sound := x.Type != ""
	first := make(map[string]*Value)
	for i, v := range a.Values {
		if x.Type == "" || p.full() {
			return false
		}
		problems := x.check(v)
		for _, d := range problems {
			p.add(d)
		}
		if sound = sound && len(problems) == 0; !sound || i >= MaxCells {
			continue
		}
		key := x.canonical(v)
		if other := first[key]; other != nil {
			p.add(Diagnostic{Pos: v.Pos, Code: "F0704", Hint: "take one of them out", Related: []Related{{other.Pos, "the other one"}},
				Message: fmt.Sprintf("axis %s has the value %s twice", Quote(x.Name.Text), shorten(v.Text))})
			sound = false
		}
		first[key] = v
	}
	return sound
}

// canonical is a text that the values share which are one value of the parameter's type; empty for no value.
func (x *Param) canonical(v *Value) string {
	switch {
	case v == nil:
		return ""
	case x.Type == "string":
		return "=" + v.Text
	case x.Type == "bool":
		return "=" + strings.ToLower(v.Text)
	}
	if n := Number(v); n != nil {
		return "=" + n.RatString()
	}
	return ""
}

// same says whether two values are one value of the parameter's type.
func (x *Param) same(a, b *Value) bool {
	key := x.canonical(a)
	return key != "" && key == x.canonical(b)
}

// excludes checks one value of an exclude: it is one of its axis.
func (m *Matrix) excludes(p *parser) func(*Point, Entry) bool {
	return func(point *Point, e Entry) bool {
		at := slices.IndexFunc(m.Axes, func(a *Axis) bool { return a.Name.Text == e.Key.Text })
		if at < 0 {
			var names []string
			for _, a := range m.Axes {
				names = append(names, a.Name.Text)
			}
			p.errorf(e.Key.Pos, "F0704", or(Suggest(e.Key.Text, names), "axes are "+strings.Join(names, ", ")), "the matrix has no axis %s", Quote(e.Key.Text))
			return false
		}
		a := m.Axes[at]
		if i := slices.IndexFunc(a.Values, func(v *Value) bool { return a.Param.same(v, e.Value) }); i >= 0 {
			point.at = append(point.at, [2]int{at, i})
			return true
		}
		p.errorf(e.Value.Pos, "F0704", "its values are "+texts(a.Values), "axis %s has no value %s", Quote(a.Name.Text), shorten(e.Value.Text))
		return false
	}
}

// includes checks one value of an include: any parameter may have one.
func (p *parser) includes(_ *Point, e Entry) bool {
	x := p.d.Param(e.Key.Text)
	if x == nil {
		p.unknown("parameter", e.Key, ParamsRoot)
		return false
	}
	if x.Type == "" {
		return false
	}
	problems := x.check(e.Value)
	for _, d := range problems {
		p.add(d)
	}
	return len(problems) == 0
}

// points reads a list of maps of values.
func (p *parser) points(to *[]*Point, e Entry, check func(*Point, Entry) bool) bool {
	v := e.Value
	if v.Kind != List || len(v.Items) == 0 {
		p.errorf(v.Pos, "F0301", "write a list: [{PARAMETER: VALUE}]", "%s is a list of at least one map, this is %s", e.Key.Text, v.Describe())
		return false
	}
	if len(v.Items) > MaxCells {
		p.errorf(v.Pos, "F0704", "take some out, or split the file", "%s has %d entries; a matrix has at most %d cells", e.Key.Text, len(v.Items), MaxCells)
		return false
	}
	sound := true
	for _, item := range v.Items {
		if p.full() {
			return false
		}
		if item.Kind != Map || len(item.Entries) == 0 {
			p.errorf(item.Pos, "F0301", "write {PARAMETER: VALUE}", "%s lists maps of values, this is %s", e.Key.Text, item.Describe())
			sound = false
			continue
		}
		point := &Point{Pos: item.Pos}
		for _, e := range item.Entries {
			if !e.Value.Scalar() || e.Value.Kind == Null || e.Value.Ref != nil {
				p.errorf(e.Value.Pos, "F0301", "", "want a value, this is %s", e.Value.Describe())
				sound = false
				continue
			}
			sound = check(point, e) && sound
			point.Values = append(point.Values, Override{Name: e.Key.Text, Value: e.Value, From: p.d.File, Pos: e.Key.Pos})
		}
		*to = append(*to, point)
	}
	return sound
}

// cells checks what a sound matrix comes to.
func (p *parser) cells(m *Matrix) {
	n := len(m.Include)
	product := 1
	var factors []string
	for _, a := range m.Axes {
		factors = append(factors, fmt.Sprintf("%s (%d)", a.Name.Text, len(a.Values)))
		if product <= MaxCells {
			product *= len(a.Values)
		}
	}
	if len(m.Axes) > 0 {
		n += product
	}
	if n > MaxCells {
		what := strings.Join(factors, " x ")
		if len(m.Include) > 0 {
			what = strings.TrimPrefix(fmt.Sprintf("%s and include (%d)", what, len(m.Include)), " and ")
		}
		p.errorf(m.Pos, "F0704", "take values out, or split the file", "the matrix has more cells than %d: %s", MaxCells, what)
		p.d.Matrix = nil
		return
	}
	cells, problem := p.d.Cells(nil)
	if problem != nil {
		p.add(*problem)
		return
	}
	first := make(map[string]*Cell)
	for _, c := range cells {
		key := p.d.point(c)
		if other := first[key]; other != nil {
			p.add(Diagnostic{Pos: c.Pos, Code: "F0704", Hint: "take it out", Related: []Related{{other.Pos, "the other one"}},
				Message: fmt.Sprintf("the cell %s is there already", c.Label)})
			continue
		}
		first[key] = c
	}
}

// texts lists values for a hint.
func texts(values []*Value) string {
	const most = 12
	var out []string
	for i, v := range values {
		if i == most {
			return strings.Join(out, ", ") + fmt.Sprintf(" and %d more", len(values)-most)
		}
		out = append(out, shorten(v.Text))
	}
	return strings.Join(out, ", ")
}
