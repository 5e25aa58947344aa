package jpeg

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	markerSOI = 0xD8
	markerEOI = 0xD9
	markerSOS = 0xDA
)

// block is 64 coefficients in natural (row by row) order.
type block [64]int16

// component is one component of the frame.
type component struct {
	id, h, v, quant        int
	width, height          int // samples that count: the picture's size by the sampling, rounded up
	blocksWide, blocksHigh int // padded to whole MCUs
	stride                 int // 8 * blocksWide
	table                  [64]int16
	seen                   bool     // a scan has sent it
	bits                   [64]int8 // progressive: the lowest bit sent of each coefficient (zigzag order), -1 before any
	coefficients           []block  // progressive only
	plane                  []byte
	dc, ac                 *huffman // of the current scan
	prediction             int
}

type decoder struct {
	data          []byte
	at            int
	width, height int
	progressive   bool
	components    []*component
	maxH, maxV    int
	quants        [4]*[64]uint16 // natural order
	dcs, acs      [4]*huffman
	restart       int
	jfif          bool
	adobe         int // the transform of an Adobe segment, or -1
	started       bool
	exif, xmp     []byte
	scanHeader    []byte
}

// segments reads markers up to and including that of a scan, whose header it leaves in scanHeader, or of the end.
func (d *decoder) segments() (marker byte, err error) {
	if !d.started {
		if !bytes.HasPrefix(d.data, []byte{0xFF, markerSOI}) {
			return 0, fmt.Errorf("no start marker; this is not a JPEG file")
		}
		d.started, d.at, d.adobe = true, 2, -1
	}
	for {
		if marker, err = d.marker(); err != nil {
			return 0, err
		}
		switch {
		case marker == markerEOI:
			if d.components == nil {
				return 0, fmt.Errorf("%w: it ends before any picture", ErrCutShort)
			}
			return marker, nil
		case marker == 0x01 || marker >= 0xD0 && marker <= 0xD8:
			continue // markers without a segment; a stray restart is skipped as libjpeg does
		}
		body, err := d.segment()
		if err != nil {
			return 0, err
		}
		if marker == markerSOS {
			if d.components == nil {
				return 0, fmt.Errorf("a scan before the frame header; the file is damaged")
			}
			d.scanHeader = body
			return marker, nil
		}
		if err := d.handle(marker, body); err != nil {
			return 0, err
		}
	}
}

// marker finds the next marker, over anything that is none.
func (d *decoder) marker() (byte, error) {
	for ; d.at+1 < len(d.data); d.at++ {
		if m := d.data[d.at+1]; d.data[d.at] == 0xFF && m != 0 && m != 0xFF {
			d.at += 2
			return m, nil
		}
	}
	d.at = len(d.data)
	return 0, fmt.Errorf("%w: no end marker", ErrCutShort)
}

func (d *decoder) segment() ([]byte, error) {
	if d.at+2 > len(d.data) {
		return nil, fmt.Errorf("%w: it ends in a header", ErrCutShort)
	}
	n := int(binary.BigEndian.Uint16(d.data[d.at:]))
	if n < 2 {
		return nil, fmt.Errorf("a segment of length %d; the file is damaged", n)
	}
	if d.at+n > len(d.data) {
		return nil, fmt.Errorf("%w: it ends in a header", ErrCutShort)
	}
	body := d.data[d.at+2 : d.at+n]
	d.at += n
	return body, nil
}

func (d *decoder) handle(marker byte, body []byte) error {
	switch marker {
	case 0xC0, 0xC1, 0xC2:
		return d.frame(marker, body)
	case 0xC3, 0xC5, 0xC6, 0xC7, 0xCB, 0xCD, 0xCE, 0xCF:
		return fmt.Errorf("lossless and hierarchical JPEG (frame type %#x) is not read; convert it to baseline JPEG or PNG", marker)
	case 0xC9, 0xCA:
		return fmt.Errorf("arithmetic-coded JPEG (frame type %#x) is not read; convert it to baseline JPEG or PNG", marker)
	case 0xC4:
		return d.huffmanTables(body)
	case 0xDB:
		return d.quantTables(body)
	case 0xDD:
		if len(body) != 2 {
			return fmt.Errorf("a restart interval of %d bytes; the file is damaged", len(body))
		}
		d.restart = int(binary.BigEndian.Uint16(body))
	case 0xE0:
		d.jfif = d.jfif || len(body) >= 14 && bytes.HasPrefix(body, []byte("JFIF\x00"))
	case 0xE1:
		d.app1(body)
	case 0xEE:
		if len(body) >= 12 && bytes.HasPrefix(body, []byte("Adobe")) {
			d.adobe = int(body[11])
		}
	}
	return nil
}

func (d *decoder) app1(body []byte) {
	const exif, xmp = "Exif\x00\x00", "http://ns.adobe.com/xap/1.0/\x00"
	switch {
	case bytes.HasPrefix(body, []byte(exif)) && d.exif == nil:
		d.exif = append([]byte{}, body...)
	case bytes.HasPrefix(body, []byte(exif)):
		d.exif = append(d.exif, body[len(exif):]...)
	case bytes.HasPrefix(body, []byte(xmp)):
		d.xmp = body[len(xmp):]
	}
}

// zigzag gives the natural position of the k-th coefficient of a file.
var zigzag = [64]int{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

func (d *decoder) quantTables(body []byte) error {
	for len(body) > 0 {
		size, id := 64<<(body[0]>>4), body[0]&15
		if body[0]>>4 > 1 || id > 3 || len(body) < 1+size {
			return fmt.Errorf("a quantization table that cannot be; the file is damaged")
		}
		table := new([64]uint16)
		for k, at := range zigzag {
			if size == 64 {
				table[at] = uint16(body[1+k])
			} else {
				table[at] = binary.BigEndian.Uint16(body[1+2*k:])
			}
		}
		d.quants[id] = table
		body = body[1+size:]
	}
	return nil
}
