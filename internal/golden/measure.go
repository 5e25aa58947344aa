package golden

import (
	"fmt"
	"math"
	"slices"

	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Difference is how far a value is from another. Of pictures MaxAbs and RMS are in steps of 255.
type Difference struct {
	Elements, Differ int     // how many there are, and how many are unlike
	MaxAbs, RMS      float64 // NaN where an element is
	Cosine           float64 // of the angle between the two as vectors; 1 for two of zero
	SSIM, PSNR       float64 // of pictures, else NaN; PSNR in dB, +Inf for equal ones
	At               string  // where the greatest difference is
}

// Measure compares a value with what is expected. Different types or shapes are an error.
func Measure(want, got nodes.Value) (*Difference, error) {
	switch want := want.(type) {
	case *nodes.Image:
		picture, ok := got.(*nodes.Image)
		if !ok {
			return nil, fmt.Errorf("a picture is expected, not %s", got.Type())
		}
		if want.Width != picture.Width || want.Height != picture.Height {
			return nil, fmt.Errorf("a picture of %dx%d is expected, and this is one of %dx%d", want.Width, want.Height, picture.Width, picture.Height)
		}
		return pictures(want, picture), nil
	case *nodes.Tensors:
		arrays, ok := got.(*nodes.Tensors)
		if !ok {
			return nil, fmt.Errorf("%s are expected, not a picture", want.Of)
		}
		if a, b := want.Names(), arrays.Names(); !slices.Equal(a, b) {
			return nil, fmt.Errorf("the arrays %v are expected, and these are %v", a, b)
		}
		return tensors(want.List, arrays.List)
	}
	return nil, fmt.Errorf("a %T cannot be compared", want)
}

// tensors compares arrays, taken as one long vector.
func tensors(want, got map[string]nodes.Tensor) (*Difference, error) {
	d := &Difference{SSIM: math.NaN(), PSNR: math.NaN()}
	var squares, xx, yy, xy float64
	for _, name := range (&nodes.Tensors{List: want}).Names() {
		a, b := want[name], got[name]
		if !slices.Equal(a.Shape, b.Shape) || len(a.Data) != len(b.Data) {
			return nil, fmt.Errorf("%s of shape %v are expected, and these are of %v", name, a.Shape, b.Shape)
		}
		for i, x := range a.Data {
			x, y := float64(x), float64(b.Data[i])
			d.add(x, y, func() string { return fmt.Sprintf("%s%v", name, index(a.Shape, i)) })
			squares += (x - y) * (x - y)
			xx, yy, xy = xx+x*x, yy+y*y, xy+x*y
		}
	}
	if d.Elements > 0 {
		d.RMS = math.Sqrt(squares / float64(d.Elements))
	}
	d.Cosine = cosine(xx, yy, xy)
	return d, nil
}

// cosine of the angle between two vectors, of their products.
func cosine(xx, yy, xy float64) float64 {
	if xx == 0 && yy == 0 {
		return 1
	}
	if xx == 0 || yy == 0 {
		return 0
	}
	return xy / (math.Sqrt(xx) * math.Sqrt(yy))
}

// add notes one element.
func (d *Difference) add(x, y float64, at func() string) {
	d.Elements++
	diff := math.Abs(x - y)
	if x == y {
		return
	}
	d.Differ++
	if diff > d.MaxAbs || diff != diff && d.MaxAbs == d.MaxAbs {
		d.MaxAbs, d.At = diff, at()
	}
}

// index is the place of element i of an array.
func index(shape []int, i int) []int {
	out := make([]int, len(shape))
	for k := len(shape) - 1; k >= 0; k-- {
		out[k] = i % shape[k]
		i /= shape[k]
	}
	return out
}

// pictures compares pictures of one size.
func pictures(want, got *nodes.Image) *Difference {
	d := &Difference{Cosine: math.NaN(), SSIM: SSIM(want, got), PSNR: math.Inf(1)}
	var squares float64
	for i, x := range want.Pix {
		x, y := float64(x), float64(got.Pix[i])
		d.add(x, y, func() string { return fmt.Sprintf("column %d, row %d", i/3%want.Width, i/3/want.Width) })
		squares += (x - y) * (x - y)
	}
	mean := squares / float64(len(want.Pix))
	d.RMS = math.Sqrt(mean)
	if squares > 0 {
		d.PSNR = 10 * math.Log10(255*255/mean)
	}
	return d
}

// Of is the measured value that a bound is for.
func (d *Difference) Of(bound string) float64 {
	switch bound {
	case "max-abs":
		return d.MaxAbs
	case "rms":
		return d.RMS
	case "cosine":
		return d.Cosine
	case "ssim":
		return d.SSIM
	case "psnr":
		return d.PSNR
	}
	return math.NaN()
}

// AtLeast says of a bound that what is measured has to reach it; others it must not exceed.
func AtLeast(bound string) bool { return bound == "cosine" || bound == "ssim" || bound == "psnr" }

// Verdict is one bound held against what was measured.
type Verdict struct {
	Bound    spec.Bound
	Measured float64
	Holds    bool
}

// Wants is the bound in words: "at least 0.98".
func (v Verdict) Wants() string {
	if AtLeast(v.Bound.Name) {
		return "at least " + v.Bound.Text
	}
	return "at most " + v.Bound.Text
}

// String is the verdict as it is shown: "ssim 0.91, wants at least 0.98".
func (v Verdict) String() string {
	return fmt.Sprintf("%s %s, wants %s", v.Bound.Name, Number(v.Measured), v.Wants())
}

// Number writes a measured value for people.
func Number(x float64) string { return fmt.Sprintf("%.6g", x) }

// Judge holds every bound against a difference. What is not a number holds no bound.
func (d *Difference) Judge(bounds []spec.Bound) []Verdict {
	var out []Verdict
	for _, b := range bounds {
		v := Verdict{Bound: b, Measured: d.Of(b.Name)}
		if AtLeast(b.Name) {
			v.Holds = v.Measured >= b.Limit
		} else {
			v.Holds = v.Measured <= b.Limit
		}
		out = append(out, v)
	}
	return out
}
