package golden

import (
	"math"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// The constants of Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error Visibility to Structural Similarity (2004).
const (
	ssimWindow = 11
	ssimSigma  = 1.5
	ssimC1     = (0.01 * 255) * (0.01 * 255)
	ssimC2     = (0.03 * 255) * (0.03 * 255)
)

// SSIM is the mean structural similarity of two pictures of one size: luma, a Gaussian window of 11x11 with sigma 1.5, range 255, over the
// places where the window lies inside. NaN for pictures that the window does not fit into.
func SSIM(a, b *nodes.Image) float64 {
	w, h := a.Width, a.Height
	if w < ssimWindow || h < ssimWindow {
		return math.NaN()
	}
	x, y := luma(a), luma(b)
	product := func(p, q []float64) []float64 {
		out := make([]float64, len(p))
		for i := range p {
			out[i] = p[i] * q[i]
		}
		return out
	}
	mx, my := blur(x, w, h), blur(y, w, h)
	xx, yy, xy := blur(product(x, x), w, h), blur(product(y, y), w, h), blur(product(x, y), w, h)
	sum := 0.0
	for i := range mx {
		cxx, cyy, cxy := xx[i]-mx[i]*mx[i], yy[i]-my[i]*my[i], xy[i]-mx[i]*my[i]
		sum += (2*mx[i]*my[i] + ssimC1) * (2*cxy + ssimC2) / ((mx[i]*mx[i] + my[i]*my[i] + ssimC1) * (cxx + cyy + ssimC2))
	}
	return sum / float64(len(mx))
}

// luma is 0.299 red + 0.587 green + 0.114 blue of every pixel.
func luma(m *nodes.Image) []float64 {
	out := make([]float64, m.Width*m.Height)
	for i := range out {
		p := m.Pix[3*i : 3*i+3]
		out[i] = 0.299*float64(p[0]) + 0.587*float64(p[1]) + 0.114*float64(p[2])
	}
	return out
}

// gaussian is one axis of the window.
var gaussian = func() (g [ssimWindow]float64) {
	sum := 0.0
	for i := range g {
		d := float64(i - ssimWindow/2)
		g[i] = math.Exp(-d * d / (2 * ssimSigma * ssimSigma))
		sum += g[i]
	}
	for i := range g {
		g[i] /= sum
	}
	return g
}()

// blur weighs the window around each place where it lies inside the picture: the result has 10 columns and rows less.
func blur(p []float64, w, h int) []float64 {
	inner := w - ssimWindow + 1
	rows := make([]float64, inner*h)
	for y := range h {
		for x := range inner {
			s := 0.0
			for k, g := range gaussian {
				s += g * p[y*w+x+k]
			}
			rows[y*inner+x] = s
		}
	}
	out := make([]float64, inner*(h-ssimWindow+1))
	for y := range h - ssimWindow + 1 {
		for x := range inner {
			s := 0.0
			for k, g := range gaussian {
				s += g * rows[(y+k)*inner+x]
			}
			out[y*inner+x] = s
		}
	}
	return out
}
