package config

import (
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// VAE is the architecture of an AutoencoderKL.
type VAE struct {
	InChannels, OutChannels, LatentChannels int
	BlockChannels                           []int
	LayersPerBlock                          int
	NormGroups                              int
	Act                                     program.Activation
	ScalingFactor                           float64
	ShiftFactor                             float64
	QuantConv, PostQuantConv                bool
	MidAttention                            bool
}

type vaeJSON struct {
	InChannels     int      `json:"in_channels"`
	OutChannels    int      `json:"out_channels"`
	LatentChannels int      `json:"latent_channels"`
	Channels       []int    `json:"block_out_channels"`
	DownTypes      []string `json:"down_block_types"`
	UpTypes        []string `json:"up_block_types"`
	Layers         int      `json:"layers_per_block"`
	Groups         int      `json:"norm_num_groups"`
	ActFn          string   `json:"act_fn"`
	Scaling        float64  `json:"scaling_factor"`
	Shift          *float64 `json:"shift_factor"`
	QuantConv      *bool    `json:"use_quant_conv"`
	PostQuantConv  *bool    `json:"use_post_quant_conv"`
	MidAttention   *bool    `json:"mid_block_add_attention"`
	LatentsMean    any      `json:"latents_mean"`
	LatentsStd     any      `json:"latents_std"`
}

// ParseVAE reads an autoencoder's config.json; absent fields have diffusers' defaults.
func ParseVAE(data []byte) (*VAE, error) {
	j := vaeJSON{InChannels: 3, OutChannels: 3, LatentChannels: 4, Channels: []int{64}, Layers: 1, Groups: 32, ActFn: "silu", Scaling: 0.18215}
	if err := decode("vae", data, &j); err != nil {
		return nil, err
	}
	u := unsupported{what: "vae"}
	for _, t := range j.DownTypes {
		u.need(t == "DownEncoderBlock2D", "down_block_types", t)
	}
	for _, t := range j.UpTypes {
		u.need(t == "UpDecoderBlock2D", "up_block_types", t)
	}
	u.need(j.LatentsMean == nil && j.LatentsStd == nil, "latents_mean, latents_std", "set")
	if err := u.err(); err != nil {
		return nil, err
	}
	act, err := activation("vae", "act_fn", j.ActFn)
	if err != nil {
		return nil, err
	}
	if len(j.Channels) == 0 || !positive(1<<20, append([]int{j.InChannels, j.OutChannels, j.LatentChannels, j.Layers, j.Groups}, j.Channels...)...) {
		return nil, fmt.Errorf("vae configuration: channels, layers_per_block and norm_num_groups must be positive")
	}
	if j.Scaling == 0 {
		return nil, fmt.Errorf("vae configuration: scaling_factor is 0")
	}
	v := &VAE{InChannels: j.InChannels, OutChannels: j.OutChannels, LatentChannels: j.LatentChannels, BlockChannels: j.Channels,
		LayersPerBlock: j.Layers, NormGroups: j.Groups, Act: act, ScalingFactor: j.Scaling,
		QuantConv: orTrue(j.QuantConv), PostQuantConv: orTrue(j.PostQuantConv), MidAttention: orTrue(j.MidAttention)}
	if j.Shift != nil {
		v.ShiftFactor = *j.Shift
	}
	return v, nil
}

func orTrue(b *bool) bool { return b == nil || *b }

// Scale is the number of pixels a latent covers in each direction.
func (v *VAE) Scale() int { return 1 << (len(v.BlockChannels) - 1) }
