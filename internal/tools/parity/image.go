package main

import (
	"context"
	"fmt"
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
	right := &parity.ImageSuite{Suite: s, Golden: "ip_adapter.safetensors", Encoder: encoder, Plus: plus, Scale: 1}
	damaged := *s
	damaged.Damage = "ip_adapter/image_proj.latents"
	spoiled, weak := *right, *right
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
