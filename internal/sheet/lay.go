// Package sheet lays the cells of a matrix out in rows and columns, and draws them on one
// picture with labels: a contact sheet.
package sheet

import (
	"slices"
	"strings"
)

// Cell is one cell of a matrix.
type Cell struct {
	Label  string   // "seed=42,sag=0"
	At     []int    // which value of each axis it has; nil for a cell that is in no row and column
	Labels []string // of these values
}

// Grid is where cells stand; cells are numbers into the list that was laid out, -1 where there is none.
type Grid struct {
	Columns []string // labels
	Rows    []Row
	Loose   []int // cells that stand beside, each with its label
}

// Row is one row.
type Row struct {
	Label string
	Cells []int
}

// Lay lays cells out: the last axis that differs between them gives the columns, the others the rows. Cells that differ in one axis alone stand
// beside each other.
func Lay(axes []string, cells []Cell) *Grid {
	g := new(Grid)
	var differ []int
	for i := range axes {
		if len(values(cells, i)) > 1 {
			differ = append(differ, i)
		}
	}
	if len(differ) < 2 {
		for i := range cells {
			g.Loose = append(g.Loose, i)
		}
		return g
	}
	rows, column := differ[:len(differ)-1], differ[len(differ)-1]
	places := values(cells, column)
	for _, v := range places {
		g.Columns = append(g.Columns, axes[column]+"="+label(cells, column, v))
	}
	at := make(map[string]int)
	for i, c := range cells {
		if c.At == nil {
			g.Loose = append(g.Loose, i)
			continue
		}
		var parts []string
		for _, axis := range rows {
			parts = append(parts, axes[axis]+"="+c.Labels[axis])
		}
		name := strings.Join(parts, ",")
		row, ok := at[name]
		if !ok {
			row = len(g.Rows)
			at[name] = row
			g.Rows = append(g.Rows, Row{name, slices.Repeat([]int{-1}, len(places))})
		}
		g.Rows[row].Cells[slices.Index(places, c.At[column])] = i
	}
	return g
}

// values lists the values of an axis that cells have, sorted.
func values(cells []Cell, axis int) []int {
	var out []int
	for _, c := range cells {
		if c.At != nil && !slices.Contains(out, c.At[axis]) {
			out = append(out, c.At[axis])
		}
	}
	slices.Sort(out)
	return out
}

// label is the label of an axis' value.
func label(cells []Cell, axis, value int) string {
	i := slices.IndexFunc(cells, func(c Cell) bool { return c.At != nil && c.At[axis] == value })
	return cells[i].Labels[axis]
}
