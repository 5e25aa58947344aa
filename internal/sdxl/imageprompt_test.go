package sdxl

import (
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/ipadapter"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

const (
	castle    = "../../examples/castle/"
	promptDir = "../../examples/image-prompt/"
)

// prompted is a sampling run of the small model with one picture.
func prompted(t *testing.T, scale ipadapter.Scale) *Denoise {
	t.Helper()
	m, err := Open(castle+"model", weights.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	a, err := OpenImageAdapter(promptDir+"ip-adapter/ip-adapter-plus.safetensors", "ip_adapter", m.UNet)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	return &Denoise{UNet: m.UNet, Batch: 1, Height: 16, Width: 16, Tokens: 77, Pooled: 96, Steps: 3, Guidance: 5,
		Images: []ImagePrompt{{Adapter: a.Config, Component: "ip_adapter", Weights: []float32{1}, Scale: scale, State: []int{65, 96}}}}
}

// reads counts the instructions of a stage that read weights of the adapter below a name.
func reads(p *program.Program, stage program.Stage, name string) int {
	n := 0
	for i := range p.Instrs {
		in := &p.Instrs[i]
		for _, id := range in.In {
			if v := p.Value(id); in.Stage == stage && v.Origin == program.FromWeight && strings.HasPrefix(v.Name, "ip_adapter/"+name) {
				n++
			}
		}
	}
	return n
}

// TestImagePromptOnce: tokens, keys and values of pictures are computed before the loop, with self-attention guidance too.
func TestImagePromptOnce(t *testing.T) {
	for name, self := range map[string]float32{"plain": 0, "self-attention guidance": 0.75} {
		d := prompted(t, ipadapter.Scale{Down: 1, Mid: 1, Up: 1})
		d.SelfAttention = SelfAttention{Scale: self, BlurSigma: 1}
		p := program.Optimize(d.Program())
		if n := reads(p, program.Each, ""); n != 0 {
			t.Errorf("%s: %d readings of the adapter's weights in each step", name, n)
		}
		if n := reads(p, program.Once, "ip_adapter."); n != 2*16 {
			t.Errorf("%s: %d keys and values before the loop, want 32", name, n)
		}
		if n := reads(p, program.Once, "image_proj.latents"); n != 1 {
			t.Errorf("%s: the resampler is built %d times", name, n)
		}
	}
}

// TestImagePromptParts: a part of scale 0 costs nothing.
func TestImagePromptParts(t *testing.T) {
	for _, c := range []struct {
		scale ipadapter.Scale
		want  int
	}{{ipadapter.Scale{Mid: 1}, 2}, {ipadapter.Scale{Down: 1}, 12}, {ipadapter.Scale{Up: 1}, 18}} {
		if n := reads(program.Optimize(prompted(t, c.scale).Program()), program.Once, "ip_adapter."); n != c.want {
			t.Errorf("%+v: %d keys and values, want %d", c.scale, n, c.want)
		}
	}
}

func TestOpenImageEncoderFinds(t *testing.T) {
	for _, path := range []string{"ip-adapter", "ip-adapter/image_encoder", "ip-adapter/image_encoder/model.safetensors"} {
		e, err := OpenImageEncoder(promptDir+path, weights.Options{})
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	for path, want := range map[string]string{"../castle/model": "is a pipeline without an image encoder", "../castle/model/unet": "model.safetensors: the model lacks this file", "ip-adapter/ip-adapter-plus.safetensors": "needs its config.json", "missing": "cannot open"} {
		e, err := OpenImageEncoder(promptDir+path, weights.Options{})
		if err == nil {
			_ = e.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
	if _, err := OpenImageAdapter(promptDir+"ip-adapter", "ip_adapter", nil); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder as an adapter: %v", err)
	}
}
