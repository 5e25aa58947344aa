package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/parity"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// imageExample has the image encoder and the IP-Adapter of the small model.
const imageExample = "examples/image-prompt/ip-adapter"

// imageCases compares image prompts on the castle, each with a control.
func imageCases(ctx context.Context, root string, s *parity.Suite) ([]result, error) {
	encoder, err := sdxl.OpenImageEncoder(filepath.Join(root, imageExample, "image_encoder"), weights.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { _ = encoder.Close() }()
	plus, err := sdxl.OpenImageAdapter(filepath.Join(root, imageExample, "ip-adapter-plus.safetensors"), "ip_adapter", s.Model.UNet)
	if err != nil {
		return nil, err
	}
	defer func() { _ = plus.Close() }()
	base, err := baseAdapter(root, s)
	if err != nil {
		return nil, err
	}
	defer func() { _ = base.Close() }()
	right := &parity.ImageSuite{Suite: s, Golden: "ip_adapter.safetensors", Encoder: encoder, Plus: plus, Base: base, Scale: 1}
	damaged := *s
	damaged.Damage = "ip_adapter/image_proj.latents"
	spoiled, weak, exchanged := *right, *right, *right
	spoiled.Suite, weak.Scale = &damaged, 0.9
	unlike := damaged
	unlike.Damage = "ip_adapter/ip_adapter.29.to_v_ip.weight"
	other := *right
	other.Suite = &unlike
	var out []result
	for _, c := range []struct {
		name, mistake string
		run           func(s *parity.ImageSuite) ([]parity.Row, error)
		wrong         *parity.ImageSuite
	}{
		{"image prompt: encoder and tokens", "one element of the resampler's queries changed", func(s *parity.ImageSuite) ([]parity.Row, error) { return s.Tokens(ctx) }, &spoiled},
		{"image prompt: Refiners' encoder and tokens", "the weights of two pictures exchanged", func(s *parity.ImageSuite) ([]parity.Row, error) {
			if s == &exchanged {
				return s.RefinersTokens(ctx, []float32{1.3, 0.7})
			}
			return s.RefinersTokens(ctx, nil)
		}, &exchanged},
		{"image prompt: evaluations", "one element of the last values changed", func(s *parity.ImageSuite) ([]parity.Row, error) { return s.Evaluations(ctx) }, &other},
		{"image prompt: latents", "a scale of 0.9 instead of 1", func(s *parity.ImageSuite) ([]parity.Row, error) { return s.Render(ctx) }, &weak},
	} {
		rows, err := c.run(right)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		wrong, err := c.run(c.wrong)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", c.name, c.mistake, err)
		}
		out = append(out, result{Name: c.name, Rows: rows, Controls: []mistake{{c.mistake, parity.Worst(wrong)}}})
	}
	return out, nil
}

// baseAdapter opens the base adapter that the golden describes, from a file that is gone once it is open.
func baseAdapter(root string, s *parity.Suite) (*sdxl.ImageAdapter, error) {
	dir, err := os.MkdirTemp("", "flow-parity-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "base.safetensors")
	if err := parity.WriteBaseAdapter(path, filepath.Join(s.Goldens, "ip_adapter.safetensors"), filepath.Join(root, imageExample, "ip-adapter-plus.safetensors")); err != nil {
		return nil, err
	}
	return sdxl.OpenImageAdapter(path, "ip_adapter_2", s.Model.UNet)
}
