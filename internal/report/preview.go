package report

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
)

// Latents are what a loop carried after a step: rows of pixels of Channels numbers, row by row.
type Latents struct {
	Step                    int
	Height, Width, Channels int
	Data                    []float32
}

// mostPreviews is the number of steps of one loop that are shown.
const mostPreviews = 24

// Keeps says whether a report shows a step of a loop of so many: all of a short one, else at equal distances with the last.
func Keeps(step, steps int) bool {
	if steps <= mostPreviews || step == steps {
		return true
	}
	return (step-1)*mostPreviews/steps != step*mostPreviews/steps
}

// Follow keeps latents of a node's loop for previews.
func (r *Run) Follow(node string, l Latents) {
	if l.Channels < 1 || len(l.Data) != l.Height*l.Width*l.Channels {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.loops == nil {
		r.loops = make(map[string][]Latents)
	}
	if r.loops[node] == nil && len(r.loops) == maxLoops {
		return
	}
	r.loops[node] = append(r.loops[node], l)
}

// maxLoops is the number of loops whose steps are shown: of a large matrix the first.
const maxLoops = 16

// draw makes the previews of all loops. Where the run made a picture of a loop, the linear map from the last latents to that picture,
// fitted by least squares, colours every step; else the first three channels stand for red, green and blue.
func (r *Run) draw() {
	for node, list := range r.loops {
		n := r.node(node)
		n.Previews = nil
		m := r.colours(node, list[len(list)-1])
		for _, l := range list {
			if data := l.png(m); data != nil {
				n.Previews = append(n.Previews, Preview{l.Step, data})
			}
		}
	}
}

// linear gives red, green and blue: weights by channel, and last the constant.
type linear [3][]float64

// colours finds the map of a loop from its last latents.
func (r *Run) colours(node string, last Latents) linear {
	for _, p := range r.Pictures {
		if p.Loop != node || p.PNG == nil {
			continue
		}
		if img, err := png.Decode(bytes.NewReader(p.PNG)); err == nil {
			if m, ok := fit(last, img); ok {
				return m
			}
		}
	}
	var m linear
	for i := range m {
		m[i] = make([]float64, last.Channels+1)
		m[i][min(i, last.Channels-1)] = 40
		m[i][last.Channels] = 127.5
	}
	return m
}

// fit solves the normal equations of the linear map from latents to a picture, which is averaged over the pixels of each place.
func fit(l Latents, img image.Image) (linear, bool) {
	bounds := img.Bounds()
	if l.Width < 1 || bounds.Dx() < l.Width || bounds.Dy() < l.Height {
		return linear{}, false
	}
	n := l.Channels + 1
	normal := make([][]float64, n) // with the right sides of three colours behind
	for i := range normal {
		normal[i] = make([]float64, n+3)
		normal[i][i] = 1e-3
	}
	x := make([]float64, n)
	x[n-1] = 1
	for row := range l.Height {
		for col := range l.Width {
			at := (row*l.Width + col) * l.Channels
			for c := range l.Channels {
				x[c] = float64(l.Data[at+c])
			}
			mean := average(img, image.Rect(col*bounds.Dx()/l.Width, row*bounds.Dy()/l.Height, (col+1)*bounds.Dx()/l.Width, (row+1)*bounds.Dy()/l.Height))
			for i := range n {
				for j := range n {
					normal[i][j] += x[i] * x[j]
				}
				for k := range 3 {
					normal[i][n+k] += x[i] * mean[k]
				}
			}
		}
	}
	return solve(normal)
}

// average is the mean colour of a part of a picture.
func average(img image.Image, part image.Rectangle) (mean [3]float64) {
	part = part.Add(img.Bounds().Min)
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			p := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			mean[0], mean[1], mean[2] = mean[0]+float64(p.R), mean[1]+float64(p.G), mean[2]+float64(p.B)
		}
	}
	for k := range mean {
		mean[k] /= float64(part.Dx() * part.Dy())
	}
	return mean
}

// solve eliminates by Gauss and Jordan with row pivots.
func solve(a [][]float64) (linear, bool) {
	n := len(a)
	for i := range n {
		pivot := i
		for j := i + 1; j < n; j++ {
			if math.Abs(a[j][i]) > math.Abs(a[pivot][i]) {
				pivot = j
			}
		}
		a[i], a[pivot] = a[pivot], a[i]
		if v := math.Abs(a[i][i]); v < 1e-12 || v != v || math.IsInf(v, 0) {
			return linear{}, false
		}
		for j := range n {
			if j == i {
				continue
			}
			f := a[j][i] / a[i][i]
			for k := i; k < n+3; k++ {
				a[j][k] -= f * a[i][k]
			}
		}
	}
	var m linear
	for k := range m {
		m[k] = make([]float64, n)
		for i := range n {
			m[k][i] = a[i][n+k] / a[i][i]
		}
	}
	return m, true
}

// png draws latents, a pixel a place.
func (l Latents) png(m linear) []byte {
	if l.Width < 1 || l.Height < 1 {
		return nil
	}
	img := image.NewNRGBA(image.Rect(0, 0, l.Width, l.Height))
	for i := range l.Width * l.Height {
		for k := range 3 {
			v := m[k][l.Channels]
			for c := range l.Channels {
				v += m[k][c] * float64(l.Data[i*l.Channels+c])
			}
			if !(v > 0) { // not a number is black
				v = 0
			}
			img.Pix[4*i+k] = uint8(min(v, 255) + 0.5)
		}
		img.Pix[4*i+3] = 255
	}
	return encode(img)
}

// encode writes a picture as PNG; nil if that cannot be done.
func encode(img image.Image) []byte {
	var b bytes.Buffer
	if png.Encode(&b, img) != nil {
		return nil
	}
	return b.Bytes()
}
