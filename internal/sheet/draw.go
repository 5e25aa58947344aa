package sheet

import (
	"image"
	"image/color"
	"image/draw"
	"math"

	"golang.org/x/image/font"
	"golang.org/x/image/font/basicfont"
	"golang.org/x/image/math/fixed"

	"github.com/seed-8af8f8e1/flow/internal/picture"
	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// Section is the pictures of one output.
type Section struct {
	Title    string
	Grid     *Grid
	Labels   []string          // of cells
	Pictures []*picture.Image8 // of cells; nil for one that was not made
}

// Sizes in pixels.
const (
	Side     = 512  // pixels that a picture's longer side has at most
	minThumb = 48   // and the least to which it is made smaller
	maxSide  = 8192 // pixels that a sheet aims at
	margin   = 12
	gap      = 8
	glyph    = 7 // width of a character
	line     = 18
	rowText  = 30 // characters of a row's label
)

var (
	paper = color.RGBA{255, 255, 255, 255}
	ink   = color.RGBA{32, 32, 32, 255}
	empty = color.RGBA{232, 232, 232, 255}
)

// Draw draws sections below each other. Pictures are made smaller, never larger.
func Draw(sections []Section) *picture.Image8 {
	side := thumb(sections)
	width, height := 2*margin, margin
	for _, s := range sections {
		w, h := s.size(side)
		width, height = max(width, w+2*margin), height+h+margin
	}
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(m, m.Bounds(), image.NewUniform(paper), image.Point{}, draw.Src)
	y := margin
	for _, s := range sections {
		s.draw(m, side, y)
		_, h := s.size(side)
		y += h + margin
	}
	out := &picture.Image8{Width: width, Height: height, Pix: make([]byte, 0, width*height*3)}
	for i := 0; i < len(m.Pix); i += 4 {
		out.Pix = append(out.Pix, m.Pix[i:i+3]...)
	}
	return out
}

// thumb chooses the side of the square that a picture stands in.
func thumb(sections []Section) int {
	side, columns, rows := minThumb, 1, 1
	for _, s := range sections {
		for _, p := range s.Pictures {
			if p != nil {
				side = max(side, p.Width, p.Height)
			}
		}
		columns, rows = max(columns, len(s.Grid.Columns), s.wrap(side)), rows+len(s.Grid.Rows)+len(s.Grid.Loose)/s.wrap(side)
	}
	side = min(side, Side)
	for side > minThumb && max(columns, rows)*side > maxSide {
		side = max(minThumb, side*3/4)
	}
	return side
}

// wrap is how many of the cells beside the grid stand in a row.
func (s *Section) wrap(side int) int {
	if n := len(s.Grid.Columns); n > 0 {
		return max(1, n*(side+gap)/(s.wide(side)+gap))
	}
	return max(1, int(math.Ceil(math.Sqrt(float64(len(s.Grid.Loose))))))
}

// wide is the width of a cell beside the grid, whose label stands above it.
func (s *Section) wide(side int) int {
	n := 0
	for _, c := range s.Grid.Loose {
		n = max(n, min(rowText, len([]rune(s.Labels[c]))))
	}
	return max(side, n*glyph)
}

// left is the width of the rows' labels.
func (s *Section) left() int {
	n := 0
	for _, r := range s.Grid.Rows {
		n = max(n, min(rowText, len([]rune(r.Label))))
	}
	if n == 0 {
		return 0
	}
	return n*glyph + gap
}

// size is what a section takes, in pixels.
func (s *Section) size(side int) (width, height int) {
	if s.Title != "" {
		height += line
	}
	if len(s.Grid.Rows) > 0 {
		width, height = len(s.Grid.Columns)*(side+gap), height+line+len(s.Grid.Rows)*(side+gap)
	}
	if n := len(s.Grid.Loose); n > 0 {
		wrap := s.wrap(side)
		width, height = max(width, wrap*(s.wide(side)+gap)), height+(n+wrap-1)/wrap*(side+line+gap)
	}
	return s.left() + width, height
}

// draw draws a section from a height on.
func (s *Section) draw(m *image.RGBA, side, y int) {
	if s.Title != "" {
		write(m, margin, y, s.Title, m.Bounds().Dx()-2*margin)
		y += line
	}
	x0 := margin + s.left()
	if len(s.Grid.Rows) > 0 {
		for i, c := range s.Grid.Columns {
			write(m, x0+i*(side+gap), y, c, side)
		}
		y += line
	}
	for _, r := range s.Grid.Rows {
		write(m, margin, y+side/2-line/2, r.Label, s.left()-gap)
		for i, c := range r.Cells {
			if c >= 0 {
				s.paint(m, c, side, x0+i*(side+gap), y)
			}
		}
		y += side + gap
	}
	wrap, wide := s.wrap(side), s.wide(side)
	for i, c := range s.Grid.Loose {
		x, below := x0+i%wrap*(wide+gap), y+i/wrap*(side+line+gap)
		write(m, x, below, s.Labels[c], wide)
		s.paint(m, c, side, x, below+line)
	}
}

// paint draws one picture in a square.
func (s *Section) paint(m *image.RGBA, cell, side, x, y int) {
	p := s.Pictures[cell]
	if p == nil {
		draw.Draw(m, image.Rect(x, y, x+side, y+side), image.NewUniform(empty), image.Point{}, draw.Src)
		write(m, x+gap, y+side/2-line/2, "not made", side-2*gap)
		return
	}
	p = Smaller(p, side)
	x, y = x+(side-p.Width)/2, y+(side-p.Height)/2
	for i := range p.Width * p.Height {
		at := m.PixOffset(x+i%p.Width, y+i/p.Width)
		m.Pix[at], m.Pix[at+1], m.Pix[at+2] = p.Pix[3*i], p.Pix[3*i+1], p.Pix[3*i+2]
	}
}

// Smaller gives a picture whose longer side has at most side pixels: the picture itself where it has.
func Smaller(p *picture.Image8, side int) *picture.Image8 {
	longer := max(p.Width, p.Height)
	if longer <= side {
		return p
	}
	return picture.Resize(p, max(1, p.Width*side/longer), max(1, p.Height*side/longer))
}

// write writes a line of text, cut to a width in pixels. The font has the letters of ASCII; others are shown as a box.
func write(m *image.RGBA, x, y int, text string, width int) {
	letters := []rune(safetext.Line(text))
	if most := max(1, width/glyph); len(letters) > most {
		letters = append(letters[:max(0, most-2):max(0, most-2)], '.', '.')
	}
	d := font.Drawer{Dst: m, Src: image.NewUniform(ink), Face: basicfont.Face7x13, Dot: fixed.P(x, y+basicfont.Face7x13.Ascent)}
	d.DrawString(string(letters))
}
