// Package clipimage makes the input of CLIP's image encoder from a picture, as CLIPImageProcessor of transformers does without
// torchvision (its Pillow backend). [Default] is what diffusers asks of it; [Squeezed] makes it what Refiners does.
package clipimage

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/picture"
)

// Tensor is the encoder's input, [1, Height, Width, 3], channels last.
type Tensor struct {
	Height, Width int
	Data          []float32
}

// Preprocess makes the encoder's input. Every value has the bits of the reference's fp32.
func Preprocess(m *picture.Image8, cfg Config) (Tensor, error) {
	if m.Width < 1 || m.Height < 1 {
		return Tensor{}, fmt.Errorf("a picture of %d x %d pixels", m.Width, m.Height)
	}
	if cfg.DoResize {
		width, height, err := cfg.resized(m.Width, m.Height)
		if err != nil {
			return Tensor{}, err
		}
		m = picture.Resize(m, width, height)
	}
	if cfg.DoCenterCrop {
		m = centerCrop(m, cfg.Crop.Width, cfg.Crop.Height)
	}
	// transformers multiplies in float64 and rounds once; with 1/255 that gives the bits of Refiners' fp32 division by 255
	level := func(v byte) float32 { return float32(float64(v) * cfg.RescaleFactor) }
	if !cfg.DoRescale {
		level = func(v byte) float32 { return float32(v) }
	}
	return cfg.tensor(m, level, cfg.DoNormalize), nil
}

// tensor applies level to each sample, then (x - mean) / std in fp32.
func (cfg Config) tensor(m *picture.Image8, level func(byte) float32, normalize bool) Tensor {
	var table [3][256]float32
	for c := range table {
		mean, std := float32(cfg.Mean[c]), float32(cfg.Std[c])
		for v := range table[c] {
			x := level(byte(v))
			if normalize {
				x = (x - mean) / std
			}
			table[c][v] = x
		}
	}
	t := Tensor{m.Height, m.Width, make([]float32, len(m.Pix))}
	for i, v := range m.Pix {
		t.Data[i] = table[i%3][v]
	}
	return t
}

// maxPixels bounds what a long thin picture grows to when its shorter edge is resized.
const maxPixels = picture.MaxPixels

// resized is the size that the resize step makes of a picture.
func (cfg Config) resized(width, height int) (int, int, error) {
	w, h := cfg.Resize.Width, cfg.Resize.Height
	if edge := cfg.Resize.ShortestEdge; edge > 0 {
		short, long := min(width, height), max(width, height)
		longer := float64(edge*long) / float64(short) // truncated
		if longer*float64(edge) > maxPixels {
			return 0, 0, fmt.Errorf("a picture of %d x %d pixels becomes %.0f pixels long when its shorter edge is made %d; cut it first", width, height, longer, edge)
		}
		if w, h = edge, int(longer); width > height {
			w, h = h, w
		}
	}
	return w, h, nil
}

// centerCrop cuts the middle out, rounding its corner down; where the picture is smaller it is padded with black, one more above and to the
// left where the padding is odd (center_crop of transformers' image_transforms.py).
func centerCrop(m *picture.Image8, width, height int) *picture.Image8 {
	corner := func(have, want int) int {
		if have >= want {
			return (have - want) / 2
		}
		return -((want - have + 1) / 2)
	}
	return m.Crop(corner(m.Width, width), corner(m.Height, height), width, height)
}
