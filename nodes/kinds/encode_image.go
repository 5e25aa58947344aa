package kinds

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/picture"
	"github.com/seed-8af8f8e1/flow/internal/picture/clipimage"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// Arrays of an image embedding. What the base IP-Adapter reads of no picture is a vector of zeros, and is not kept.
const (
	hiddenState     = "hidden"      // [1,T,hidden]: penultimate hidden states
	zeroHiddenState = "zero_hidden" // [1,T,hidden]: those of a normalised picture of zeros
	embedsState     = "embeds"      // [1,projection]; absent where the encoder has no projection
)

// EncodeImage encodes a picture with a CLIP image encoder.
func EncodeImage() *nodes.Kind {
	return &nodes.Kind{
		Name: "encode-image", Version: 1,
		Doc: "Encodes a picture with a CLIP image encoder, for ip-adapter.",
		Args: []nodes.Arg{
			{Name: "image", Type: nodes.FileArg, Required: true, Doc: "The picture (PNG, JPEG or WebP), declared under files."},
			{Name: "weights", Type: nodes.WeightsArg, Required: true, Doc: "The image encoder, declared under models: a folder, or a file with config.json beside it."},
			{Name: "alpha", Type: nodes.EnumArg, Enum: []string{"drop", "white"}, Default: "drop", Doc: "What transparency becomes: it is dropped, as both references do, or the picture is put on white."},
		},
		Outputs: []nodes.Port{{Name: "tokens", Type: nodes.ImageEmbeddingType, Doc: "Hidden states and projection of the picture."}},
		New: func(a *nodes.Args) (nodes.Op, error) {
			return &encodeImage{image: a.File("image"), weights: a.File("weights"), white: a.String("alpha") == "white"}, nil
		},
	}
}

type encodeImage struct {
	image, weights nodes.File
	white          bool
}

// Plan implements nodes.StoredOp.
func (op *encodeImage) Plan(env *nodes.Env, _ nodes.PlanInputs) (nodes.Plan, error) {
	file, err := weights.OpenPlain(op.image.Path)
	if err != nil {
		return nodes.Plan{}, err
	}
	e, err := sdxl.OpenImageEncoder(op.weights.Path, weights.Options{Variant: op.weights.Variant})
	if err != nil {
		return nodes.Plan{}, err
	}
	p := program.Optimize(sdxl.EncodeImageProgram(e.Config, env.Precision, 2))
	hidden := []int{1, e.Config.Tokens(), e.Config.Hidden}
	shapes := map[string][]int{hiddenState: hidden, zeroHiddenState: hidden}
	if e.Config.Projection != 0 {
		shapes[embedsState] = []int{1, e.Config.Projection}
	}
	return nodes.Plan{
		Outputs: map[string]nodes.Meta{"tokens": {Of: nodes.ImageEmbeddingType, Shapes: shapes}},
		Own:     map[string]nodes.Live{"image": &inputFile{file}, "weights": &imageEncoder{e, e.Reads()}},
		Uses:    []nodes.Use{{Input: "image", Components: []string{contentPart}}, {Input: "weights", Components: []string{sdxl.ImageEncoder}}},
		Class:   true, Edition: true, PeakBytes: estimate(env, p, func() program.TypeSource { return e.Weights() }), MACs: program.MACs(p),
		Weights: func() int64 { return weigh(env, p, e.Weights()) },
	}, nil
}

// Run implements nodes.StoredOp. The batch is the picture, then zeros.
func (op *encodeImage) Run(ctx context.Context, env *nodes.Env, in nodes.Inputs) (map[string]nodes.Value, error) {
	file, err1 := owned[*inputFile](in.Live, "image")
	e, err2 := owned[*imageEncoder](in.Live, "weights")
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	pixels, err := op.pixels(ctx, env, file, e)
	if err != nil {
		return nil, err
	}
	p := program.Optimize(sdxl.EncodeImageProgram(e.Config, env.Precision, 2))
	out, err := execute(ctx, env, p, e.Weights(), map[string]program.Tensor{sdxl.InPixels: pixels}, 0)
	if err != nil {
		return nil, err
	}
	list := make(map[string]nodes.Tensor)
	half := func(name string, t program.Tensor, entry int) {
		n := len(t.F) / 2
		list[name] = nodes.Tensor{Shape: append([]int{1}, t.Shape[1:]...), Data: t.F[entry*n : (entry+1)*n]}
	}
	half(hiddenState, out[sdxl.OutHidden], 0)
	half(zeroHiddenState, out[sdxl.OutHidden], 1)
	if t, ok := out[sdxl.OutEmbeds]; ok {
		half(embedsState, t, 0)
	}
	return map[string]nodes.Value{"tokens": &nodes.Tensors{Of: nodes.ImageEmbeddingType, List: list}}, nil
}

// pixels reads the picture and makes the encoder's input of it by the edition's convention, with zeros behind: [2,size,size,3].
func (op *encodeImage) pixels(ctx context.Context, env *nodes.Env, file *inputFile, e *imageEncoder) (program.Tensor, error) {
	ed, err := edition.ByName(env.Edition)
	if err != nil {
		return program.Tensor{}, err
	}
	data, err := file.Bytes(ctx)
	if err != nil {
		return program.Tensor{}, err
	}
	t, err := prepare(data, ed, e.Config.ImageSize, op.white)
	if err != nil {
		return program.Tensor{}, fmt.Errorf("%s: %w", file.Path(), err)
	}
	size := e.Config.ImageSize
	return program.Tensor{Shape: []int{2, size, size, e.Config.Channels}, F: append(t.Data, make([]float32, len(t.Data))...)}, nil
}

// prepare makes the encoder's input of a picture file by an edition's conventions; white puts the picture on white.
func prepare(data []byte, e edition.Edition, size int, white bool) (clipimage.Tensor, error) {
	opt := picture.Options{Orient: e.Orient}
	switch {
	case white:
		opt.Alpha = picture.AlphaWhite
	case e.ColourKey:
		opt.Alpha = picture.AlphaKey
	}
	m, err := picture.Decode(data, opt)
	if err != nil {
		return clipimage.Tensor{}, err
	}
	if e.CropImage {
		return clipimage.Preprocess(m, clipimage.Default(size))
	}
	return clipimage.Preprocess(m, clipimage.Squeezed(size))
}
