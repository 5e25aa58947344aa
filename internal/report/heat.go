package report

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
)

// heatStops are the colours of a heat map, from no difference to the greatest.
var heatStops = []color.NRGBA{{0, 0, 4, 255}, {87, 16, 110, 255}, {188, 55, 84, 255}, {249, 142, 9, 255}, {252, 255, 164, 255}}

// Heat draws where two pictures of one size differ: the greatest difference of the colours of a pixel, on a scale whose end is most.
// Nil where they cannot be compared.
func Heat(want, got []byte) (data []byte, most int) {
	a, err := png.Decode(bytes.NewReader(want))
	if err != nil {
		return nil, 0
	}
	b, err := png.Decode(bytes.NewReader(got))
	if err != nil || a.Bounds().Size() != b.Bounds().Size() {
		return nil, 0
	}
	size := a.Bounds().Size()
	diff := make([]int, size.X*size.Y)
	for i := range diff {
		p := color.NRGBAModel.Convert(a.At(a.Bounds().Min.X+i%size.X, a.Bounds().Min.Y+i/size.X)).(color.NRGBA)
		q := color.NRGBAModel.Convert(b.At(b.Bounds().Min.X+i%size.X, b.Bounds().Min.Y+i/size.X)).(color.NRGBA)
		diff[i] = max(apart(p.R, q.R), apart(p.G, q.G), apart(p.B, q.B))
		most = max(most, diff[i])
	}
	img := image.NewNRGBA(image.Rectangle{Max: size})
	for i, d := range diff {
		img.SetNRGBA(i%size.X, i/size.X, heat(d, most))
	}
	return encode(img), most
}

func apart(a, b uint8) int { return max(int(a), int(b)) - min(int(a), int(b)) }

// heat is the colour of d on a scale from 0 to most. What differs at all is told from what does not.
func heat(d, most int) color.NRGBA {
	if d == 0 || most == 0 {
		return heatStops[0]
	}
	last := len(heatStops) - 1
	at := max(d*last*256/most, 64)
	i := min(at/256, last-1)
	mix := func(a, b uint8) uint8 { return uint8((int(a)*(256-(at-256*i)) + int(b)*(at-256*i)) / 256) }
	a, b := heatStops[i], heatStops[i+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}
