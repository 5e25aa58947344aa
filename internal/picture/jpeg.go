package picture

import (
	"bytes"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/picture/jpeg"
)

func isJPEG(data []byte) bool { return bytes.HasPrefix(data, []byte("\xff\xd8\xff")) }

func jpegSize(data []byte) (width, height int, err error) {
	h, err := jpeg.ReadHeader(data)
	return h.Width, h.Height, err
}

func jpegMetadata(data []byte) metadata {
	h, _ := jpeg.ReadHeader(data) // decoded before
	return metadata{exif: h.Exif, xmp: h.XMP}
}

func decodeJPEG(data []byte) (pixels, error) {
	img, err := jpeg.Decode(data)
	if err != nil {
		return pixels{}, err
	}
	out := &Image8{img.Width, img.Height, img.Pix}
	switch img.Color {
	case jpeg.RGB:
		return pixels{rgb: out}, nil
	case jpeg.Gray:
		out.Pix = make([]byte, 3*len(img.Pix))
		for i, v := range img.Pix {
			out.Pix[3*i], out.Pix[3*i+1], out.Pix[3*i+2] = v, v, v
		}
	case jpeg.CMYK:
		out.Pix = make([]byte, len(img.Pix)/4*3)
		fromCMYK(img.Pix, out.Pix)
	default:
		return pixels{}, fmt.Errorf("colour model %d is not expected", img.Color)
	}
	return pixels{rgb: out}, nil
}

// fromCMYK converts inverted CMYK as Pillow does (it takes every file of four components for one of Adobe's): ink is multiplied by what the
// black lets through, rounded as MULDIV255.
func fromCMYK(in, out []byte) {
	for i := range len(in) / 4 {
		light := int(in[4*i+3]) // 255 - black
		for k := range 3 {
			product := (255-int(in[4*i+k]))*light + 128
			out[3*i+k] = byte(max(0, light-(product>>8+product)>>8))
		}
	}
}
