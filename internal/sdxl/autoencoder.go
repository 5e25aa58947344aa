package sdxl

import (
	"errors"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// Autoencoder is the autoencoder of a model, or one that lies alone.
type Autoencoder struct {
	Config    *config.VAE
	Component *weights.Component
	files     *weights.Model // nil where the model that it belongs to closes them
}

// Autoencoder gives the model's own autoencoder.
func (m *Model) Autoencoder() (*Autoencoder, error) {
	c, err := m.Files.Component(VAE)
	if err != nil {
		return nil, err
	}
	return &Autoencoder{Config: m.VAE, Component: c}, nil
}

// OpenAutoencoder opens the autoencoder of a model folder or file, or a folder that is
// an AutoencoderKL by itself.
func OpenAutoencoder(path string, opt weights.Options) (*Autoencoder, error) {
	files, err := weights.OpenPart(path, VAE, opt)
	if err != nil {
		return nil, err
	}
	c, err := files.Component(VAE)
	if err != nil {
		return nil, errors.Join(err, files.Close())
	}
	v, err := config.ParseVAE(c.Config)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), files.Close())
	}
	return &Autoencoder{Config: v, Component: c, files: files}, nil
}

// Contents lists the files of an autoencoder that lies alone.
func (a *Autoencoder) Contents() []*weights.Content {
	if a.files == nil {
		return nil
	}
	return a.files.Contents()
}

// Close unmaps the weights of an autoencoder that lies alone.
func (a *Autoencoder) Close() error {
	if a.files == nil {
		return nil
	}
	return a.files.Close()
}
