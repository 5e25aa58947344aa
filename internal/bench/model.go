package bench

import (
	_ "embed"
	"encoding/json"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
)

// SDXL is the name of the model that is made up.
const SDXL = "sdxl"

// Model is what jobs run.
type Model struct {
	Name string
	UNet *config.UNet
	VAE  *config.VAE
	Text [2]*config.Text

	files *sdxl.Model // nil for one that is made up
}

// Opened is a model in files.
func Opened(name string, m *sdxl.Model) *Model {
	return &Model{Name: name, UNet: m.UNet, VAE: m.VAE, Text: m.Text, files: m}
}

//go:embed sdxl.json
var sdxlConfig []byte

// MadeUp is a model of the architecture and size of Stable Diffusion XL base 1.0 with weights of [Synthetic].
func MadeUp() (*Model, error) {
	raw := make(map[string]json.RawMessage)
	if err := json.Unmarshal(sdxlConfig, &raw); err != nil {
		return nil, err
	}
	m := &Model{Name: SDXL}
	var err error
	if m.UNet, err = config.ParseUNet(raw[sdxl.UNet]); err != nil {
		return nil, err
	}
	if m.VAE, err = config.ParseVAE(raw[sdxl.VAE]); err != nil {
		return nil, err
	}
	for i, name := range []string{sdxl.TextEncoder, sdxl.TextEncoder2} {
		if m.Text[i], err = config.ParseText(raw[name]); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// weights gives the weights of components for a program, and the memory that they take beside files.
func (m *Model) weights(p *program.Program, components ...string) (program.WeightSource, int64, error) {
	if m.files == nil {
		s := NewSynthetic(p)
		return s, s.Bytes(), nil
	}
	b, err := m.files.Weights(components...)
	return b, 0, err
}
