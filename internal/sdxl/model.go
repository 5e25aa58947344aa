package sdxl

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// Names of a model's components.
const (
	UNet         = "unet"
	VAE          = "vae"
	TextEncoder  = "text_encoder"
	TextEncoder2 = "text_encoder_2"
)

// Model is an opened SDXL model: its files and what its configurations say.
type Model struct {
	Files     *weights.Model
	UNet      *config.UNet
	VAE       *config.VAE
	Text      [2]*config.Text
	Scheduler *config.Scheduler
	// ForceZeros is the pipeline's force_zeros_for_empty_prompt: an absent negative prompt is zeros, not an encoded empty text.
	ForceZeros bool
}

// Open opens a diffusers folder or a single-file checkpoint and reads all configurations. It reads headers
// only; weights stay on disk until a program asks for them.
func Open(path string, opt weights.Options) (*Model, error) {
	files, err := weights.Open(path, opt)
	if err != nil {
		return nil, err
	}
	m := &Model{Files: files}
	if err := m.configure(); err != nil {
		_ = files.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return m, nil
}

func (m *Model) configure() error {
	raw := make(map[string][]byte)
	for _, name := range weights.Components {
		c, err := m.Files.Component(name)
		if err != nil {
			return err
		}
		raw[name] = c.Config
	}
	var err error
	if m.UNet, err = config.ParseUNet(raw[UNet]); err != nil {
		return err
	}
	if m.VAE, err = config.ParseVAE(raw[VAE]); err != nil {
		return err
	}
	for i, name := range [2]string{TextEncoder, TextEncoder2} {
		if m.Text[i], err = config.ParseText(raw[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	data, err := m.Files.Scheduler()
	if err != nil {
		return err
	}
	if m.Scheduler, err = config.ParseScheduler(data); err != nil {
		return err
	}
	m.ForceZeros, err = m.Files.ForceZeros()
	if err != nil {
		return err
	}
	return m.consistent()
}

// consistent checks what one component's configuration says of another's.
func (m *Model) consistent() error {
	if got := m.Text[0].Hidden + m.Text[1].Hidden; got != m.UNet.CrossAttentionDim {
		return fmt.Errorf("the text encoders give %d + %d channels, the unet's cross_attention_dim is %d", m.Text[0].Hidden, m.Text[1].Hidden, m.UNet.CrossAttentionDim)
	}
	if m.UNet.AddTimeEmbedDim != 0 && !m.Text[1].WithProjection {
		return fmt.Errorf("the unet wants a pooled prompt; text_encoder_2 is no CLIPTextModelWithProjection")
	}
	if m.VAE.LatentChannels != m.UNet.InChannels || m.UNet.OutChannels != m.UNet.InChannels {
		return fmt.Errorf("latents of %d channels in the vae, %d into and %d out of the unet", m.VAE.LatentChannels, m.UNet.InChannels, m.UNet.OutChannels)
	}
	if m.Text[0].MaxPositions != m.Text[1].MaxPositions {
		return fmt.Errorf("the text encoders have %d and %d positions", m.Text[0].MaxPositions, m.Text[1].MaxPositions)
	}
	return nil
}

// Weights joins components to a source for programs.
func (m *Model) Weights(names ...string) (*weights.Bundle, error) {
	var parts []*weights.Component
	for _, name := range names {
		c, err := m.Files.Component(name)
		if err != nil {
			return nil, err
		}
		parts = append(parts, c)
	}
	return weights.NewBundle(parts...), nil
}

// Close unmaps the weights.
func (m *Model) Close() error { return m.Files.Close() }
