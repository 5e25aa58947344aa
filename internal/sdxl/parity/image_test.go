package parity

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

const adapters = "../../../examples/image-prompt/ip-adapter"

// imageSuite is the castle's, with the base adapter that the golden describes.
func imageSuite(t *testing.T) *ImageSuite {
	t.Helper()
	s := &ImageSuite{Suite: suites(t)["castle"], Golden: "ip_adapter.safetensors", Scale: 1}
	var err error
	if s.Encoder, err = sdxl.OpenImageEncoder(adapters+"/image_encoder", weights.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Encoder.Close() })
	s.Plus = openAdapter(t, s, adapters+"/ip-adapter-plus.safetensors", "ip_adapter")
	base := filepath.Join(t.TempDir(), "base.safetensors")
	if err := WriteBaseAdapter(base, testdata+"/castle/ip_adapter.safetensors", adapters+"/ip-adapter-plus.safetensors"); err != nil {
		t.Fatal(err)
	}
	s.Base = openAdapter(t, s, base, "ip_adapter_2")
	return s
}

func openAdapter(t *testing.T, s *ImageSuite, path, name string) *sdxl.ImageAdapter {
	t.Helper()
	a, err := sdxl.OpenImageAdapter(path, name, s.Model.UNet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func TestImageTokens(t *testing.T) {
	s := imageSuite(t)
	rows, err := s.Tokens(context.Background())
	check(t, rows, err)
	for _, weight := range []string{
		"image_encoder/vision_model.embeddings.position_embedding.weight", "image_encoder/vision_model.embeddings.class_embedding",
		"ip_adapter/image_proj.latents", "ip_adapter/image_proj.layers.3.0.to_kv.weight",
	} {
		damaged, suite := *s, *s.Suite
		suite.Damage, damaged.Suite = weight, &suite
		rows, err = damaged.Tokens(context.Background())
		control(t, "one element of "+weight+" changed", rows, err)
	}
}

func TestImageEvaluations(t *testing.T) {
	s := imageSuite(t)
	rows, err := s.Evaluations(context.Background())
	check(t, rows, err)
	wrong, a, c := *s, *s.Plus, *s.Plus.Config
	a.Config, wrong.Plus = &c, &a
	// The site after the down blocks taken for the middle, as the order of the walk would have it; the widths are the same.
	c.Sites = append([]unet.Site(nil), c.Sites...)
	for i := range c.Sites {
		if c.Sites[i].Part == unet.Up {
			mid := len(c.Sites) - 1
			c.Sites[i].Part, c.Sites[mid].Part = c.Sites[mid].Part, c.Sites[i].Part
			break
		}
	}
	rows, err = wrong.Evaluations(context.Background())
	control(t, "the middle's scale given to another block", rows, err)
}

func TestImageRender(t *testing.T) {
	s := imageSuite(t)
	rows, err := s.Render(context.Background())
	check(t, rows, err)
	if testing.Short() {
		return
	}
	s.Scale = 0.9
	rows, err = s.Render(context.Background())
	control(t, "a scale of 0.9", rows, err)
}
