package picture_test

import (
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/picture"
)

// fuzz feeds one format's files, changed at will, with every option.
func fuzz(f *testing.F, format string) {
	for _, file := range readGolden(f).Files {
		if strings.HasPrefix(file.Name, format) && file.Size[0] < 64 {
			f.Add(readFile(f, file.Name), uint8(len(file.Name)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, bits uint8) {
		const limit = 1 << 18
		o := picture.Options{Orient: bits&1 != 0, Alpha: picture.Alpha(bits>>1) % 3, MaxPixels: limit}
		m, err := picture.Decode(data, o)
		if err != nil {
			return
		}
		if m.Width < 1 || m.Height < 1 || m.Width*m.Height > limit || len(m.Pix) != 3*m.Width*m.Height {
			t.Errorf("%d bytes for %d x %d pixels", len(m.Pix), m.Width, m.Height)
		}
	})
}

func FuzzPNG(f *testing.F)  { fuzz(f, "png") }
func FuzzJPEG(f *testing.F) { fuzz(f, "jpeg") }
func FuzzWebP(f *testing.F) { fuzz(f, "webp") }

// FuzzResize holds the filter to what any averaging filter keeps: a picture of one colour stays so, at any size.
func FuzzResize(f *testing.F) {
	f.Add(uint8(3), uint8(5), uint16(224), uint16(224), uint8(200))
	f.Add(uint8(255), uint8(1), uint16(1), uint16(300), uint8(255))
	f.Fuzz(func(t *testing.T, w, h uint8, toW, toH uint16, level uint8) {
		m := picture.New(1+int(w), 1+int(h))
		for i := range m.Pix {
			m.Pix[i] = level
		}
		out := picture.Resize(m, 1+int(toW%600), 1+int(toH%600))
		for i, v := range out.Pix {
			if v != level {
				t.Fatalf("%d x %d to %d x %d: sample %d is %d, not %d", m.Width, m.Height, out.Width, out.Height, i, v, level)
			}
		}
	})
}
