package picture_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/picture"
)

// golden is testdata/picture.json, made by internal/tools/goldens/picture.py.
type golden struct {
	Libraries map[string]string
	Files     []struct {
		Name, Mode string
		Size       [2]int
		RGB        string
		Turned     string
		TurnedSize [2]int `json:"turned_size"`
		White      string
	}
	Bad     []struct{ Name, Says, Pillow string }
	Resizes []struct {
		Seed     int
		From, To [2]int
		RGB      string
	}
}

func readGolden(t testing.TB) golden {
	t.Helper()
	data, err := os.ReadFile("testdata/picture.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "files", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// check decodes data with o and compares size and digest.
func check(data []byte, o picture.Options, size [2]int, want string) error {
	m, err := picture.Decode(data, o)
	switch {
	case err != nil:
		return err
	case m.Width != size[0] || m.Height != size[1]:
		return fmt.Errorf("%d x %d pixels, want %d x %d", m.Width, m.Height, size[0], size[1])
	case len(m.Pix) != 3*m.Width*m.Height:
		return fmt.Errorf("%d bytes for %d x %d pixels", len(m.Pix), m.Width, m.Height)
	case digest(m.Pix) != want:
		return errors.New("the pixels are not Pillow's")
	}
	return nil
}

// TestDecodeIsPillow compares every file with Pillow, byte for byte, and logs a row for each format.
func TestDecodeIsPillow(t *testing.T) {
	g := readGolden(t)
	equal, total := map[string]int{}, map[string]int{}
	for _, f := range g.Files {
		format, _, _ := strings.Cut(f.Name, "-")
		data := readFile(t, f.Name)
		total[format]++
		white, turned := f.White, f.Turned
		if white == "" {
			white = f.RGB
		}
		size := f.TurnedSize
		if turned == "" {
			turned, size = f.RGB, f.Size
		}
		failed := false
		for _, c := range []struct {
			what string
			o    picture.Options
			size [2]int
			want string
		}{
			{"as it is", picture.Options{}, f.Size, f.RGB},
			{"on white", picture.Options{Alpha: picture.AlphaWhite}, f.Size, white},
			{"turned", picture.Options{Orient: true}, size, turned},
		} {
			if err := check(data, c.o, c.size, c.want); err != nil {
				t.Errorf("%s (%s), %s: %v", f.Name, f.Mode, c.what, err)
				failed = true
			}
		}
		if !failed {
			equal[format]++
		}
	}
	for _, format := range []string{"png", "jpeg", "webp"} {
		if total[format] < 30 {
			t.Errorf("only %d %s files", total[format], format)
		}
		t.Logf("%s: %d of %d files equal to Pillow %s in every byte", format, equal[format], total[format], g.Libraries["pil"])
	}
}

func TestResizeIsPillow(t *testing.T) {
	g := readGolden(t)
	for _, r := range g.Resizes {
		in := noise(r.From[0], r.From[1], r.Seed)
		before := digest(in.Pix)
		out := picture.Resize(in, r.To[0], r.To[1])
		if out.Width != r.To[0] || out.Height != r.To[1] || digest(out.Pix) != r.RGB {
			t.Errorf("%v to %v: not Pillow's", r.From, r.To)
		}
		if &out.Pix[0] == &in.Pix[0] || digest(in.Pix) != before {
			t.Errorf("%v to %v: the source is not left alone", r.From, r.To)
		}
	}
	if len(g.Resizes) < 30 {
		t.Errorf("only %d resizes", len(g.Resizes))
	}
}

// noise is that of picture.py.
func noise(width, height, seed int) *picture.Image8 {
	m := picture.New(width, height)
	for i := range m.Pix {
		v := (uint32(i) + uint32(seed*7919)) * 2654435761
		v = (v ^ v>>15) * 2246822519
		m.Pix[i] = byte(v >> 24)
	}
	return m
}

func TestBadFiles(t *testing.T) {
	for _, b := range readGolden(t).Bad {
		_, err := picture.Decode(readFile(t, b.Name), picture.Options{Orient: true})
		if err == nil || !strings.Contains(err.Error(), b.Says) {
			t.Errorf("%s: %v; want an error that says %q (Pillow: %s)", b.Name, err, b.Says, b.Pillow)
		}
		if short := b.Says == "cut short"; err != nil && errors.Is(err, picture.ErrCutShort) != short {
			t.Errorf("%s: %v: wraps ErrCutShort: %v", b.Name, err, !short)
		}
	}
}
