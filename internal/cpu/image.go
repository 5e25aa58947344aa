package cpu

import (
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/internal/program"
)

// image is an operand or result seen as batch x rows x columns x channels.
type image struct {
	b, h, w, c int
	stride     int  // floats from pixel to pixel
	top        int  // the row at which data begins: not 0 in a band of an image
	words      bool // data are words of two channels, rounded to bf16
	data       []float32
}

func imageOf(shape []int, data []float32) image {
	n := len(shape)
	im := image{b: shape[0], h: 1, w: 1, c: shape[n-1], stride: shape[n-1], data: data}
	switch n {
	case 3:
		im.w = shape[1]
	case 4:
		im.h, im.w = shape[1], shape[2]
	}
	return im
}

// image is a value of the program and where it lies.
func (x *exec) image(id program.ID) image {
	im := x.shapeOf(id)
	if w, ok := x.windows[id]; ok {
		im.top, im.data = w.top, w.data
		return im
	}
	im.data = x.f32(id)
	return im
}

// shapeOf is a value of the program without its data.
func (x *exec) shapeOf(id program.ID) image {
	im := imageOf(x.p.Shape(id), nil)
	if x.asWords[id] {
		im.words, im.stride = true, kernel.Words(im.c, true)
	}
	return im
}

func (im *image) pixels() int { return im.b * im.h * im.w }

// at is where a pixel's channels begin, from channel c on, which is even for words.
func (im *image) at(pixel, c int) []float32 {
	if im.words {
		c /= 2
	}
	return im.data[pixel*im.stride+c:]
}

// carver divides working memory.
type carver []float32

func (c *carver) floats(n int) []float32 {
	part := (*c)[:n:n]
	*c = (*c)[n:]
	return part
}
