package sdxl

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/clip"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// ImageEncoder is the name of the component that an [Encoder] is.
const ImageEncoder = "image_encoder"

// Encoder is a CLIP image encoder.
type Encoder struct {
	Config    *config.Vision
	Component *weights.Component
	files     *weights.Model
}

// OpenImageEncoder opens a CLIPVisionModel or CLIPVisionModelWithProjection (or a whole CLIPModel): a folder, a folder that has it as
// image_encoder, or a safetensors file with its config.json beside it. It reads headers only, and checks that every tensor is there in its shape.
func OpenImageEncoder(path string, opt weights.Options) (*Encoder, error) {
	if inner := filepath.Join(path, ImageEncoder); isThere(filepath.Join(inner, "config.json")) {
		path = inner
	} else if isThere(filepath.Join(path, "model_index.json")) {
		return nil, fmt.Errorf("%s is a pipeline without an image encoder; give the folder of a CLIPVisionModelWithProjection", path)
	}
	files, err := weights.OpenAlone(path, ImageEncoder, opt)
	if err != nil {
		return nil, err
	}
	e := &Encoder{files: files}
	if err := e.configure(path); err != nil {
		return nil, errors.Join(err, files.Close())
	}
	return e, nil
}

func isThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (e *Encoder) configure(path string) (err error) {
	if e.Component, err = e.files.Component(ImageEncoder); err != nil {
		return err
	}
	if e.Component.Config == nil {
		return fmt.Errorf("%s: an image encoder in one file needs its config.json beside it", path)
	}
	if e.Config, err = config.ParseVision(e.Component.Config); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if _, err = e.Weights().Check(EncodeImageProgram(e.Config, program.F32, 1).Weights()); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// Weights is the encoder as a source for programs.
func (e *Encoder) Weights() *weights.Bundle { return weights.NewBundle(e.Component) }

// Contents lists the encoder's files.
func (e *Encoder) Contents() []*weights.Content { return e.files.Contents() }

// Close unmaps the weights.
func (e *Encoder) Close() error { return e.files.Close() }

// Names of an image program's input and outputs.
const (
	InPixels  = "pixels" // [B,size,size,3], normalised
	OutHidden = "hidden" // [B,T,hidden]: penultimate hidden states
	OutEmbeds = "embeds" // [B,projection]; absent where the encoder has no projection
)

// EncodeImageProgram encodes a batch of pictures.
func EncodeImageProgram(c *config.Vision, prec program.Precision, batch int) *program.Program {
	b := program.NewBuilder("encode-image", prec)
	out := clip.Vision(b, ImageEncoder+"/", c, b.Input(InPixels, program.Float32, batch, c.ImageSize, c.ImageSize, c.Channels))
	b.Output(OutHidden, out.Penultimate)
	if out.Embeds != program.None {
		b.Output(OutEmbeds, out.Embeds)
	}
	return b.Program()
}
