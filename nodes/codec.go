package nodes

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"

	"github.com/nlpodyssey/safetensors"
)

// Media of stored values: containers that a person can open.
const (
	MediaSafetensors = "safetensors"
	MediaPNG         = "png"
)

// maxPixels bounds a picture that is read: 2^28 is 16384 x 16384.
const maxPixels = 1 << 28

// Encode writes a value in its container.
func Encode(v Value) (media string, data []byte, err error) {
	switch v := v.(type) {
	case *Image:
		data, err := EncodePNG(v)
		return MediaPNG, data, err
	case *Tensors:
		views := make(map[string]safetensors.TensorView, len(v.List))
		for name, t := range v.List {
			raw := make([]byte, 0, 4*len(t.Data))
			for _, x := range t.Data {
				raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(x))
			}
			shape := make([]uint64, len(t.Shape))
			for i, d := range t.Shape {
				shape[i] = uint64(d)
			}
			view, err := safetensors.NewTensorView(safetensors.F32, shape, raw)
			if err != nil {
				return "", nil, fmt.Errorf("tensor %q: %w", name, err)
			}
			views[name] = view
		}
		data, err := safetensors.Serialize(views, map[string]string{"flow": string(v.Of)})
		return MediaSafetensors, data, err
	}
	return "", nil, fmt.Errorf("a %T cannot be stored", v)
}

// Decode reads a value of type t from its container.
func Decode(t Type, media string, data []byte) (Value, error) {
	switch {
	case (media == MediaPNG) != (t == ImageType):
		return nil, fmt.Errorf("%s in a %s container", t, media)
	case media == MediaPNG:
		return DecodePNG(data)
	case media == MediaSafetensors:
		st, err := safetensors.Deserialize(data)
		if err != nil {
			return nil, err
		}
		out := &Tensors{Of: t, List: make(map[string]Tensor)}
		for _, named := range st.Tensors() {
			view := named.TensorView
			if view.DType() != safetensors.F32 {
				return nil, fmt.Errorf("tensor %q is %s, want F32", named.Name, view.DType())
			}
			var x Tensor
			for _, d := range view.Shape() {
				x.Shape = append(x.Shape, int(d))
			}
			raw := view.Data()
			x.Data = make([]float32, len(raw)/4)
			for i := range x.Data {
				x.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			}
			out.List[named.Name] = x
		}
		return out, nil
	}
	return nil, fmt.Errorf("%q is no container of values", media)
}

// EncodePNG writes a picture.
func EncodePNG(m *Image) ([]byte, error) {
	if m.Width < 1 || m.Height < 1 || len(m.Pix) != 3*m.Width*m.Height {
		return nil, fmt.Errorf("a picture of %dx%d has %d bytes", m.Width, m.Height, len(m.Pix))
	}
	img := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i := range m.Width * m.Height {
		copy(img.Pix[4*i:], m.Pix[3*i:3*i+3])
		img.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.DefaultCompression}
	err := enc.Encode(&b, img)
	return b.Bytes(), err
}

// DecodePNG reads a picture; transparency is dropped.
func DecodePNG(data []byte) (*Image, error) {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	if c.Width < 1 || c.Height < 1 || c.Width > maxPixels/c.Height {
		return nil, fmt.Errorf("a picture of %dx%d pixels is too large", c.Width, c.Height)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	m := &Image{Width: c.Width, Height: c.Height, Pix: make([]byte, 0, 3*c.Width*c.Height)}
	for y := range c.Height {
		for x := range c.Width {
			p := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			m.Pix = append(m.Pix, p.R, p.G, p.B)
		}
	}
	return m, nil
}
