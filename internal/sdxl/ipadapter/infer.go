package ipadapter

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/config"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/unet"
)

// Names of layers. The official files number cross-attentions by their place among all attentions, so by odd numbers.
func siteName(i int) string  { return fmt.Sprintf("ip_adapter.%d", 2*i+1) }
func layerName(i int) string { return fmt.Sprintf("layers.%d", i) }

// FitError says that a file is no adapter for a UNet: every missing, surplus and ill-shaped tensor.
type FitError struct{ Problems []string }

// Error implements error.
func (e *FitError) Error() string {
	const most = 20
	shown, more := e.Problems, ""
	if len(shown) > most {
		shown, more = shown[:most], fmt.Sprintf("\n  and %d more", len(e.Problems)-most)
	}
	return fmt.Sprintf("the IP-Adapter does not fit the model (%d):\n  %s%s", len(e.Problems), strings.Join(shown, "\n  "), more)
}

// Infer finds an adapter's architecture from the names and shapes of its tensors and checks all of them against the UNet. An adapter of
// another sort or for another model is an error that says what it is; otherwise a mistake is a [*FitError].
func Infer(shapes map[string][]int, u *config.UNet) (*Config, error) {
	c := &Config{Sites: unet.Sites(u), Context: u.CrossAttentionDim}
	if err := recognise(shapes); err != nil {
		return nil, err
	}
	if err := otherModel(shapes, u, len(c.Sites)); err != nil {
		return nil, err
	}
	var want map[string][]int
	if _, c.Plus = shapes["image_proj.latents"]; c.Plus {
		want = c.plus(shapes)
	} else {
		want = c.base(shapes)
	}
	for i, s := range c.Sites {
		want[siteName(i)+".to_k_ip.weight"] = []int{s.Channels, c.Context}
		want[siteName(i)+".to_v_ip.weight"] = []int{s.Channels, c.Context}
	}
	if problems := compare(shapes, want); len(problems) > 0 {
		return nil, &FitError{problems}
	}
	return c, nil
}

// recognise refuses what is no base or Plus adapter, by name.
func recognise(shapes map[string][]int) error {
	has := func(prefix string) bool {
		for name := range shapes {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		}
		return false
	}
	const want = "; base adapters and Plus adapters are known, which read a CLIP image encoder"
	switch {
	case !has("image_proj.") && !has("ip_adapter."):
		return fmt.Errorf("not an IP-Adapter: it has no image_proj and no ip_adapter tensors")
	case has("image_proj.perceiver_resampler."):
		return fmt.Errorf("an IP-Adapter FaceID Plus, which reads a face recogniser's embedding" + want)
	case has("image_proj.proj.3."):
		return fmt.Errorf("a full-face IP-Adapter, whose projection is a network of two layers" + want)
	case has("image_proj.proj.0.") || has("ip_adapter.0.") || hasLoRA(shapes):
		return fmt.Errorf("an IP-Adapter FaceID, which reads a face recogniser's embedding" + want)
	case !has("image_proj.latents") && !has("image_proj.proj.weight"):
		return fmt.Errorf("an IP-Adapter without a projection that is known: neither image_proj.latents (Plus) nor image_proj.proj.weight (base) is there")
	case !has("ip_adapter."):
		return fmt.Errorf("not a whole IP-Adapter: it has image_proj tensors and no ip_adapter tensors")
	}
	return nil
}

// hasLoRA says whether the adapter carries low-rank additions to the attentions, as FaceID adapters do.
func hasLoRA(shapes map[string][]int) bool {
	for name := range shapes {
		if strings.HasPrefix(name, "ip_adapter.") && strings.Contains(name, "lora") {
			return true
		}
	}
	return false
}

// families are the cross-attentions' width and number in models that adapters are published for.
var families = []struct {
	name           string
	context, sites int
}{{"Stable Diffusion 1.5", 768, 16}, {"Stable Diffusion 2", 1024, 16}, {"SDXL", 2048, 70}}

// otherModel says for which model the adapter is if it is not for this one.
func otherModel(shapes map[string][]int, u *config.UNet, sites int) error {
	context, layers := 0, 0
	for name, shape := range shapes {
		if strings.HasSuffix(name, ".to_k_ip.weight") && len(shape) == 2 {
			layers++
			context = max(context, shape[1])
		}
	}
	if layers == 0 || context == u.CrossAttentionDim && layers == sites {
		return nil
	}
	what := "an IP-Adapter for another model"
	for _, f := range families {
		if f.context == context && f.sites == layers {
			what = "an IP-Adapter for " + f.name
		}
	}
	if context == u.CrossAttentionDim { // the model's width: a damaged file, whose layers are listed one by one
		return nil
	}
	return fmt.Errorf("%s: it has %d cross-attentions that read %d channels; this model has %d that read %d", what, layers, context, sites, u.CrossAttentionDim)
}

// base finds the numbers of a base adapter and gives the tensors that it must have.
func (c *Config) base(shapes map[string][]int) map[string][]int {
	rows := dim(shapes, "image_proj.proj.weight", 0)
	c.Width, c.Tokens = dim(shapes, "image_proj.proj.weight", 1), max(1, rows/c.Context)
	n := c.Tokens * c.Context
	return map[string][]int{
		"image_proj.proj.weight": {n, c.Width}, "image_proj.proj.bias": {n},
		"image_proj.norm.weight": {c.Context}, "image_proj.norm.bias": {c.Context},
	}
}

// plus finds the numbers of a resampler and gives the tensors that it must have.
func (c *Config) plus(shapes map[string][]int) map[string][]int {
	const p = "image_proj."
	c.Tokens, c.Dim = dim(shapes, p+"latents", 1), dim(shapes, p+"latents", 2)
	c.Width = dim(shapes, p+"proj_in.weight", 1)
	c.FeedForward = dim(shapes, p+"layers.0.1.1.weight", 0)
	c.Heads = max(1, dim(shapes, p+"layers.0.0.to_q.weight", 0)/headWidth)
	for name := range shapes {
		if i, ok := layerOf(name); ok {
			c.Depth = max(c.Depth, i+1)
		}
	}
	want := map[string][]int{
		p + "latents": {1, c.Tokens, c.Dim}, p + "proj_in.weight": {c.Dim, c.Width}, p + "proj_in.bias": {c.Dim},
		p + "proj_out.weight": {c.Context, c.Dim}, p + "proj_out.bias": {c.Context},
		p + "norm_out.weight": {c.Context}, p + "norm_out.bias": {c.Context},
	}
	inner := c.Heads * headWidth
	for i := range c.Depth {
		at := p + layerName(i)
		for _, norm := range []string{".0.norm1", ".0.norm2", ".1.0"} {
			want[at+norm+".weight"], want[at+norm+".bias"] = []int{c.Dim}, []int{c.Dim}
		}
		want[at+".0.to_q.weight"], want[at+".0.to_kv.weight"], want[at+".0.to_out.weight"] = []int{inner, c.Dim}, []int{2 * inner, c.Dim}, []int{c.Dim, inner}
		want[at+".1.1.weight"], want[at+".1.3.weight"] = []int{c.FeedForward, c.Dim}, []int{c.Dim, c.FeedForward}
	}
	return want
}

// maxDepth bounds a resampler's layers; published ones have 4.
const maxDepth = 64

// layerOf is the number in "image_proj.layers.N.rest".
func layerOf(name string) (int, bool) {
	rest, ok := strings.CutPrefix(name, "image_proj.layers.")
	digits, _, found := strings.Cut(rest, ".")
	i, err := strconv.Atoi(digits)
	return i, ok && found && err == nil && i >= 0 && i < maxDepth
}

// dim is a dimension of a tensor; 1 where it is missing, which compare reports.
func dim(shapes map[string][]int, name string, i int) int {
	if s := shapes[name]; i < len(s) {
		return max(1, s[i])
	}
	return 1
}

// compare lists what is missing, surplus or of another shape, sorted.
func compare(have, want map[string][]int) []string {
	var problems []string
	for name, shape := range want {
		switch got, ok := have[name]; {
		case !ok:
			problems = append(problems, name+" is missing")
		case !slices.Equal(got, shape):
			problems = append(problems, fmt.Sprintf("%s has shape %v where %v is expected", name, got, shape))
		}
	}
	for name := range have {
		if _, ok := want[name]; !ok {
			problems = append(problems, fmt.Sprintf("%s belongs to no layer", clip(name)))
		}
	}
	sort.Strings(problems)
	return problems
}

// clip cuts a name from a file where it is absurdly long.
func clip(name string) string {
	if len(name) > 200 {
		return name[:200] + "..."
	}
	return name
}
