package picture

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"strings"
)

const pngMagic = "\x89PNG\r\n\x1a\n"

func isPNG(data []byte) bool { return bytes.HasPrefix(data, []byte(pngMagic)) }

// pngHeader is the IHDR chunk.
type pngHeader struct {
	width, height int
	depth, kind   byte
}

func readPNGHeader(data []byte) (pngHeader, error) {
	if len(data) < 33 {
		return pngHeader{}, fmt.Errorf("%w: no whole header", ErrCutShort)
	}
	if string(data[12:16]) != "IHDR" {
		return pngHeader{}, errors.New("the first chunk is not IHDR; the file is damaged")
	}
	w, h := binary.BigEndian.Uint32(data[16:]), binary.BigEndian.Uint32(data[20:])
	if w > 1<<31-1 || h > 1<<31-1 {
		return pngHeader{}, fmt.Errorf("the header says %d x %d pixels, more than the format allows", w, h)
	}
	return pngHeader{int(w), int(h), data[24], data[25]}, nil
}

func pngSize(data []byte) (width, height int, err error) {
	h, err := readPNGHeader(data)
	return h.width, h.height, err
}

// enough tells whether compressed data of the given length can hold the picture: deflate makes at most 1032 bytes of one.
func (h pngHeader) enough(compressed int) bool {
	channels := map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[h.kind]
	bits := int64(h.width) * channels * int64(h.depth)
	return (bits+7)/8*int64(h.height) <= 1032*int64(compressed)
}

func decodePNG(data []byte) (pixels, error) {
	header, err := readPNGHeader(data)
	if err != nil {
		return pixels{}, err
	}
	if !header.enough(len(data)) {
		return pixels{}, fmt.Errorf("%w: %d bytes cannot hold %d x %d pixels", ErrCutShort, len(data), header.width, header.height)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) || strings.Contains(err.Error(), "not enough pixel data") ||
			strings.Contains(err.Error(), "unexpected EOF") {
			return pixels{}, fmt.Errorf("%w: fewer pixels than the %d x %d of its header", ErrCutShort, header.width, header.height)
		}
		return pixels{}, errors.New(strings.TrimPrefix(err.Error(), "png: "))
	}
	p, err := fromPNG(img, header.kind == 0 && header.depth == 16)
	p.key = header.key(data)
	return p, err
}

// fromPNG takes what image/png decodes to 8 bits as Pillow does: 16-bit colour keeps its high bytes, but 16-bit gray (Pillow's mode I;16)
// is clipped, so that every level above 255 is white.
func fromPNG(img image.Image, gray16 bool) (pixels, error) {
	bounds := img.Bounds()
	p := pixels{rgb: New(bounds.Dx(), bounds.Dy())}
	n := bounds.Dx() * bounds.Dy()
	alpha := func() []byte { p.alpha = make([]byte, n); return p.alpha }
	dst := p.rgb.Pix
	switch m := img.(type) {
	case *image.Gray:
		for i, v := range m.Pix[:n] {
			dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
		}
	case *image.Gray16:
		for i := range n {
			v := narrow(m.Pix[2*i:], gray16)
			dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
		}
	case *image.RGBA: // truecolour without alpha
		for i := range n {
			copy(dst[3*i:3*i+3], m.Pix[4*i:])
		}
	case *image.RGBA64: // the same in 16 bits
		for i := range n {
			dst[3*i], dst[3*i+1], dst[3*i+2] = m.Pix[8*i], m.Pix[8*i+2], m.Pix[8*i+4]
		}
	case *image.NRGBA:
		a := alpha()
		for i := range n {
			copy(dst[3*i:3*i+3], m.Pix[4*i:])
			a[i] = m.Pix[4*i+3]
		}
	case *image.NRGBA64:
		a := alpha()
		for i := range n {
			for k := range 3 {
				dst[3*i+k] = narrow(m.Pix[8*i+2*k:], gray16)
			}
			a[i] = m.Pix[8*i+6]
		}
	case *image.Paletted:
		a := alpha()
		for i, v := range m.Pix[:n] {
			c := color.NRGBAModel.Convert(m.Palette[v]).(color.NRGBA)
			dst[3*i], dst[3*i+1], dst[3*i+2], a[i] = c.R, c.G, c.B, c.A
		}
	default:
		return pixels{}, fmt.Errorf("decoded to %T, which is not expected", img)
	}
	return p, nil
}

// narrow takes a big-endian 16-bit sample to 8 bits: its high byte or, for 16-bit gray, the value clipped to 255.
func narrow(sample []byte, clip bool) byte {
	switch {
	case !clip:
		return sample[0]
	case sample[0] != 0:
		return 255
	}
	return sample[1]
}

// pngChunks calls f for each chunk until it returns false.
func pngChunks(data []byte, f func(kind string, body []byte) bool) {
	data = data[len(pngMagic):]
	for len(data) >= 12 {
		length := binary.BigEndian.Uint32(data)
		if uint64(length)+12 > uint64(len(data)) || !f(string(data[4:8]), data[8:8+length]) {
			return
		}
		data = data[12+length:]
	}
}

// key is the colour that tRNS names as transparent, as Pillow 13 understands it, which is not always as PNG means it: numbers are compared
// with samples of 8 bits by their low bytes, unscaled, and 16-bit gray as if it were red.
func (h pngHeader) key(data []byte) (key *[3]byte) {
	var palette []byte
	pngChunks(data, func(kind string, body []byte) bool {
		switch {
		case kind == "PLTE":
			palette = body
		case kind != "tRNS":
		case h.kind == 0 && h.depth == 16 && len(body) >= 2:
			key = &[3]byte{body[1], 0, 0}
		case h.kind == 0 && h.depth > 1 && len(body) >= 2:
			key = &[3]byte{body[1], body[1], body[1]}
		case h.kind == 2 && len(body) >= 6:
			key = &[3]byte{body[1], body[3], body[5]}
		case h.kind == 3:
			at := bytes.IndexByte(body, 0)
			if at >= 0 && bytes.Count(body, []byte{255}) == len(body)-1 && 3*at+3 <= len(palette) {
				key = (*[3]byte)(palette[3*at:])
			}
		}
		return kind != "IDAT"
	})
	return key
}

// maxText bounds an inflated text chunk (Pillow's MAX_TEXT_CHUNK).
const maxText = 1 << 20

// maxInflated bounds all of a file's (Pillow's MAX_TEXT_MEMORY).
const maxInflated = 64 * maxText

// pngMetadata finds EXIF (eXIf, or ImageMagick's text chunk of hexadecimal digits) and XMP.
func pngMetadata(data []byte) metadata {
	var m metadata
	pngChunks(data, func(kind string, body []byte) bool {
		switch kind {
		case "eXIf":
			m.exif = body
		case "tEXt", "zTXt", "iTXt":
			m.text(kind, body)
		}
		return true
	})
	return m
}

func (m *metadata) text(kind string, body []byte) {
	keyword, rest, found := bytes.Cut(body, []byte{0})
	if !found {
		return
	}
	compressed := kind == "zTXt"
	switch {
	case kind == "zTXt" && len(rest) > 0:
		rest = rest[1:]
	case kind == "iTXt" && len(rest) >= 2:
		compressed = rest[0] == 1
		parts := bytes.SplitN(rest[2:], []byte{0}, 3) // language, translated keyword, text
		if len(parts) < 3 {
			return
		}
		rest = parts[2]
	}
	exif := string(keyword) == "Raw profile type exif" && m.exif == nil
	if !exif && string(keyword) != "XML:com.adobe.xmp" {
		return
	}
	if compressed {
		if m.inflated >= maxInflated {
			return
		}
		r, err := zlib.NewReader(bytes.NewReader(rest))
		if err != nil {
			return
		}
		rest, err = io.ReadAll(io.LimitReader(r, maxText))
		if m.inflated += len(rest); err != nil {
			return
		}
	}
	if !exif {
		m.xmp = rest
		return
	}
	// a blank line, the name and the length, then digits
	if lines := strings.SplitN(string(rest), "\n", 4); len(lines) == 4 {
		if raw, err := hex.DecodeString(strings.Join(strings.Fields(lines[3]), "")); err == nil {
			m.exif = raw
		}
	}
}
