package cuda

import "github.com/seed-8af8f8e1/flow/internal/program"

// image is a value seen as batch x rows x columns x channels.
type image struct{ b, h, w, c int }

func (x *exec) image(id program.ID) image {
	s := x.p.Shape(id)
	n := len(s)
	im := image{b: s[0], h: 1, w: 1, c: s[n-1]}
	switch n {
	case 3:
		im.w = s[1]
	case 4:
		im.h, im.w = s[1], s[2]
	}
	return im
}

func (im image) pixels() int { return im.b * im.h * im.w }

func flag(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

// div is n/m rounded up.
func div(n, m int) int { return (n + m - 1) / m }
