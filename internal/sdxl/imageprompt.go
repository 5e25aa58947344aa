package sdxl

import (
	"errors"
	"fmt"
	"os"

	"github.com/seed-8af8f8e1/flow/internal/nn"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/ipadapter"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// ImageAdapter is an IP-Adapter that fits a UNet.
type ImageAdapter struct {
	Config    *ipadapter.Config
	Component *weights.Component
	files     *weights.Model
}

// OpenImageAdapter opens an IP-Adapter's file as the component name. It reads the header only, finds the architecture and
// checks that it fits the UNet.
func OpenImageAdapter(path, name string, u *config.UNet) (*ImageAdapter, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%s is a folder; an IP-Adapter is one safetensors file", path)
	}
	files, err := weights.OpenAlone(path, name, weights.Options{Attentions: u.CrossAttentions()})
	if err != nil {
		return nil, err
	}
	a := &ImageAdapter{files: files}
	if a.Component, err = files.Component(name); err != nil {
		return nil, errors.Join(err, files.Close())
	}
	if a.Config, err = ipadapter.Infer(a.Component.Shapes(), u); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), files.Close())
	}
	return a, nil
}

// Contents lists the adapter's files.
func (a *ImageAdapter) Contents() []*weights.Content { return a.files.Contents() }

// Close unmaps the weights.
func (a *ImageAdapter) Close() error { return a.files.Close() }

// ImagePrompt is an IP-Adapter with its pictures, as a sampling run uses it.
type ImagePrompt struct {
	Adapter   *ipadapter.Config
	Component string          // under which the adapter's weights are found
	Weights   []float32       // of each picture: its tokens are multiplied by it
	Scale     ipadapter.Scale // at which the pictures' attention is added
	State     []int           // shape of what the encoder gives of a picture: [T,width] for Plus, [width] for base
}

// InStates is the input of the k-th image prompt: [n,...State], the pictures', and with guidance last that of no picture - of a picture of
// zeros for Plus, zeros for base.
func InStates(k int) string { return fmt.Sprintf("image_prompt.%d", k) }

// images builds the keys and values of all image prompts; they are the same in each step. With guidance, the first half of
// the batch has no picture.
func (d *Denoise) images(b *program.Builder) []unet.ImagePrompt {
	var out []unet.ImagePrompt
	for k, p := range d.Images {
		n := len(p.Weights)
		if d.Guided() {
			n++
		}
		states := b.Input(InStates(k), program.Float32, append([]int{n}, p.State...)...)
		tokens := p.Tokens(b, states, d.Guided(), d.Batch)
		out = append(out, p.Adapter.Attend(b, p.Component+"/", tokens, p.Scale))
	}
	return out
}

// Tokens builds what the UNet's cross-attentions look at: the tokens of all pictures behind one another, each multiplied by its weight,
// for every entry of a batch of pictures to draw. With guidance the unconditional entries come first, whose tokens are those of no picture, as
// often. states is as the input [InStates] has it.
func (p *ImagePrompt) Tokens(b *program.Builder, states program.ID, guided bool, batch int) program.ID {
	tokens := p.Adapter.MakeTokens(b, p.Component+"/", states)
	var cond, none []program.ID
	for i, w := range p.Weights {
		t := b.Slice(tokens, 0, i, i+1)
		if w != 1 {
			t = b.Affine(t, w, 0)
		}
		cond = append(cond, t)
		if guided {
			none = append(none, b.Slice(tokens, 0, len(p.Weights), len(p.Weights)+1))
		}
	}
	joined := b.Repeat(b.Concat(1, cond...), batch)
	if !guided {
		return joined
	}
	return b.Concat(0, b.Repeat(b.Concat(1, none...), batch), joined)
}

// firstEntries are the keys and values of the first entries of a batch.
func firstEntries(prompts []unet.ImagePrompt, first func(program.ID) program.ID) []unet.ImagePrompt {
	var out []unet.ImagePrompt
	for _, p := range prompts {
		q := make(unet.ImagePrompt, len(p))
		for i := range p {
			q[i] = nn.Keys{K: first(p[i].K), V: first(p[i].V), Scale: p[i].Scale}
		}
		out = append(out, q)
	}
	return out
}
