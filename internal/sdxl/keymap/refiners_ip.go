package keymap

import "fmt"

// adapterLayers counts the cross-attentions of an IP-Adapter's original file, which numbers them 1, 3, 5, ...
func adapterLayers(p paths) int {
	n := 0
	for p.has(fmt.Sprintf("ip_adapter.%d", 2*n+1)) {
		n++
	}
	return n
}

// resampler has the layers of one layer of an IP-Adapter Plus's resampler.
var resampler = [][2]string{
	{"0.norm1", "Residual_1.PerceiverAttention.Distribute.LayerNorm_1"}, {"0.norm2", "Residual_1.PerceiverAttention.Distribute.LayerNorm_2"},
	{"0.to_kv", "Residual_1.PerceiverAttention.Parallel.Chain_1.Linear"}, {"0.to_q", "Residual_1.PerceiverAttention.Parallel.Chain_2.Linear"},
	{"0.to_out", "Residual_1.PerceiverAttention.Linear"}, {"1.0", "Residual_2.LayerNorm"},
	{"1.1", "Residual_2.FeedForward.Linear_1"}, {"1.3", "Residual_2.FeedForward.Linear_2"},
}

// adapter makes the tables of an IP-Adapter: with a resampler of so many layers (plus), or a projection; and n cross-attentions,
// which lie in the UNet as a says.
func (r *Refiners) adapter(layers int, plus bool, n int, a Attentions) error {
	if n == 0 {
		return fmt.Errorf("not an IP-Adapter of SDXL in its original file: it has no ip_adapter.1")
	}
	if a.Down+a.Mid+a.Up != n {
		return fmt.Errorf("an IP-Adapter for %d cross-attentions; the UNet has %d (down %d, middle %d, up %d)", n, a.Down+a.Mid+a.Up, a.Down, a.Mid, a.Up)
	}
	const component = "ip_adapter"
	if plus {
		r.addReshaped(component, "image_proj.latents", "image_proj.LatentsToken.Parameter.weight", DropLead)
		r.add(component, "image_proj.proj_in", "image_proj.Linear_1")
		r.add(component, "image_proj.proj_out", "image_proj.Linear_2")
		r.add(component, "image_proj.norm_out", "image_proj.LayerNorm")
		for i := range layers {
			for _, l := range resampler {
				r.add(component, fmt.Sprintf("image_proj.layers.%d.%s", i, l[0]), "image_proj.Transformer."+sibling("TransformerLayer", i, layers)+"."+l[1])
			}
		}
	} else {
		r.add(component, "image_proj.proj", "image_proj.Linear")
		r.add(component, "image_proj.norm", "image_proj.LayerNorm")
	}
	for i := range n { // i counts as the original does: down, up, middle
		to := i
		switch {
		case i >= a.Down+a.Up:
			to = i - a.Up
		case i >= a.Down:
			to = i + a.Mid
		}
		for _, leaf := range []string{"to_k_ip", "to_v_ip"} {
			r.add(component, fmt.Sprintf("ip_adapter.%d.%s", 2*i+1, leaf), fmt.Sprintf("ip_adapter.%03d.%s", to, leaf))
		}
	}
	return nil
}
