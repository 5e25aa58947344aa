package main

import (
	"path/filepath"
	"slices"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/clip"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/tokenizer"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// encodePrompts encodes the negative prompt and the prompt, with Refiners' tokenizer.
func (c *comparison) encodePrompts() (map[string]program.Tensor, error) {
	in := make(map[string]program.Tensor)
	length := 0
	for i := range 2 {
		tok, err := tokenizer.ForModel(nil, i == 1, edition.Refiners)
		if err != nil {
			return nil, err
		}
		ids, ends := program.Tensor{}, program.Tensor{Shape: []int{2}}
		for _, text := range prompts {
			row, _ := tok.Encode(text)
			length = len(row)
			ids.I = append(ids.I, row...)
			ends.I = append(ends.I, clip.End(c.model.Text[i], row))
		}
		ids.Shape = []int{2, length}
		in[sdxl.InIDs[i]], in[sdxl.InEnds[i]] = ids, ends
	}
	src, err := c.model.Weights(sdxl.TextEncoder, sdxl.TextEncoder2)
	if err != nil {
		return nil, err
	}
	e := sdxl.EncodePrompt{Text: c.model.Text, Precision: program.F32, Batch: 2, Tokens: length}
	return c.execute(e.Program(), src, in, program.RunOptions{})
}

// text compares the prompts' embeddings.
func (c *comparison) text() error {
	g, err := c.golden("text")
	if err != nil {
		return err
	}
	defer g.close()
	out, err := c.encodePrompts()
	if err != nil {
		return err
	}
	for i, prompt := range []string{"negative", "positive"} {
		for _, port := range [][2]string{{sdxl.OutContext, "prompt_embeds"}, {sdxl.OutPooled, "pooled"}} {
			values := out[port[0]].F
			n := len(values) / 2
			if err := c.compare("text", g, prompt+"."+port[1], values[i*n:(i+1)*n], evaluationBound); err != nil {
				return err
			}
		}
	}
	return nil
}

// encodeImage encodes the picture, as Refiners preprocessed it, and one of zeros: [2,T,width].
func (c *comparison) encodeImage(g *golden) (program.Tensor, error) {
	e, err := sdxl.OpenImageEncoder(filepath.Join(c.dir, "refiners", "clip_image", "model.safetensors"), weights.Options{})
	if err != nil {
		return program.Tensor{}, err
	}
	defer func() { _ = e.Close() }()
	pixels, err := g.tensor("pixels")
	if err != nil {
		return pixels, err
	}
	pixels.Shape[0] = 2
	pixels.F = append(pixels.F, make([]float32, len(pixels.F))...)
	out, err := c.execute(sdxl.EncodeImageProgram(e.Config, program.F32, 2), e.Weights(), map[string]program.Tensor{sdxl.InPixels: pixels}, program.RunOptions{})
	return out[sdxl.OutHidden], err
}

// adapter opens the IP-Adapter.
func (c *comparison) adapter() (*sdxl.ImageAdapter, error) {
	return sdxl.OpenImageAdapter(filepath.Join(c.dir, "refiners", "ip_adapter.safetensors"), "ip_adapter", c.model.UNet)
}

// image compares what the image encoder gives and the tokens that the IP-Adapter makes of it.
func (c *comparison) image() error {
	g, err := c.golden("image")
	if err != nil {
		return err
	}
	defer g.close()
	states, err := c.encodeImage(g)
	if err != nil {
		return err
	}
	n := len(states.F) / 2
	for i, name := range []string{"hidden", "zeros"} {
		if err := c.compare("image", g, name, states.F[i*n:(i+1)*n], evaluationBound); err != nil {
			return err
		}
	}
	a, err := c.adapter()
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	b := program.NewBuilder("tokens", program.F32)
	in := b.Input("states", program.Float32, states.Shape...)
	b.Output("tokens", a.Config.MakeTokens(b, "ip_adapter/", in))
	out, err := c.execute(b.Program(), weights.NewBundle(a.Component), map[string]program.Tensor{"states": states}, program.RunOptions{})
	if err != nil {
		return err
	}
	tokens := out["tokens"].F // Refiners has those of zeros first
	n = len(tokens) / 2
	return c.compare("image", g, "tokens", slices.Concat(tokens[n:], tokens[:n]), evaluationBound)
}
