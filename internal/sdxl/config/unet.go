package config

import (
	"encoding/json"
	"fmt"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// UNet is the architecture of a UNet2DConditionModel.
type UNet struct {
	InChannels, OutChannels int
	BlockChannels           []int
	Attention               []bool // by down block: with transformers or without
	UpAttention             []bool // by up block
	LayersPerBlock          []int
	TransformerLayers       []int
	Heads                   []int
	CrossAttentionDim       int
	NormGroups              int
	NormEps                 float32
	Act                     program.Activation
	LinearProjection        bool
	FlipSinToCos            bool
	FreqShift               float64
	DownsamplePadding       int
	AddTimeEmbedDim         int // width of each time id's sinusoids; 0: no text-time embedding
	AddEmbedInput           int // width of the pooled prompt and all time ids together
}

type unetJSON struct {
	InChannels               int             `json:"in_channels"`
	OutChannels              int             `json:"out_channels"`
	BlockOutChannels         []int           `json:"block_out_channels"`
	DownBlockTypes           []string        `json:"down_block_types"`
	UpBlockTypes             []string        `json:"up_block_types"`
	MidBlockType             *string         `json:"mid_block_type"`
	LayersPerBlock           perBlock        `json:"layers_per_block"`
	TransformerLayers        perBlock        `json:"transformer_layers_per_block"`
	AttentionHeadDim         perBlock        `json:"attention_head_dim"`
	NumAttentionHeads        *perBlock       `json:"num_attention_heads"`
	CrossAttentionDim        perBlock        `json:"cross_attention_dim"`
	NormNumGroups            int             `json:"norm_num_groups"`
	NormEps                  float32         `json:"norm_eps"`
	ActFn                    string          `json:"act_fn"`
	UseLinearProjection      bool            `json:"use_linear_projection"`
	FlipSinToCos             bool            `json:"flip_sin_to_cos"`
	FreqShift                float64         `json:"freq_shift"`
	DownsamplePadding        int             `json:"downsample_padding"`
	AdditionEmbedType        *string         `json:"addition_embed_type"`
	AdditionTimeEmbedDim     int             `json:"addition_time_embed_dim"`
	ProjectionInputDim       int             `json:"projection_class_embeddings_input_dim"`
	MidBlockScale            float64         `json:"mid_block_scale_factor"`
	ConvInKernel             int             `json:"conv_in_kernel"`
	ConvOutKernel            int             `json:"conv_out_kernel"`
	TimeEmbeddingType        string          `json:"time_embedding_type"`
	ResnetTimeScaleShift     string          `json:"resnet_time_scale_shift"`
	ResnetOutScale           float64         `json:"resnet_out_scale_factor"`
	ClassEmbedType           json.RawMessage `json:"class_embed_type"`
	CenterInput              json.RawMessage `json:"center_input_sample"`
	DualCrossAttention       json.RawMessage `json:"dual_cross_attention"`
	EncoderHidDim            json.RawMessage `json:"encoder_hid_dim"`
	EncoderHidDimType        json.RawMessage `json:"encoder_hid_dim_type"`
	CrossAttentionNorm       json.RawMessage `json:"cross_attention_norm"`
	OnlyCrossAttention       json.RawMessage `json:"only_cross_attention"`
	ResnetSkipTimeAct        json.RawMessage `json:"resnet_skip_time_act"`
	TimestepPostAct          json.RawMessage `json:"timestep_post_act"`
	TimeCondProjDim          json.RawMessage `json:"time_cond_proj_dim"`
	TimeEmbeddingAct         json.RawMessage `json:"time_embedding_act_fn"`
	TimeEmbeddingDim         json.RawMessage `json:"time_embedding_dim"`
	NumClassEmbeds           json.RawMessage `json:"num_class_embeds"`
	ReverseTransformerLayers json.RawMessage `json:"reverse_transformer_layers_per_block"`
}

// ParseUNet reads a UNet's config.json; absent fields have diffusers' defaults.
func ParseUNet(data []byte) (*UNet, error) {
	j := unetJSON{InChannels: 4, OutChannels: 4, NormNumGroups: 32, NormEps: 1e-5, ActFn: "silu", FlipSinToCos: true,
		DownsamplePadding: 1, LayersPerBlock: perBlock{2}, TransformerLayers: perBlock{1}, AttentionHeadDim: perBlock{8},
		CrossAttentionDim: perBlock{1280}, MidBlockScale: 1, ConvInKernel: 3, ConvOutKernel: 3,
		TimeEmbeddingType: "positional", ResnetTimeScaleShift: "default", ResnetOutScale: 1}
	if err := decode("unet", data, &j); err != nil {
		return nil, err
	}
	if err := j.supported(); err != nil {
		return nil, err
	}
	act, err := activation("unet", "act_fn", j.ActFn)
	if err != nil {
		return nil, err
	}
	u := &UNet{InChannels: j.InChannels, OutChannels: j.OutChannels, BlockChannels: j.BlockOutChannels,
		CrossAttentionDim: j.CrossAttentionDim[0], NormGroups: j.NormNumGroups, NormEps: j.NormEps, Act: act,
		LinearProjection: j.UseLinearProjection, FlipSinToCos: j.FlipSinToCos, FreqShift: j.FreqShift,
		DownsamplePadding: j.DownsamplePadding}
	if j.AdditionEmbedType != nil {
		u.AddTimeEmbedDim, u.AddEmbedInput = j.AdditionTimeEmbedDim, j.ProjectionInputDim
	}
	return u, u.blocks(&j)
}

// supported names the fields that ask for what flow does not compute.
func (j *unetJSON) supported() error {
	u := unsupported{what: "unet"}
	u.need(j.MidBlockType == nil || *j.MidBlockType == "UNetMidBlock2DCrossAttn", "mid_block_type", j.MidBlockType)
	u.need(j.MidBlockScale == 1, "mid_block_scale_factor", j.MidBlockScale)
	u.need(j.ConvInKernel == 3 && j.ConvOutKernel == 3, "conv_in_kernel, conv_out_kernel", []int{j.ConvInKernel, j.ConvOutKernel})
	u.need(j.TimeEmbeddingType == "positional", "time_embedding_type", j.TimeEmbeddingType)
	u.need(j.ResnetTimeScaleShift == "default", "resnet_time_scale_shift", j.ResnetTimeScaleShift)
	u.need(j.ResnetOutScale == 1, "resnet_out_scale_factor", j.ResnetOutScale)
	u.need(j.AdditionEmbedType == nil || *j.AdditionEmbedType == "text_time", "addition_embed_type", j.AdditionEmbedType)
	u.need(len(j.CrossAttentionDim) == 1, "cross_attention_dim", j.CrossAttentionDim)
	for _, f := range []struct {
		name string
		raw  json.RawMessage
	}{
		{"class_embed_type", j.ClassEmbedType}, {"center_input_sample", j.CenterInput}, {"dual_cross_attention", j.DualCrossAttention},
		{"encoder_hid_dim", j.EncoderHidDim}, {"encoder_hid_dim_type", j.EncoderHidDimType}, {"cross_attention_norm", j.CrossAttentionNorm},
		{"only_cross_attention", j.OnlyCrossAttention}, {"resnet_skip_time_act", j.ResnetSkipTimeAct}, {"timestep_post_act", j.TimestepPostAct},
		{"time_cond_proj_dim", j.TimeCondProjDim}, {"time_embedding_act_fn", j.TimeEmbeddingAct}, {"time_embedding_dim", j.TimeEmbeddingDim},
		{"num_class_embeds", j.NumClassEmbeds}, {"reverse_transformer_layers_per_block", j.ReverseTransformerLayers},
	} {
		u.need(!isSet(f.raw), f.name, string(f.raw))
	}
	return u.err()
}

// blocks fills in what has one entry for each block.
func (u *UNet) blocks(j *unetJSON) error {
	n := len(j.BlockOutChannels)
	if n == 0 || len(j.DownBlockTypes) != n || len(j.UpBlockTypes) != n {
		return fmt.Errorf("unet configuration: %d block_out_channels, %d down_block_types and %d up_block_types; want as many of each",
			n, len(j.DownBlockTypes), len(j.UpBlockTypes))
	}
	heads := j.AttentionHeadDim // diffusers keeps the number of heads under this name
	if j.NumAttentionHeads != nil {
		heads = *j.NumAttentionHeads
	}
	for _, f := range []struct {
		name string
		from perBlock
		to   *[]int
	}{{"layers_per_block", j.LayersPerBlock, &u.LayersPerBlock}, {"transformer_layers_per_block", j.TransformerLayers, &u.TransformerLayers}, {"attention_head_dim", heads, &u.Heads}} {
		list, ok := f.from.expand(n)
		if !ok || !positive(1<<16, list...) {
			return fmt.Errorf("unet configuration: %s is %v; want one positive number, or one for each of %d blocks", f.name, []int(f.from), n)
		}
		*f.to = list
	}
	if !positive(1<<20, append([]int{u.InChannels, u.OutChannels, u.NormGroups, u.CrossAttentionDim}, u.BlockChannels...)...) {
		return fmt.Errorf("unet configuration: channels, norm groups and cross_attention_dim must be positive")
	}
	for i := range n {
		down, ok1 := blockKind(j.DownBlockTypes[i], "DownBlock2D", "CrossAttnDownBlock2D")
		up, ok2 := blockKind(j.UpBlockTypes[i], "UpBlock2D", "CrossAttnUpBlock2D")
		if !ok1 || !ok2 {
			return fmt.Errorf("unet configuration: not supported: block types %s, %s", j.DownBlockTypes[i], j.UpBlockTypes[i])
		}
		u.Attention = append(u.Attention, down)
		u.UpAttention = append(u.UpAttention, up)
	}
	return nil
}

// CrossAttentions counts the UNet's cross-attentions.
func (u *UNet) CrossAttentions() keymap.Attentions {
	n := len(u.Attention)
	a := keymap.Attentions{Mid: u.TransformerLayers[n-1]}
	for i := range n {
		if u.Attention[i] {
			a.Down += u.LayersPerBlock[i] * u.TransformerLayers[i]
		}
		if u.UpAttention[i] {
			a.Up += (u.LayersPerBlock[n-1-i] + 1) * u.TransformerLayers[n-1-i]
		}
	}
	return a
}

func blockKind(name, plain, cross string) (attention, ok bool) {
	return name == cross, name == plain || name == cross
}
