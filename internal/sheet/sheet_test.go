package sheet

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/picture"
)

// grid makes the cells of two seeds and three scales, without the last, and one beside.
func grid() []Cell {
	var out []Cell
	for i, seed := range []string{"1", "2"} {
		for j, scale := range []string{"a", "b", "c"} {
			out = append(out, Cell{Label: "seed=" + seed + ",scale=" + scale, At: []int{i, j}, Labels: []string{seed, scale}})
		}
	}
	return append(out[:5], Cell{Label: "seed=7"})
}

var axes = []string{"seed", "scale"}

func TestLay(t *testing.T) {
	g := Lay(axes, grid())
	want := &Grid{Columns: []string{"scale=a", "scale=b", "scale=c"}, Rows: []Row{{"seed=1", []int{0, 1, 2}}, {"seed=2", []int{3, 4, -1}}}, Loose: []int{5}}
	if !reflect.DeepEqual(g, want) {
		t.Errorf("%+v", g)
	}
	if g := Lay(axes, grid()[:3]); len(g.Rows) != 0 || !slices.Equal(g.Loose, []int{0, 1, 2}) {
		t.Errorf("one axis: %+v", g)
	}
	three := []Cell{{At: []int{0, 0, 0}, Labels: []string{"x", "y", "z"}}, {At: []int{1, 1, 1}, Labels: []string{"X", "Y", "Z"}}}
	if g := Lay([]string{"a", "b", "c"}, three); len(g.Rows) != 2 || g.Rows[1].Label != "a=X,b=Y" || !slices.Equal(g.Rows[1].Cells, []int{-1, 1}) {
		t.Errorf("three axes: %+v", g)
	}
	if g := Lay(nil, nil); len(g.Rows)+len(g.Loose) != 0 {
		t.Errorf("nothing: %+v", g)
	}
}

// plain is a picture of one colour.
func plain(width, height int, r, g, b byte) *picture.Image8 {
	m := picture.New(width, height)
	for i := range width * height {
		m.Pix[3*i], m.Pix[3*i+1], m.Pix[3*i+2] = r, g, b
	}
	return m
}

// count counts pixels of a colour.
func count(m *picture.Image8, r, g, b byte) (n int) {
	for i := range m.Width * m.Height {
		if m.Pix[3*i] == r && m.Pix[3*i+1] == g && m.Pix[3*i+2] == b {
			n++
		}
	}
	return n
}

func section(width, height int) Section {
	cells := grid()
	s := Section{Title: "picture", Grid: Lay(axes, cells)}
	for i, c := range cells {
		s.Labels = append(s.Labels, c.Label)
		s.Pictures = append(s.Pictures, plain(width, height, byte(10*i+5), 0, 200))
	}
	s.Pictures[4] = nil
	return s
}

// Every picture is on the sheet, whole and once; the one that was not made is a box that says so.
func TestDraw(t *testing.T) {
	m := Draw([]Section{section(64, 48), section(64, 48)})
	for i := range 6 {
		want := 2 * 64 * 48
		if i == 4 {
			want = 0
		}
		if n := count(m, byte(10*i+5), 0, 200); n != want {
			t.Errorf("picture %d has %d pixels, want %d", i, n, want)
		}
	}
	if n := count(m, empty.R, empty.G, empty.B); n < 2*64*64/2 || n > 2*64*64 {
		t.Errorf("%d pixels of the box", n)
	}
	if n := count(m, ink.R, ink.G, ink.B); n < 200 {
		t.Errorf("%d pixels of letters", n)
	}
	if !slices.Equal(m.Pix, Draw([]Section{section(64, 48), section(64, 48)}).Pix) {
		t.Error("drawn again it is another")
	}
}

// Labels are read where they stand: other labels, other pixels, and only within their place.
func TestLabels(t *testing.T) {
	a, b := section(64, 48), section(64, 48)
	b.Grid.Columns = []string{"scale=a", "scale=B", "scale=c"}
	x, y := Draw([]Section{a}), Draw([]Section{b})
	left, right := x.Width, 0
	for i := range x.Width * x.Height {
		if x.Pix[3*i] != y.Pix[3*i] {
			left, right = min(left, i%x.Width), max(right, i%x.Width)
		}
	}
	if right == 0 || right-left > 64 {
		t.Errorf("columns %d to %d differ", left, right)
	}
	long := section(64, 48)
	long.Grid.Rows[0].Label = strings.Repeat("x\u202e", 3000)
	if m := Draw([]Section{long}); m.Width > 64*3+rowText*glyph+200 {
		t.Errorf("%d pixels wide", m.Width)
	}
}

// A sheet of large pictures, or of many, stays within bounds.
func TestDrawIsBounded(t *testing.T) {
	if m := Draw([]Section{section(2000, 1000)}); m.Width > 4*Side || count(m, 5, 0, 200) != Side*Side/2 {
		t.Errorf("%d wide, %d pixels of the first picture", m.Width, count(m, 5, 0, 200))
	}
	many := Section{Grid: new(Grid)}
	for i := range 1024 {
		many.Grid.Loose = append(many.Grid.Loose, i)
		many.Labels, many.Pictures = append(many.Labels, "seed"), append(many.Pictures, plain(600, 600, 9, 9, 9))
	}
	if m := Draw([]Section{many}); max(m.Width, m.Height) > maxSide+1000 {
		t.Errorf("%dx%d", m.Width, m.Height)
	}
	if m := Draw(nil); m.Width < 1 || m.Height < 1 {
		t.Error("nothing is no picture")
	}
}
