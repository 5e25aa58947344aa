package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"strings"

	img "github.com/seed-8af8f8e1/flow/internal/picture"
	"github.com/seed-8af8f8e1/flow/internal/picture/clipimage"
)

const pictures8 = "internal/picture/testdata"

// fromFiles are pictures read from files of one format, beside what Pillow and transformers or Refiners make of the same files.
type fromFiles struct {
	Format string
	Pixels count            // files whose bytes are compared: as they are, on white, turned
	Inputs map[string]count // by edition: what the image encoder gets, all bits
}

// formats of pictures, as the goldens' files are named.
var formats = []struct{ name, prefix string }{{"PNG", "png-"}, {"JPEG", "jpeg-"}, {"WebP", "webp-"}}

// filesRead compares each format.
func filesRead(root string) ([]fromFiles, error) {
	var out []fromFiles
	for _, f := range formats {
		pixels, err := pixelsOf(root, f.prefix, decoded)
		if err != nil {
			return nil, err
		}
		inputs, err := inputsOf(root, f.prefix)
		if err != nil {
			return nil, err
		}
		out = append(out, fromFiles{f.name, pixels, inputs})
	}
	return out, nil
}

// golden reads a JSON file.
func golden[T any](path string) (out T, err error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return out, err
	}
	if err := json.Unmarshal(data, &out); err != nil {
		return out, fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// pillow is what Pillow makes of a file: digests of RGB; Turned and White are empty where they are RGB.
type pillow struct{ Name, RGB, Turned, White string }

// pixelsOf compares files with Pillow; a file differs if any way of reading it does.
func pixelsOf(root, prefix string, read func(data []byte, o img.Options) (string, error)) (count, error) {
	g, err := golden[struct{ Files []pillow }](filepath.Join(root, pictures8, "picture.json"))
	if err != nil {
		return count{}, err
	}
	var c count
	for _, f := range g.Files {
		if !strings.HasPrefix(f.Name, prefix) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, pictures8, "files", f.Name))
		if err != nil {
			return c, err
		}
		c.Compared++
		for _, way := range []struct {
			img.Options
			want string
		}{{img.Options{}, f.RGB}, {img.Options{Alpha: img.AlphaWhite}, f.White}, {img.Options{Orient: true}, f.Turned}} {
			if way.want == "" {
				way.want = f.RGB
			}
			if got, err := read(data, way.Options); err != nil || got != way.want {
				c.Wrong++
				break
			}
		}
	}
	return c, nil
}

// decoded is the digest of what flow reads.
func decoded(data []byte, o img.Options) (string, error) {
	m, err := img.Decode(data, o)
	if err != nil {
		return "", err
	}
	return digest(m.Pix), nil
}

// byGo is the digest of what Go's image/jpeg reads, for the control: it rounds the inverse transform otherwise and repeats chroma.
func byGo(data []byte, _ img.Options) (string, error) {
	m, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return "", err
	}
	b := m.Bounds()
	pix := make([]byte, 0, 3*b.Dx()*b.Dy())
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			r, g, b, _ := m.At(x, y).RGBA()
			pix = append(pix, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return digest(pix), nil
}

// inputsOf compares what the image encoder gets, by edition.
func inputsOf(root, prefix string) (map[string]count, error) {
	g, err := golden[struct {
		Files []struct{ Name, Convention, FP32 string }
	}](filepath.Join(root, pictures8, "../clipimage/testdata/clipimage.json"))
	if err != nil {
		return nil, err
	}
	out := make(map[string]count)
	for _, f := range g.Files {
		if !strings.HasPrefix(f.Name, prefix) {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, pictures8, "files", f.Name))
		if err != nil {
			return nil, err
		}
		o, cfg := img.Options{Orient: true, Alpha: img.AlphaKey}, clipimage.Default(64)
		if f.Convention == "refiners" {
			o, cfg = img.Options{}, clipimage.Squeezed(64)
		}
		c := out[f.Convention]
		c.Compared++
		if got, err := preprocessed(data, o, cfg); err != nil || got != f.FP32 {
			c.Wrong++
		}
		out[f.Convention] = c
	}
	return out, nil
}

// preprocessed is the digest of the image encoder's input.
func preprocessed(data []byte, o img.Options, cfg clipimage.Config) (string, error) {
	m, err := img.Decode(data, o)
	if err != nil {
		return "", err
	}
	t, err := clipimage.Preprocess(m, cfg)
	if err != nil {
		return "", err
	}
	var bits []byte
	for _, x := range t.Data {
		bits = binary.LittleEndian.AppendUint32(bits, math.Float32bits(x))
	}
	return digest(bits), nil
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
