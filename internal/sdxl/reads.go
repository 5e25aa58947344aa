package sdxl

import (
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// Reads gives the tensors that are read of a model as it was loaded, by component and canonical name: those of the text encoders that prompts are
// encoded with, and the UNet's. Of the first text encoder nothing reads the last layer. A component is missing where its configuration fits no
// program: whoever runs it says why.
func (m *Model) Reads() map[string]map[string]bool {
	reads := make(map[string]map[string]bool)
	for _, build := range []func() *program.Program{m.prompts, m.sampling} {
		if p := built(build); p != nil {
			byComponent(reads, p)
		}
	}
	return reads
}

// prompts encodes a prompt.
func (m *Model) prompts() *program.Program {
	e := EncodePrompt{Text: m.Text, Batch: 1, Tokens: m.Text[0].MaxPositions}
	return program.Optimize(e.Program()) // which leaves out what no output comes from
}

// sampling is a step of sampling, of the smallest latents that can be halved as often as the UNet does.
func (m *Model) sampling() *program.Program {
	side := 1 << (len(m.UNet.BlockChannels) - 1)
	d := Denoise{UNet: m.UNet, Batch: 1, Height: side, Width: side, Tokens: m.Text[0].MaxPositions, Pooled: m.Text[1].Projection, Steps: 1, Guidance: 1}
	return d.Program()
}

// Reads gives the tensors that decoding reads, by canonical name, and nil where the configuration fits no program. No node encodes: another
// encoder, or none, makes the same pictures.
func (a *Autoencoder) Reads() map[string]bool {
	return readsOf(VAE, func() *program.Program { return DecodeProgram(a.Config, 1e-6, 1, 1, 1) })
}

// Reads gives the tensors that encoding pictures reads, by canonical name.
func (e *Encoder) Reads() map[string]bool {
	return readsOf(ImageEncoder, func() *program.Program { return program.Optimize(EncodeImageProgram(e.Config, program.F32, 1)) })
}

// Reads gives the tensors that are read of an image prompt's adapter, by canonical name: not the keys and values of cross-attentions that its scale
// leaves out.
func (p *ImagePrompt) Reads() map[string]bool {
	return readsOf(p.Component, func() *program.Program {
		b := program.NewBuilder("image-prompt", program.F32)
		states := b.Input("states", program.Float32, append([]int{len(p.Weights)}, p.State...)...)
		p.Adapter.Attend(b, p.Component+"/", p.Tokens(b, states, false, 1), p.Scale)
		return b.Program()
	})
}

// readsOf gives the tensors of one component that a program reads.
func readsOf(component string, build func() *program.Program) map[string]bool {
	p := built(build)
	if p == nil {
		return nil
	}
	all := make(map[string]map[string]bool)
	byComponent(all, p)
	return all[component]
}

// built builds a program, or gives nil where shapes do not fit.
func built(build func() *program.Program) (p *program.Program) {
	var err error
	defer func() {
		if err != nil {
			p = nil
		}
	}()
	defer program.CatchShape(&err)
	return build()
}

// byComponent enters the weights that a program reads, whose names are "component/tensor".
func byComponent(out map[string]map[string]bool, p *program.Program) {
	for _, w := range p.Weights() {
		component, name, _ := strings.Cut(w.Name, "/")
		if out[component] == nil {
			out[component] = make(map[string]bool)
		}
		out[component][name] = true
	}
}
