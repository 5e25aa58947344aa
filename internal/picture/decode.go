package picture

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/picture/jpeg"
)

// Alpha says what becomes of a picture's transparency.
type Alpha int

const (
	// AlphaDrop keeps the colours as they are stored and forgets the alpha channel: Pillow's convert("RGB").
	AlphaDrop Alpha = iota
	// AlphaWhite composes the picture on white: Pillow's Image.alpha_composite on an opaque white RGBA picture.
	AlphaWhite
	// AlphaKey is AlphaDrop, except that a colour which a PNG names as transparent (tRNS of gray or RGB, or of a palette where one entry is
	// transparent and the others are not) becomes white. So diffusers' load_image followed by transformers' image processor has it:
	// convert("RGB") keeps the note of that colour, and the processor composes such pictures on white.
	AlphaKey
)

// MaxPixels is the default limit of [Options]: above it Pillow speaks of a decompression bomb.
const MaxPixels = 1024 * 1024 * 1024 / 4 / 3

// Options of [Decode]. The zero value applies no orientation and drops alpha.
type Options struct {
	// Orient applies the orientation of EXIF (or XMP) as PIL.ImageOps.exif_transpose does, which diffusers' load_image calls.
	Orient bool
	// Alpha is AlphaDrop, AlphaWhite or AlphaKey.
	Alpha Alpha
	// MaxPixels limits width times height, as the header states them, before anything is allocated; 0 means MaxPixels.
	MaxPixels int
}

// ErrCutShort is what errors about files that end too early wrap.
var ErrCutShort = jpeg.ErrCutShort

// pixels is a decoded picture before its transparency is dealt with.
type pixels struct {
	rgb   *Image8
	alpha []byte // one byte a pixel; nil where everything is opaque
	key   *[3]byte
}

// format is a file format that Decode reads.
type format struct {
	name   string
	magic  func(data []byte) bool
	size   func(data []byte) (width, height int, err error)
	decode func(data []byte) (pixels, error)
	meta   func(data []byte) metadata
}

var formats = []format{
	{"PNG", isPNG, pngSize, decodePNG, pngMetadata},
	{"JPEG", isJPEG, jpegSize, decodeJPEG, jpegMetadata},
	{"WebP", isWebP, webpSize, decodeWebP, webpMetadata},
}

// Decode reads a picture from the bytes of a file; the format is told by the content. Errors say which format it is and what is
// wrong with it; those of files that end too early wrap [ErrCutShort].
func Decode(data []byte, o Options) (*Image8, error) {
	for _, f := range formats {
		if !f.magic(data) {
			continue
		}
		img, err := f.read(data, o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		return img, nil
	}
	return nil, unknown(data)
}

func (f format) read(data []byte, o Options) (*Image8, error) {
	width, height, err := f.size(data)
	if err != nil {
		return nil, err
	}
	limit := o.MaxPixels
	if limit <= 0 {
		limit = MaxPixels
	}
	if width < 1 || height < 1 {
		return nil, fmt.Errorf("the header says %d x %d pixels, which is no picture", width, height)
	}
	if int64(width)*int64(height) > int64(limit) {
		return nil, fmt.Errorf("the header says %d x %d = %d pixels, more than the limit of %d; scale the picture down first",
			width, height, int64(width)*int64(height), limit)
	}
	p, err := f.decode(data)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Alpha == AlphaWhite:
		p.onWhite()
	case o.Alpha == AlphaKey && p.key != nil:
		p.keyed()
	}
	if o.Orient {
		return p.rgb.oriented(f.meta(data).orientation()), nil
	}
	return p.rgb, nil
}

// onWhite composes p on white in Pillow's fixed point (libImaging/AlphaComposite.c with an opaque white destination).
func (p pixels) onWhite() {
	const bits = 7
	for i, a := range p.alpha {
		c := p.rgb.Pix[3*i : 3*i+3]
		for k, v := range c {
			sum := (uint32(v)*uint32(a)+255*(255-uint32(a)))<<bits + 0x80<<bits
			c[k] = byte(((sum>>8 + sum) >> 8) >> bits)
		}
	}
}

// keyed makes every pixel of the key's colour white.
func (p pixels) keyed() {
	for i := 0; i < len(p.rgb.Pix); i += 3 {
		if c := p.rgb.Pix[i : i+3]; [3]byte(c) == *p.key {
			c[0], c[1], c[2] = 255, 255, 255
		}
	}
}

// foreign are formats that are told apart only to name them.
var foreign = []struct{ name, at0, at4 string }{
	{"a GIF", "GIF8", ""}, {"a BMP", "BM", ""}, {"a TIFF", "II*\x00", ""}, {"a TIFF", "MM\x00*", ""}, {"a PDF", "%PDF", ""},
	{"JPEG XL", "\xff\x0a", ""}, {"JPEG XL", "", "JXL "}, {"JPEG 2000", "", "jP  "}, {"an AVIF or HEIC picture", "", "ftyp"},
	{"a ZIP archive", "PK\x03\x04", ""}, {"markup (SVG or HTML)", "<", ""},
}

func unknown(data []byte) error {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	read := strings.Join(names, ", ")
	if len(data) == 0 {
		return fmt.Errorf("the file is empty; a picture (%s) is wanted", read)
	}
	for _, f := range foreign {
		if bytes.HasPrefix(data, []byte(f.at0)) && len(data) >= 4 && bytes.HasPrefix(data[4:], []byte(f.at4)) {
			return fmt.Errorf("this is %s; convert it to one of the formats that are read: %s", f.name, read)
		}
	}
	return fmt.Errorf("not a picture that can be read (it begins with % x); the formats are: %s", data[:min(8, len(data))], read)
}
