package picture

// Image8 is a picture of 8-bit RGB, rows from the top, three bytes a pixel, no padding: len(Pix) is 3*Width*Height.
type Image8 struct {
	Width, Height int
	Pix           []byte
}

// New is a black picture.
func New(width, height int) *Image8 {
	return &Image8{Width: width, Height: height, Pix: make([]byte, 3*width*height)}
}

// row is the bytes of one row.
func (m *Image8) row(y int) []byte { return m.Pix[3*m.Width*y : 3*m.Width*(y+1)] }

// Crop copies the part whose upper left corner is (x, y). What lies outside the picture is black, as in Pillow's Image.crop.
func (m *Image8) Crop(x, y, width, height int) *Image8 {
	out := New(width, height)
	x0, x1 := max(0, x), min(m.Width, x+width)
	if x0 >= x1 {
		return out
	}
	for r := range height {
		if sy := y + r; sy >= 0 && sy < m.Height {
			copy(out.row(r)[3*(x0-x):], m.row(sy)[3*x0:3*x1])
		}
	}
	return out
}
