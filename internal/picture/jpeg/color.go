package jpeg

// space is the colour space of the file's components, by libjpeg's rules: a JFIF segment means YCbCr, Adobe's says which, and without
// either the components' numbers tell.
func (d *decoder) space() (color Color, converted bool) {
	switch len(d.components) {
	case 1:
		return Gray, false
	case 4:
		return CMYK, d.adobe > 0
	}
	ids := [3]int{d.components[0].id, d.components[1].id, d.components[2].id}
	switch {
	case d.jfif:
		return RGB, true
	case d.adobe >= 0:
		return RGB, d.adobe != 0
	}
	return RGB, ids != [3]int{'R', 'G', 'B'}
}

// image interpolates and converts the planes.
func (d *decoder) image() (*Image, error) {
	color, convert := d.space()
	n := len(d.components)
	img := &Image{d.width, d.height, color, make([]byte, n*d.width*d.height)}
	planes := make([]*rows, n)
	for i, c := range d.components {
		planes[i] = d.rows(c)
	}
	var line [4][]byte
	for y := range d.height {
		for i, p := range planes {
			line[i] = p.row(y)[:d.width]
		}
		out := img.Pix[n*d.width*y:][:n*d.width]
		if convert {
			fromYCC(line[0], line[1], line[2], out, n)
			if n == 4 {
				for x, k := range line[3] {
					c := out[4*x : 4*x+3]
					c[0], c[1], c[2], out[4*x+3] = 255-c[0], 255-c[1], 255-c[2], k
				}
			}
			continue
		}
		for i := range n {
			for x, v := range line[i] {
				out[n*x+i] = v
			}
		}
	}
	return img, nil
}

// The tables of jdcolor.c, 16 fraction bits: red and blue are rounded, green's two halves are summed first.
var redOfCr, blueOfCb, greenOfCr, greenOfCb = func() (r, b, gr, gb [256]int32) {
	const half = 1 << 15
	for i := range 256 {
		x := int32(i) - 128
		r[i] = (91881*x + half) >> 16  // 1.40200
		b[i] = (116130*x + half) >> 16 // 1.77200
		gr[i] = -46802 * x             // 0.71414
		gb[i] = -22554*x + half        // 0.34414
	}
	return r, b, gr, gb
}()

func clip(v int32) byte { return byte(min(255, max(0, v))) }

// fromYCC converts a row; a pixel of out has step bytes.
func fromYCC(luma, cb, cr, out []byte, step int) {
	for x, v := range luma {
		y, b, r := int32(v), cb[x], cr[x]
		o := out[step*x : step*x+3]
		o[0] = clip(y + redOfCr[r])
		o[1] = clip(y + (greenOfCb[b]+greenOfCr[r])>>16)
		o[2] = clip(y + blueOfCb[b])
	}
}
