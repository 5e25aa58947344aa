package parity

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/ipadapter"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// RefinersTokens compares the encoder and both adapters' joined tokens, weights of pictures included, with Refiners' own modules.
// weightsOf are other weights than the golden's, for a control.
func (s *ImageSuite) RefinersTokens(ctx context.Context, weightsOf []float32) ([]Row, error) {
	g, err := openGolden(s.Goldens, "ip_adapter_refiners.safetensors")
	if err != nil {
		return nil, err
	}
	defer func() { _ = g.file.Close() }()
	if weightsOf == nil {
		if err := json.Unmarshal([]byte(g.file.Metadata()["weights"]), &weightsOf); err != nil {
			return nil, fmt.Errorf("weights: %w", err)
		}
	}
	x := &images{ImageSuite: s, golden: g}
	pixels := x.read("pixels")
	one := len(pixels.F) / 2
	batch := program.Tensor{Shape: append([]int{3}, pixels.Shape[1:]...), F: append(append([]float32{}, pixels.F...), make([]float32, one)...)}
	out := x.run(ctx, sdxl.EncodeImageProgram(s.Encoder.Config, s.Precision, 3), s.Encoder.Weights(), map[string]program.Tensor{sdxl.InPixels: batch})
	if x.err != nil {
		return nil, x.err
	}
	hidden, embeds := out[sdxl.OutHidden], out[sdxl.OutEmbeds]
	n, m := len(hidden.F)/3, len(embeds.F)/3
	x.compare("hidden", hidden.F[:2*n])
	x.compare("zero_hidden", hidden.F[2*n:])
	x.compare("embeds", embeds.F[:2*m])
	for i, a := range []*sdxl.ImageAdapter{s.Plus, s.Base} {
		states := hidden
		if i == 1 {
			states = program.Tensor{Shape: embeds.Shape, F: append(append([]float32{}, embeds.F[:2*m]...), make([]float32, m)...)}
		}
		p := sdxl.ImagePrompt{Adapter: a.Config, Component: a.Component.Name, Weights: weightsOf, Scale: ipadapter.Scale{Down: 1, Mid: 1, Up: 1}, State: states.Shape[1:]}
		b := program.NewBuilder("tokens", s.Precision)
		b.Output("tokens", p.Tokens(b, b.Input("states", program.Float32, states.Shape...), true, 1))
		tokens := x.run(ctx, b.Program(), weights.NewBundle(a.Component), map[string]program.Tensor{"states": states})["tokens"]
		name := [2]string{"plus", "base"}[i]
		x.compare(name+".none", tokens.F[:len(tokens.F)/2])
		x.compare(name+".tokens", tokens.F[len(tokens.F)/2:])
	}
	return x.rows, x.err
}
