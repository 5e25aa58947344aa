package parity

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/numeric"
	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// LargeVAE compares decoding by an autoencoder whose activations go beyond 1e6, block by block: the model's own, its weights
// multiplied by the factors that the golden in folder names.
func (s *Suite) LargeVAE(ctx context.Context, folder string) ([]Row, error) {
	rows, _, err := s.largeVAE(ctx, folder, nil)
	return rows, err
}

// largeVAE gives what it decoded, too. change, if it is not nil, is made to the program before.
func (s *Suite) largeVAE(ctx context.Context, folder string, change func(*program.Program)) (rows []Row, picture program.Tensor, err error) {
	g, err := openGolden(folder, "vae.safetensors")
	if err != nil {
		return nil, picture, err
	}
	defer func() { _ = g.file.Close() }()
	latents, err := g.tensor("latents")
	if err != nil {
		return nil, picture, err
	}
	factors, err := factorsOf(g)
	if err != nil {
		return nil, picture, err
	}
	r := run{suite: s, golden: g, parts: []string{sdxl.VAE}, bound: VAEBound}
	r.weights = func(w program.WeightSource) program.WeightSource { return multiplied{w, factors} }
	r.program = sdxl.DecodeProgram(s.Model.VAE, edition.Diffusers.ResnetEps, 1, latents.Shape[1], latents.Shape[2])
	if change != nil {
		change(r.program)
	}
	r.watch("vae/", decoderBlocks(g), func(m string) string { return m })
	out, err := r.run(ctx, map[string]program.Tensor{sdxl.InLatents: latents}, program.RunOptions{})
	if err != nil {
		return nil, picture, err
	}
	picture = out[sdxl.OutPicture]
	r.compare("image", picture)
	pixels, err := g.tensor("pixels")
	if err != nil {
		return nil, picture, err
	}
	r.rows = append(r.rows, Row{"pixels", unequal(sdxl.Pixels(picture.F, edition.Diffusers.RoundPixels), pixels.F), 1 - PixelsEqual})
	return r.rows, picture, r.err
}

// factorsOf reads what weights are multiplied by.
func factorsOf(g *golden) (factors map[string]float32, err error) {
	if err := json.Unmarshal([]byte(g.file.Metadata()["factors"]), &factors); err != nil {
		return nil, fmt.Errorf("%s: factors: %w", g.file.Path(), err)
	}
	return factors, nil
}

// decoderBlocks are the blocks of a decoder that a golden has.
func decoderBlocks(g *golden) (blocks []string) {
	for _, name := range g.file.Names() {
		if strings.HasPrefix(name, "decoder.") || name == "post_quant_conv" {
			blocks = append(blocks, name)
		}
	}
	return blocks
}

// multiplied multiplies weights of the autoencoder, as fp32; factors are by their names in it.
type multiplied struct {
	program.WeightSource
	factors map[string]float32
}

// Weight implements program.WeightSource.
func (m multiplied) Weight(name string) (program.WeightData, error) {
	w, err := m.WeightSource.Weight(name)
	factor, ok := m.factors[strings.TrimPrefix(name, "vae/")]
	if err != nil || !ok {
		return w, err
	}
	if w.Type != program.WF16 {
		return w, fmt.Errorf("%s: weights to multiply are fp16 in the small model", name)
	}
	out := program.WeightData{Type: program.WF32, Shape: w.Shape, Data: make([]byte, 2*len(w.Data))}
	for i := range len(w.Data) / 2 {
		v := factor * numeric.FromF16(binary.LittleEndian.Uint16(w.Data[2*i:]))
		binary.LittleEndian.PutUint32(out.Data[4*i:], math.Float32bits(v))
	}
	return out, nil
}

// largeVAE is the case of activations beyond 1e6.
func largeVAE() Case {
	at := func(s *Suite) string { return filepath.Join(filepath.Dir(s.Goldens), "large") }
	return Case{"autoencoder, activations of 1e7", func(ctx context.Context, s *Suite) ([]Row, error) { return s.LargeVAE(ctx, at(s)) }, []Control{
		vaeControls[0],
		{Mistake: "one element of one weight that is not multiplied changed", damage: "vae/decoder.mid_block.attentions.0.to_q.weight"},
	}}
}
