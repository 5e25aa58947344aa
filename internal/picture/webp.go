package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"strings"

	"golang.org/x/image/webp"
)

func isWebP(data []byte) bool {
	return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP"
}

// chunk is one chunk of a RIFF file.
type chunk struct {
	kind string
	body []byte
}

// chunks splits data. The last chunk's padding may be missing, its bytes may not.
func chunks(data []byte) ([]chunk, error) {
	var all []chunk
	for len(data) >= 8 {
		n := uint64(binary.LittleEndian.Uint32(data[4:]))
		if n > uint64(len(data)-8) {
			return nil, fmt.Errorf("%w: chunk %q of %d bytes has %d", ErrCutShort, data[:4], n, len(data)-8)
		}
		all = append(all, chunk{string(data[:4]), data[8 : 8+n]})
		data = data[min(uint64(len(data)), 8+n+n%2):]
	}
	return all, nil
}

// webpFile is the still picture, or the first frame of an animation.
type webpFile struct {
	width, height int // of the canvas
	x, y          int // where the frame lies on it
	frame, alpha  chunk
	meta          metadata
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func parseWebP(data []byte) (webpFile, error) {
	size := uint64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size > uint64(len(data)) {
		return webpFile{}, fmt.Errorf("%w: the header says %d bytes, there are %d", ErrCutShort, size, len(data))
	}
	all, err := chunks(data[12:max(12, size)])
	if err != nil {
		return webpFile{}, err
	}
	var f webpFile
	alpha := false
	for _, c := range all {
		switch c.kind {
		case "VP8X":
			if len(c.body) < 10 {
				return f, errors.New("a VP8X chunk that is too short; the file is damaged")
			}
			alpha = c.body[0]&0x10 != 0
			f.width, f.height = uint24(c.body[4:])+1, uint24(c.body[7:])+1
		case "ANMF":
			if f.frame.kind == "" {
				if err := f.animated(c.body); err != nil {
					return f, err
				}
			}
		case "EXIF":
			f.meta.exif = c.body
		case "XMP ":
			f.meta.xmp = c.body
		default:
			f.take(c)
		}
	}
	if !alpha {
		f.alpha = chunk{}
	}
	return f, f.check()
}

// take keeps the first picture and the alpha plane before it.
func (f *webpFile) take(c chunk) {
	switch {
	case f.frame.kind != "":
	case c.kind == "ALPH":
		f.alpha = c
	case c.kind == "VP8 " || c.kind == "VP8L":
		f.frame = c
	}
}

func (f *webpFile) animated(body []byte) error {
	if len(body) < 16 {
		return errors.New("an ANMF chunk that is too short; the file is damaged")
	}
	f.x, f.y = 2*uint24(body), 2*uint24(body[3:])
	inner, err := chunks(body[16:])
	for _, c := range inner {
		f.take(c)
	}
	return err
}

// check compares the frame's own size with the canvas.
func (f *webpFile) check() error {
	w, h, err := f.frame.size()
	if err != nil {
		return err
	}
	if f.width == 0 {
		f.width, f.height = w, h
	}
	if f.x+w > f.width || f.y+h > f.height {
		return fmt.Errorf("a frame of %d x %d pixels at (%d, %d) on a canvas of %d x %d; the file is damaged", w, h, f.x, f.y, f.width, f.height)
	}
	return nil
}

// size reads the header of a VP8 or VP8L chunk.
func (c chunk) size() (width, height int, err error) {
	switch {
	case c.kind == "":
		return 0, 0, fmt.Errorf("%w: it holds no picture", ErrCutShort)
	case c.kind == "VP8 " && len(c.body) >= 10 && c.body[0]&1 == 0 && string(c.body[3:6]) == "\x9d\x01\x2a":
		return int(binary.LittleEndian.Uint16(c.body[6:])) & 0x3fff, int(binary.LittleEndian.Uint16(c.body[8:])) & 0x3fff, nil
	case c.kind == "VP8L" && len(c.body) >= 5 && c.body[0] == 0x2f:
		bits := binary.LittleEndian.Uint32(c.body[1:])
		return int(bits&0x3fff) + 1, int(bits>>14&0x3fff) + 1, nil
	}
	return 0, 0, errors.New("a frame without a header that makes sense; the file is damaged")
}

func webpSize(data []byte) (width, height int, err error) {
	f, err := parseWebP(data)
	return f.width, f.height, err
}

func webpMetadata(data []byte) metadata {
	f, _ := parseWebP(data) // decoded before
	return f.meta
}

func decodeWebP(data []byte) (pixels, error) {
	f, err := parseWebP(data)
	if err != nil {
		return pixels{}, err
	}
	w, h, err := f.frame.size()
	if err != nil {
		return pixels{}, err
	}
	img, err := webp.Decode(bytes.NewReader(f.still(w, h)))
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
			return pixels{}, fmt.Errorf("%w: the data end before the %d x %d pixels do", ErrCutShort, w, h)
		}
		return pixels{}, errors.New(strings.TrimPrefix(err.Error(), "webp: "))
	}
	var p pixels
	switch m := img.(type) {
	case *image.YCbCr:
		p.rgb = fromVP8(m, w, h)
	case *image.NYCbCrA:
		p.rgb = fromVP8(&m.YCbCr, w, h)
		p.alpha = m.A
	case *image.NRGBA:
		p = fromVP8L(m, f.frame.body[4]&0x10 != 0)
	default:
		return pixels{}, fmt.Errorf("decoded to %T, which is not expected", img)
	}
	return f.onCanvas(p), nil
}

// still is a file of the frame alone.
func (f webpFile) still(width, height int) []byte {
	out := []byte("RIFF\x00\x00\x00\x00WEBP")
	add := func(kind string, body []byte) {
		out = binary.LittleEndian.AppendUint32(append(out, kind...), uint32(len(body)))
		out = append(out, body...)
		if len(body)%2 == 1 {
			out = append(out, 0)
		}
	}
	if f.alpha.kind != "" && f.frame.kind == "VP8 " {
		w, h := width-1, height-1
		add("VP8X", []byte{0x10, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)})
		add("ALPH", f.alpha.body)
	}
	add(f.frame.kind, f.frame.body)
	binary.LittleEndian.PutUint32(out[4:], uint32(len(out)-8))
	return out
}

// onCanvas lays the frame on a transparent black canvas, as libwebp's WebPAnimDecoder does.
func (f webpFile) onCanvas(p pixels) pixels {
	w, h := p.rgb.Width, p.rgb.Height
	if w == f.width && h == f.height {
		return p
	}
	alpha := make([]byte, f.width*f.height)
	for y := range h {
		row := alpha[(f.y+y)*f.width+f.x:][:w]
		if p.alpha != nil {
			copy(row, p.alpha[y*w:])
			continue
		}
		for x := range row {
			row[x] = 255
		}
	}
	return pixels{rgb: p.rgb.Crop(-f.x, -f.y, f.width, f.height), alpha: alpha}
}

// fromVP8L takes a lossless picture, whose alpha counts only if its header says so.
func fromVP8L(m *image.NRGBA, alpha bool) pixels {
	bounds := m.Bounds()
	p := pixels{rgb: New(bounds.Dx(), bounds.Dy())}
	n := bounds.Dx() * bounds.Dy()
	if alpha {
		p.alpha = make([]byte, n)
	}
	for i := range n {
		copy(p.rgb.Pix[3*i:3*i+3], m.Pix[4*i:])
		if alpha {
			p.alpha[i] = m.Pix[4*i+3]
		}
	}
	return p
}
