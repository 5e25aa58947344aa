package jpeg

import (
	"errors"
	"fmt"
)

// ErrCutShort is wrapped by errors about files that end before the picture does.
var ErrCutShort = errors.New("the file is cut short")

// Color says what the components of an Image mean.
type Color int

const (
	// Gray is one component.
	Gray Color = iota
	// RGB is three; a YCbCr file has been converted.
	RGB
	// CMYK is four, as they stand in the file: Adobe's programs store them inverted. YCCK has been converted to it.
	CMYK
)

// Image is a decoded picture: interleaved components, rows from the top, no padding.
type Image struct {
	Width, Height int
	Color         Color
	Pix           []byte // Width * Height * (1, 3 or 4)
}

// Header is what can be told before decoding.
type Header struct {
	Width, Height int
	Exif          []byte // APP1 segments that begin with "Exif\0\0", the later ones without it; nil if there is none
	XMP           []byte // the packet of the last XMP segment
}

// ReadHeader reads the segments before the first scan.
func ReadHeader(data []byte) (Header, error) {
	d := decoder{data: data}
	if _, err := d.segments(); err != nil {
		return Header{}, err
	}
	return Header{d.width, d.height, d.exif, d.xmp}, nil
}

// Decode decodes a file.
func Decode(data []byte) (*Image, error) {
	d := decoder{data: data}
	if err := d.decode(); err != nil {
		return nil, err
	}
	return d.image()
}

// maxScans bounds the work that a small file can ask for; djpeg's manual suggests it.
const maxScans = 500

func (d *decoder) decode() error {
	for scans := 0; ; scans++ {
		marker, err := d.segments()
		if err != nil {
			// a sequential picture is whole once its only scan is, end marker or not
			if scans == 1 && !d.progressive && d.complete() && errors.Is(err, ErrCutShort) {
				return nil
			}
			return err
		}
		if marker == markerEOI {
			break
		}
		if scans == 0 {
			if err := d.allocate(); err != nil {
				return err
			}
		}
		if scans == maxScans {
			return fmt.Errorf("more than %d scans", maxScans)
		}
		if err := d.scan(); err != nil {
			return err
		}
	}
	if !d.complete() {
		return fmt.Errorf("%w: its scans end before the picture is complete", ErrCutShort)
	}
	if d.progressive {
		d.transform()
	}
	return nil
}

// complete tells whether every component has been sent, and of a progressive file the coefficients (the first nine beside the mean) whose lack
// libjpeg would make up for by smoothing.
func (d *decoder) complete() bool {
	for _, c := range d.components {
		if !c.seen {
			return false
		}
		if d.progressive {
			for _, bits := range c.bits[:10] {
				if bits != 0 {
					return false
				}
			}
		}
	}
	return len(d.components) > 0
}

// transform makes the samples of a progressive picture of its coefficients, and lets these go.
func (d *decoder) transform() {
	for _, c := range d.components {
		for by := range c.blocksHigh {
			for bx := range c.blocksWide {
				inverse(c.coefficients[by*c.blocksWide+bx][:], &c.table, c.plane[by*8*c.stride+bx*8:], c.stride)
			}
		}
		c.coefficients = nil
	}
}
