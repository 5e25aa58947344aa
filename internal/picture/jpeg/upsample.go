package jpeg

// rows gives the rows of a component at the picture's full resolution (libjpeg-turbo's jdsample.c).
type rows struct {
	*component
	wide, high int // how many times the component is stretched
	fancyH     bool
	out        []byte // a row of 2 or more samples over the width
	sums       []int  // of two rows, in quarters
}

func (d *decoder) rows(c *component) *rows {
	r := &rows{component: c, wide: d.maxH / c.h, high: d.maxV / c.v}
	r.fancyH = r.wide == 2 && r.high <= 2 && c.width > 2
	r.out = make([]byte, r.wide*c.stride)
	r.sums = make([]int, c.width)
	return r
}

// source is a row of samples; rows outside the picture repeat its first and last.
func (r *rows) source(y int) []byte {
	y = min(r.component.height-1, max(0, y))
	return r.plane[y*r.stride:][:r.component.width]
}

// row is row y of the picture. It is valid until the next call.
func (r *rows) row(y int) []byte {
	near := r.source(y / r.high)
	switch {
	case r.wide == 1 && r.high == 1:
		return near
	case r.fancyH && r.high == 1:
		triangle(near, r.out)
		return r.out
	case r.high == 2 && (r.fancyH || r.wide == 1):
		far := r.source(y/2 - 1 + 2*(y%2))
		if r.wide == 1 {
			bias := 1 + y%2
			for i, v := range near {
				r.out[i] = byte((3*int(v) + int(far[i]) + bias) >> 2)
			}
			return r.out
		}
		for i, v := range near {
			r.sums[i] = 3*int(v) + int(far[i])
		}
		triangleOfSums(r.sums, r.out)
		return r.out
	}
	for i, v := range near {
		for k := range r.wide {
			r.out[i*r.wide+k] = v
		}
	}
	return r.out
}

// triangle doubles a row: each sample is 3/4 of the nearer and 1/4 of the further, halves rounded down and up in turn.
func triangle(in, out []byte) {
	last := len(in) - 1
	for i, v := range in {
		left, right := (3*int(v)+int(in[max(0, i-1)])+1)>>2, (3*int(v)+int(in[min(last, i+1)])+2)>>2
		out[2*i], out[2*i+1] = byte(left), byte(right)
	}
	out[0], out[2*last+1] = in[0], in[last]
}

// triangleOfSums does the same to sums of two rows, in sixteenths.
func triangleOfSums(in []int, out []byte) {
	last := len(in) - 1
	for i, v := range in {
		left, right := (3*v+in[max(0, i-1)]+8)>>4, (3*v+in[min(last, i+1)]+7)>>4
		out[2*i], out[2*i+1] = byte(left), byte(right)
	}
	out[0], out[2*last+1] = byte((4*in[0]+8)>>4), byte((4*in[last]+7)>>4)
}
