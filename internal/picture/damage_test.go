package picture_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/picture"
)

// TestEveryCut cuts files of each kind at every byte: each piece is an error that wraps ErrCutShort, unless all that is missing is the
// end marker of a sequential JPEG, without which the picture is whole.
func TestEveryCut(t *testing.T) {
	for _, name := range []string{
		"png-2-8.png", "png-3-4-interlaced.png", "png-turn-xmp.png", "jpeg-422-37x23.jpg", "jpeg-420-37x23-progressive.jpg", "jpeg-own-420-scans.jpg",
		"jpeg-own-restart.jpg", "jpeg-cmyk.jpg", "webp-37x23.webp", "webp-37x23-lossless.webp", "webp-alpha.webp", "webp-animated.webp", "webp-turn.webp",
	} {
		data := readFile(t, name)
		whole, err := picture.Decode(data, picture.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for n := 16; n < len(data); n++ {
			m, err := picture.Decode(data[:n], picture.Options{Orient: true, Alpha: picture.AlphaKey})
			ended := bytes.HasSuffix(data, []byte{0xFF, 0xD9}) && n >= len(data)-2
			switch {
			case err == nil && ended && bytes.Equal(m.Pix, whole.Pix):
			case !errors.Is(err, picture.ErrCutShort):
				t.Errorf("%s: the first %d of %d bytes: %v", name, n, len(data), err)
			}
		}
	}
}

// TestFlips changes bytes at random: whatever comes of it is a picture of the size that the header says, or an error.
func TestFlips(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	files := readGolden(t).Files
	for range 3000 {
		f := files[random.IntN(len(files))]
		data := readFile(t, f.Name)
		for range 1 + random.IntN(4) {
			data[random.IntN(len(data))] = byte(random.Uint32())
		}
		o := picture.Options{Orient: random.IntN(2) == 0, Alpha: picture.Alpha(random.IntN(3)), MaxPixels: 1 << 20}
		m, err := picture.Decode(data, o)
		if err == nil && len(m.Pix) != 3*m.Width*m.Height {
			t.Errorf("%s: %d bytes for %d x %d pixels", f.Name, len(m.Pix), m.Width, m.Height)
		}
	}
}

// TestPromisesAllocateNothing gives headers that promise much: the errors cost next to no memory.
func TestPromisesAllocateNothing(t *testing.T) {
	for _, name := range []string{"bomb.png", "bomb.jpg", "promise.png", "promise.jpg"} {
		data := readFile(t, name)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := picture.Decode(data, picture.Options{})
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; err == nil || grown > 1<<20 {
			t.Errorf("%s: %v, after allocating %d bytes", name, err, grown)
		}
	}
}

func TestLimit(t *testing.T) {
	for _, name := range []string{"png-2-8.png", "jpeg-422-37x23.jpg", "webp-37x23.webp"} {
		data := readFile(t, name)
		if _, err := picture.Decode(data, picture.Options{MaxPixels: 37 * 23}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		_, err := picture.Decode(data, picture.Options{MaxPixels: 37*23 - 1})
		if err == nil || !strings.Contains(err.Error(), "37 x 23 = 851 pixels, more than the limit of 850") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
