package picture

import (
	"bytes"
	"encoding/binary"
)

// oriented applies an EXIF orientation (1 to 8) as PIL.ImageOps.exif_transpose does; other values change nothing.
func (m *Image8) oriented(orientation int) *Image8 {
	if orientation < 2 || orientation > 8 {
		return m
	}
	out := New(m.Width, m.Height)
	if orientation >= 5 {
		out = New(m.Height, m.Width)
	}
	w, h := out.Width-1, out.Height-1
	for y := range out.Height {
		dst := out.row(y)
		for x := range out.Width {
			sx, sy := x, y
			switch orientation {
			case 2: // mirrored left to right
				sx = w - x
			case 3: // turned by 180 degrees
				sx, sy = w-x, h-y
			case 4: // mirrored top to bottom
				sy = h - y
			case 5: // transposed
				sx, sy = y, x
			case 6: // to be turned clockwise by 90 degrees
				sx, sy = y, w-x
			case 7: // transposed along the other diagonal
				sx, sy = h-y, w-x
			case 8: // to be turned counter-clockwise by 90 degrees
				sx, sy = h-y, x
			}
			copy(dst[3*x:3*x+3], m.Pix[3*(sy*m.Width+sx):])
		}
	}
	return out
}

// metadata is what a file says about its orientation.
type metadata struct {
	exif []byte // a TIFF structure, with or without "Exif\0\0" before it
	xmp  []byte

	inflated int // bytes of compressed text so far
}

// orientation is the EXIF tag 0x0112 of the first directory or, where EXIF has none, the digit after tiff:Orientation in the XMP packet
// (both as Pillow's Image.getexif); 1 where nothing says anything or what there is cannot be read.
func (m metadata) orientation() int {
	if value, ok := exifOrientation(m.exif); ok {
		return value
	}
	for _, mark := range []string{`tiff:Orientation="`, `tiff:Orientation>`} {
		if _, after, found := bytes.Cut(m.xmp, []byte(mark)); found && len(after) > 0 && after[0] >= '0' && after[0] <= '9' {
			return int(after[0] - '0')
		}
	}
	return 1
}

// exifOrientation reads tag 0x0112 of the first directory of a TIFF structure: one number of type 1, 3 or 4. Where it is anything else, the
// orientation is there but 0.
func exifOrientation(data []byte) (int, bool) {
	const tag, entry = 0x0112, 12
	for bytes.HasPrefix(data, []byte("Exif\x00\x00")) {
		data = data[6:]
	}
	if len(data) < 8 {
		return 0, false
	}
	var order binary.ByteOrder
	switch string(data[:4]) {
	case "II\x2a\x00":
		order = binary.LittleEndian
	case "MM\x00\x2a":
		order = binary.BigEndian
	default:
		return 0, false
	}
	at := uint64(order.Uint32(data[4:]))
	if at+2 > uint64(len(data)) {
		return 0, false
	}
	count := uint64(order.Uint16(data[at:]))
	for i := at + 2; count > 0 && i+entry <= uint64(len(data)); i, count = i+entry, count-1 {
		field := data[i : i+entry]
		if order.Uint16(field) != tag {
			continue
		}
		kind := order.Uint16(field[2:])
		if order.Uint32(field[4:]) != 1 {
			kind = 0
		}
		switch kind {
		case 1:
			return int(field[8]), true
		case 3:
			return int(order.Uint16(field[8:])), true
		case 4:
			return int(order.Uint32(field[8:])), true
		}
		return 0, true
	}
	return 0, false
}
