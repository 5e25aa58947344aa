package golden

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// reference is what internal/tools/goldens/ssim.py has measured with scikit-image.
type reference struct {
	Pictures string
	Rows     []struct {
		Picture, Other, Change string
		By                     int
		Size                   []int // columns and rows of the upper left corner; none for the whole picture
		SSIM, MSE              float64
		PSNR                   *float64 // none for equal pictures
	}
}

// changed changes a picture as the script does.
func changed(m *nodes.Image, how string, by int) *nodes.Image {
	out := &nodes.Image{Width: m.Width, Height: m.Height, Pix: make([]byte, len(m.Pix))}
	state := uint32(42)
	for i, p := range m.Pix {
		v := int(p)
		switch how {
		case "add":
			v += by
		case "noise":
			state = 1664525*state + 1013904223
			v += int(state>>16)%(2*by+1) - by
		case "invert":
			v = 255 - v
		case "flat":
			v = by
		case "shift":
			row, column := i/(3*m.Width), i/3%m.Width
			v = int(m.Pix[3*(row*m.Width+(column+m.Width-by)%m.Width)+i%3])
		}
		out.Pix[i] = byte(min(max(v, 0), 255))
	}
	return out
}

// corner is the upper left corner of a picture.
func corner(m *nodes.Image, width, height int) *nodes.Image {
	out := &nodes.Image{Width: width, Height: height}
	for y := range height {
		out.Pix = append(out.Pix, m.Pix[3*y*m.Width:3*(y*m.Width+width)]...)
	}
	return out
}

// swapped exchanges red and blue.
func swapped(m *nodes.Image) *nodes.Image {
	out := &nodes.Image{Width: m.Width, Height: m.Height, Pix: append([]byte(nil), m.Pix...)}
	for i := 0; i < len(out.Pix); i += 3 {
		out.Pix[i], out.Pix[i+2] = out.Pix[i+2], out.Pix[i]
	}
	return out
}

// TestAgainstScikitImage: the measures of pictures are those of scikit-image with the constants of Wang et al. The control measures one that takes
// red for blue.
func TestAgainstScikitImage(t *testing.T) {
	data, err := os.ReadFile("testdata/ssim.json")
	if err != nil {
		t.Fatal(err)
	}
	var ref reference
	if err := json.Unmarshal(data, &ref); err != nil || len(ref.Rows) < 10 {
		t.Fatalf("%d rows, %v", len(ref.Rows), err)
	}
	load := func(name string) *nodes.Image {
		data, err := os.ReadFile(filepath.Join("../..", ref.Pictures, name+".png"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := nodes.DecodePNG(data)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const bound = 1e-11
	control := 0.0
	for _, r := range ref.Rows {
		a := load(r.Picture)
		if len(r.Size) == 2 {
			a = corner(a, r.Size[0], r.Size[1])
		}
		b := changed(a, r.Change, r.By)
		if r.Other != "" {
			b = load(r.Other)
		}
		d, err := Measure(a, b)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(d.SSIM-r.SSIM) > bound || math.Abs(d.RMS*d.RMS-r.MSE) > bound*(1+r.MSE) {
			t.Errorf("%s %s %d %s: ssim %v, want %v; mse %v, want %v", r.Picture, r.Change, r.By, r.Other, d.SSIM, r.SSIM, d.RMS*d.RMS, r.MSE)
		}
		if r.PSNR == nil && !math.IsInf(d.PSNR, 1) || r.PSNR != nil && math.Abs(d.PSNR-*r.PSNR) > 1e-9 {
			t.Errorf("%s %s %d %s: psnr %v", r.Picture, r.Change, r.By, r.Other, d.PSNR)
		}
		control = max(control, math.Abs(SSIM(swapped(a), swapped(b))-r.SSIM))
	}
	if control < 10*bound {
		t.Errorf("the control is %g away", control)
	}
}

// TestSmallPictures: a picture that the window does not fit into has no similarity, and holds no bound of it.
func TestSmallPictures(t *testing.T) {
	m := &nodes.Image{Width: 10, Height: 40, Pix: make([]byte, 3*10*40)}
	if s := SSIM(m, m); !math.IsNaN(s) {
		t.Errorf("ssim %v", s)
	}
}
