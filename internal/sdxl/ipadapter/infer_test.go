package ipadapter

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
)

// sdxlUNet is the part of SDXL base's configuration that adapters depend on.
func sdxlUNet() *config.UNet {
	return &config.UNet{BlockChannels: []int{320, 640, 1280}, Attention: []bool{false, true, true}, UpAttention: []bool{true, true, false},
		LayersPerBlock: []int{2, 2, 2}, TransformerLayers: []int{1, 2, 10}, CrossAttentionDim: 2048}
}

// attentions are the to_k_ip and to_v_ip of an adapter with n cross-attentions.
func attentions(context int, channels func(i int) int, n int) map[string][]int {
	out := make(map[string][]int)
	for i := range n {
		for _, leaf := range []string{"to_k_ip", "to_v_ip"} {
			out[fmt.Sprintf("ip_adapter.%d.%s.weight", 2*i+1, leaf)] = []int{channels(i), context}
		}
	}
	return out
}

// plusShapes are those of ip-adapter-plus_sdxl_vit-h (width 1280, 20 heads, depth 4, 16 queries).
func plusShapes() map[string][]int {
	sites := unet.Sites(sdxlUNet())
	out := attentions(2048, func(i int) int { return sites[i].Channels }, len(sites))
	maps.Copy(out, map[string][]int{
		"image_proj.latents": {1, 16, 1280}, "image_proj.proj_in.weight": {1280, 1280}, "image_proj.proj_in.bias": {1280},
		"image_proj.proj_out.weight": {2048, 1280}, "image_proj.proj_out.bias": {2048}, "image_proj.norm_out.weight": {2048}, "image_proj.norm_out.bias": {2048},
	})
	for i := range 4 {
		at := fmt.Sprintf("image_proj.layers.%d.", i)
		for _, norm := range []string{"0.norm1", "0.norm2", "1.0"} {
			out[at+norm+".weight"], out[at+norm+".bias"] = []int{1280}, []int{1280}
		}
		out[at+"0.to_q.weight"], out[at+"0.to_kv.weight"], out[at+"0.to_out.weight"] = []int{1280, 1280}, []int{2560, 1280}, []int{1280, 1280}
		out[at+"1.1.weight"], out[at+"1.3.weight"] = []int{5120, 1280}, []int{1280, 5120}
	}
	return out
}

func TestSites(t *testing.T) {
	sites := unet.Sites(sdxlUNet())
	if len(sites) != 70 {
		t.Fatalf("SDXL has %d cross-attentions, want 70", len(sites))
	}
	count := make(map[unet.Part]int)
	for _, s := range sites {
		count[s.Part]++
	}
	if count[unet.Down] != 24 || count[unet.Up] != 36 || count[unet.Mid] != 10 {
		t.Errorf("down, up and mid have %v", count)
	}
	// ip_adapter.1, .49 and .121 begin the down blocks, the up blocks and the middle
	for number, want := range map[int]string{
		1: "down_blocks.1.attentions.0.transformer_blocks.0.attn2", 49: "up_blocks.0.attentions.0.transformer_blocks.0.attn2",
		119: "up_blocks.1.attentions.2.transformer_blocks.1.attn2", 121: "mid_block.attentions.0.transformer_blocks.0.attn2", 139: "mid_block.attentions.0.transformer_blocks.9.attn2",
	} {
		if got := sites[number/2].Path; got != want {
			t.Errorf("ip_adapter.%d is %s, want %s", number, got, want)
		}
	}
}

func TestInferPlus(t *testing.T) {
	c, err := Infer(plusShapes(), sdxlUNet())
	if err != nil {
		t.Fatal(err)
	}
	if !c.Plus || c.Width != 1280 || c.Tokens != 16 || c.Dim != 1280 || c.Depth != 4 || c.Heads != 20 || c.FeedForward != 5120 {
		t.Errorf("got %+v", *c)
	}
}

func TestInferBase(t *testing.T) {
	shapes := plusShapes()
	for name := range shapes {
		if strings.HasPrefix(name, "image_proj.") {
			delete(shapes, name)
		}
	}
	maps.Copy(shapes, map[string][]int{"image_proj.proj.weight": {8192, 1024}, "image_proj.proj.bias": {8192}, "image_proj.norm.weight": {2048}, "image_proj.norm.bias": {2048}})
	c, err := Infer(shapes, sdxlUNet())
	if err != nil {
		t.Fatal(err)
	}
	if c.Plus || c.Width != 1024 || c.Tokens != 4 {
		t.Errorf("got %+v", *c)
	}
}

// TestInferMistakes: all mistakes come in one error.
func TestInferMistakes(t *testing.T) {
	shapes := plusShapes()
	delete(shapes, "ip_adapter.49.to_v_ip.weight")
	shapes["ip_adapter.121.to_k_ip.weight"] = []int{640, 2048}
	shapes["ip_adapter.141.to_k_ip.weight"] = []int{640, 2048}
	shapes["image_proj.layers.2.0.to_q.weight"] = []int{1280, 1281}
	delete(shapes, "image_proj.norm_out.bias")
	_, err := Infer(shapes, sdxlUNet())
	var fit *FitError
	if !errors.As(err, &fit) {
		t.Fatalf("got %v", err)
	}
	want := []string{
		"image_proj.layers.2.0.to_q.weight has shape [1280 1281] where [1280 1280] is expected",
		"image_proj.norm_out.bias is missing",
		"ip_adapter.121.to_k_ip.weight has shape [640 2048] where [1280 2048] is expected",
		"ip_adapter.141.to_k_ip.weight belongs to no layer",
		"ip_adapter.49.to_v_ip.weight is missing",
	}
	if got := strings.Join(fit.Problems, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s", got)
	}
}

func TestInferOthers(t *testing.T) {
	sd15 := func(i int) int { return []int{320, 640, 1280}[i%3] }
	for _, c := range []struct {
		name   string
		shapes map[string][]int
		want   string
	}{
		{"sd15", with(attentions(768, sd15, 16), "image_proj.latents", 1, 16, 768),
			"an IP-Adapter for Stable Diffusion 1.5: it has 16 cross-attentions that read 768 channels; this model has 70 that read 2048"},
		{"sd2", with(attentions(1024, sd15, 16), "image_proj.proj.weight", 4096, 1024), "an IP-Adapter for Stable Diffusion 2: "},
		{"other", with(attentions(512, sd15, 9), "image_proj.proj.weight", 2048, 1024), "an IP-Adapter for another model: it has 9 cross-attentions that read 512 channels"},
		{"faceid", with(attentions(2048, sd15, 70), "image_proj.proj.0.weight", 1024, 512), "an IP-Adapter FaceID, "},
		{"faceid lora", with(with(attentions(2048, sd15, 70), "image_proj.proj.weight", 8192, 512), "ip_adapter.3.to_q_lora.down.weight", 128, 640), "an IP-Adapter FaceID, "},
		{"faceid plus", with(attentions(2048, sd15, 70), "image_proj.perceiver_resampler.proj_in.weight", 1024, 1280), "an IP-Adapter FaceID Plus, "},
		{"full", with(attentions(2048, sd15, 70), "image_proj.proj.3.weight", 2048), "a full-face IP-Adapter, "},
		{"projection alone", with(map[string][]int{}, "image_proj.latents", 1, 16, 1280), "not a whole IP-Adapter: "},
		{"lora", with(map[string][]int{}, "lora_unet_x.lora_down.weight", 8, 8), "not an IP-Adapter: "},
		{"unknown projection", with(attentions(2048, sd15, 70), "image_proj.mlp.weight", 8), "an IP-Adapter without a projection that is known"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Infer(c.shapes, sdxlUNet())
			if err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func with(shapes map[string][]int, name string, shape ...int) map[string][]int {
	shapes[name] = shape
	return shapes
}

// FuzzInfer: no set of names and shapes makes it panic.
func FuzzInfer(f *testing.F) {
	f.Add("image_proj.latents", 1, 16, 1280, "ip_adapter.1.to_k_ip.weight", 640, 2048)
	f.Add("image_proj.layers.63.0.to_q.weight", 0, -1, 1<<40, "image_proj.proj.weight", 1, 0)
	f.Fuzz(func(t *testing.T, a string, i, j, k int, b string, l, m int) {
		for _, base := range []map[string][]int{{}, plusShapes()} {
			base[a], base[b] = []int{i, j, k}, []int{l, m}
			_, _ = Infer(base, sdxlUNet())
		}
	})
}
