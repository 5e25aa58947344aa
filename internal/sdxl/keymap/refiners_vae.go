package keymap

import "fmt"

// vaeShape is what names depend on: the layers of each block of the encoder and of the decoder.
type vaeShape struct{ downs, ups []int }

// vaeOfCanonical reads the shape from the names of an AutoencoderKL.
func vaeOfCanonical(p paths) (s vaeShape) {
	for i := range p.count("encoder.down_blocks.%d") {
		s.downs = append(s.downs, p.count("encoder.down_blocks.%d.resnets.%d", i))
	}
	for i := range p.count("decoder.up_blocks.%d") {
		s.ups = append(s.ups, p.count("decoder.up_blocks.%d.resnets.%d", i))
	}
	return s
}

// vaeOfRefiners reads it from the names of a LatentDiffusionAutoencoder. The middle is the last entry of the
// encoder and the first of the decoder.
func vaeOfRefiners(p paths) (s vaeShape) {
	layers := func(half string) (out []int) {
		path := half + ".Chain_1."
		n := siblings(path, "Chain", p.has)
		for i := range n {
			out = append(out, siblings(path+sibling("Chain", i, n)+".", "Resnet", p.has))
		}
		return out
	}
	if down := layers("Encoder"); len(down) > 0 {
		s.downs = down[:len(down)-1]
	}
	if up := layers("Decoder"); len(up) > 0 {
		s.ups = up[1:]
	}
	return s
}

// vae makes the tables of a LatentDiffusionAutoencoder.
func (r *Refiners) vae(s vaeShape) error {
	n := len(s.downs)
	if n == 0 || n != len(s.ups) {
		return fmt.Errorf("not an autoencoder: %d down blocks, %d up blocks", n, len(s.ups))
	}
	for _, ends := range [][2]string{
		{"encoder.conv_in", "Encoder.Conv2d"}, {"encoder.conv_norm_out", "Encoder.Chain_2.GroupNorm"}, {"encoder.conv_out", "Encoder.Chain_2.Conv2d"},
		{"quant_conv", "Encoder.Chain_3.Conv2d"}, {"post_quant_conv", "Decoder.Conv2d_1"}, {"decoder.conv_in", "Decoder.Conv2d_2"},
		{"decoder.conv_norm_out", "Decoder.Chain_2.GroupNorm"}, {"decoder.conv_out", "Decoder.Chain_2.Conv2d"},
	} {
		r.add(PartVAE, ends[0], ends[1])
	}
	for i, layers := range s.downs {
		chain := "Encoder.Chain_1." + sibling("Chain", i, n+1)
		r.vaeBlock(fmt.Sprintf("encoder.down_blocks.%d", i), chain, layers)
		if i < n-1 {
			r.add(PartVAE, fmt.Sprintf("encoder.down_blocks.%d.downsamplers.0.conv", i), chain+".Downsample.Conv2d")
		}
	}
	r.vaeMiddle("encoder.mid_block", "Encoder.Chain_1."+sibling("Chain", n, n+1))
	r.vaeMiddle("decoder.mid_block", "Decoder.Chain_1."+sibling("Chain", 0, n+1))
	for i, layers := range s.ups {
		chain := "Decoder.Chain_1." + sibling("Chain", i+1, n+1)
		r.vaeBlock(fmt.Sprintf("decoder.up_blocks.%d", i), chain, layers)
		if i < n-1 {
			r.add(PartVAE, fmt.Sprintf("decoder.up_blocks.%d.upsamplers.0.conv", i), chain+".Upsample.Conv2d")
		}
	}
	return nil
}

// vaeBlock adds the residual blocks of a block.
func (r *Refiners) vaeBlock(canonical, chain string, layers int) {
	for i := range layers {
		from, to := fmt.Sprintf("%s.resnets.%d.", canonical, i), chain+"."+sibling("Resnet", i, layers)+"."
		r.add(PartVAE, from+"norm1", to+"Chain.GroupNorm_1")
		r.add(PartVAE, from+"conv1", to+"Chain.Conv2d_1")
		r.add(PartVAE, from+"norm2", to+"Chain.GroupNorm_2")
		r.add(PartVAE, from+"conv2", to+"Chain.Conv2d_2")
		r.optional(PartVAE, from+"conv_shortcut", to+"Conv2d")
	}
}

// vaeMiddle adds a middle block: residual block, attention, residual block.
func (r *Refiners) vaeMiddle(canonical, chain string) {
	r.vaeBlock(canonical, chain, 2)
	from, to := canonical+".attentions.0.", chain+".Residual."
	r.add(PartVAE, from+"group_norm", to+"GroupNorm")
	for i, name := range []string{"to_q", "to_k", "to_v"} {
		r.add(PartVAE, from+name, fmt.Sprintf("%sSelfAttention2d.Distribute.Linear_%d", to, i+1))
	}
	r.add(PartVAE, from+"to_out.0", to+"SelfAttention2d.Linear")
}
