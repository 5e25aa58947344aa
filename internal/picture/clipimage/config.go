package clipimage

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Size is what a picture is resized or cropped to: a shorter edge, or both edges.
type Size struct {
	ShortestEdge  int `json:"shortest_edge"`
	Height, Width int
}

// Config is a CLIPImageProcessor's preprocessor_config.json.
type Config struct {
	DoResize, DoCenterCrop, DoRescale, DoNormalize bool
	Resize, Crop                                   Size
	RescaleFactor                                  float64
	Mean, Std                                      [3]float64
}

// maxEdge bounds the sizes of a configuration.
const maxEdge = 8192

// Default is CLIPImageProcessor(size=edge, crop_size=edge): what diffusers makes for an image encoder of that image_size, whatever
// preprocessor_config.json lies beside it.
func Default(edge int) Config {
	return Config{
		DoResize: true, DoCenterCrop: true, DoRescale: true, DoNormalize: true,
		Resize: Size{ShortestEdge: edge}, Crop: Size{Height: edge, Width: edge}, RescaleFactor: 1.0 / 255,
		Mean: [3]float64{0.48145466, 0.4578275, 0.40821073}, Std: [3]float64{0.26862954, 0.26130258, 0.27577711},
	}
}

// Squeezed is Default without the crop: the whole picture is resized to a square, its aspect lost, as IPAdapter.preprocess_image of Refiners does.
func Squeezed(edge int) Config {
	cfg := Default(edge)
	cfg.Resize, cfg.DoCenterCrop = cfg.Crop, false
	return cfg
}

// ParseConfig reads a preprocessor_config.json; what it leaves out is as in Default(224). Sizes may be numbers, as older files have them.
// A filter other than bicubic is an error.
func ParseConfig(data []byte) (Config, error) {
	cfg := Default(224)
	file := struct {
		DoResize      *bool           `json:"do_resize"`
		DoCenterCrop  *bool           `json:"do_center_crop"`
		DoRescale     *bool           `json:"do_rescale"`
		DoNormalize   *bool           `json:"do_normalize"`
		Resample      *int            `json:"resample"`
		RescaleFactor *float64        `json:"rescale_factor"`
		Mean          []float64       `json:"image_mean"`
		Std           []float64       `json:"image_std"`
		Size          json.RawMessage `json:"size"`
		CropSize      json.RawMessage `json:"crop_size"`
	}{}
	if err := json.Unmarshal(data, &file); err != nil {
		return Config{}, fmt.Errorf("preprocessor configuration: %w", err)
	}
	set(&cfg.DoResize, file.DoResize)
	set(&cfg.DoCenterCrop, file.DoCenterCrop)
	set(&cfg.DoRescale, file.DoRescale)
	set(&cfg.DoNormalize, file.DoNormalize)
	set(&cfg.RescaleFactor, file.RescaleFactor)
	if r := file.Resample; r != nil && *r != 3 {
		return Config{}, fmt.Errorf("preprocessor configuration: resample is %d; only 3 (bicubic) is known", *r)
	}
	for _, f := range []struct {
		name string
		from []float64
		to   *[3]float64
	}{{"image_mean", file.Mean, &cfg.Mean}, {"image_std", file.Std, &cfg.Std}} {
		if f.from == nil {
			continue
		}
		if len(f.from) != 3 {
			return Config{}, fmt.Errorf("preprocessor configuration: %s has %d values; 3 are wanted", f.name, len(f.from))
		}
		copy(f.to[:], f.from)
	}
	if err := cfg.sizes(file.Size, file.CropSize); err != nil {
		return Config{}, fmt.Errorf("preprocessor configuration: %w", err)
	}
	for _, v := range cfg.Std {
		if float32(v) == 0 {
			return Config{}, fmt.Errorf("preprocessor configuration: image_std is zero")
		}
	}
	return cfg, nil
}

func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (cfg *Config) sizes(resize, crop json.RawMessage) error {
	if err := readSize("size", resize, &cfg.Resize, func(n int) Size { return Size{ShortestEdge: n} }); err != nil {
		return err
	}
	if err := readSize("crop_size", crop, &cfg.Crop, func(n int) Size { return Size{Height: n, Width: n} }); err != nil {
		return err
	}
	if cfg.Crop.ShortestEdge != 0 {
		return fmt.Errorf("crop_size has a shortest_edge; height and width are wanted")
	}
	return nil
}

// readSize reads a number or an object into to; nothing leaves it as it is.
func readSize(name string, data json.RawMessage, to *Size, number func(int) Size) error {
	if data == nil || string(data) == "null" {
		return nil
	}
	var n int
	size := Size{}
	if json.Unmarshal(data, &n) == nil {
		size = number(n)
	} else {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		if err := d.Decode(&size); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	edge := size.ShortestEdge > 0 && size.ShortestEdge <= maxEdge && size.Height == 0 && size.Width == 0
	both := size.ShortestEdge == 0 && size.Height > 0 && size.Width > 0 && max(size.Height, size.Width) <= maxEdge
	if !edge && !both {
		return fmt.Errorf("%s is %s; a shortest_edge, or height and width, of 1 to %d are wanted", name, data, maxEdge)
	}
	*to = size
	return nil
}
