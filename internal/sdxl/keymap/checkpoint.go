package keymap

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Prefixes of the components in the original layout.
const (
	unetPrefix  = "model.diffusion_model."
	vaePrefix   = "first_stage_model."
	textPrefix1 = "conditioner.embedders.0.transformer."
	textPrefix2 = "conditioner.embedders.1.model."
)

// Checkpoint knows the names of one single-file checkpoint.
type Checkpoint struct {
	unet blocks
	ups  int // up blocks of the autoencoder
	keys map[string]bool
}

// blocks says where the UNet's flat lists of layers are cut into blocks.
type blocks struct {
	in, out []place
}

// place is the position of an entry of input_blocks or output_blocks.
type place struct {
	block, layer int
}

// NewCheckpoint reads the structure from all names of a file. It fails when
// they are not those of an SDXL checkpoint with two text encoders.
func NewCheckpoint(names []string) (*Checkpoint, error) {
	c := &Checkpoint{keys: make(map[string]bool, len(names))}
	for _, n := range names {
		c.keys[n] = true
	}
	if err := c.recognise(); err != nil {
		return nil, err
	}
	for c.has(vaePrefix + fmt.Sprintf("decoder.up.%d.block.0.norm1.weight", c.ups)) {
		c.ups++
	}
	c.unet.in = c.cut("input_blocks", 1, func(i int) bool { return c.has(fmt.Sprintf("%sinput_blocks.%d.0.op.weight", unetPrefix, i)) })
	c.unet.out = c.cut("output_blocks", 0, func(i int) bool {
		return c.has(fmt.Sprintf("%soutput_blocks.%d.1.conv.weight", unetPrefix, i)) || c.has(fmt.Sprintf("%soutput_blocks.%d.2.conv.weight", unetPrefix, i))
	})
	return c, nil
}

func (c *Checkpoint) has(name string) bool { return c.keys[name] }

// recognise tells an SDXL checkpoint from others.
func (c *Checkpoint) recognise() error {
	switch {
	case c.has("edm_mean") || c.has("edm_std"):
		return fmt.Errorf("a checkpoint trained with EDM (Playground v2.5) is not supported")
	case c.has("conditioner.embedders.0.model.ln_final.weight"):
		return fmt.Errorf("an SDXL refiner is not supported")
	case c.has(unetPrefix+"input_blocks.0.0.weight") && c.has(unetPrefix+"label_emb.0.0.weight"):
		return nil
	case c.has(unetPrefix + "input_blocks.0.0.weight"):
		return fmt.Errorf("a Stable Diffusion checkpoint, but not SDXL: it has no %slabel_emb", unetPrefix)
	}
	return fmt.Errorf("not a model checkpoint: it has no %sinput_blocks.0.0.weight", unetPrefix)
}

// cut assigns the entries first, first+1, ... of a list to blocks. An entry
// with a resampler is the last of its block.
func (c *Checkpoint) cut(list string, first int, ends func(int) bool) []place {
	places := make([]place, first)
	at := place{}
	for i := first; ; i++ {
		end := ends(i)
		if !end && !c.has(fmt.Sprintf("%s%s.%d.0.in_layers.0.weight", unetPrefix, list, i)) {
			return places
		}
		places = append(places, at)
		at.layer++
		if end {
			at = place{block: at.block + 1}
		}
	}
}

// Scheduler makes scheduler_config.json as SDXL base has it. The keys "v_pred" and "ztsnr" mark checkpoints
// that were trained otherwise; v says that something else told so.
func (c *Checkpoint) Scheduler(v bool) []byte {
	config := object{
		"_class_name": "EulerDiscreteScheduler", "num_train_timesteps": 1000,
		"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
		"prediction_type": "epsilon", "timestep_spacing": "leading", "steps_offset": 1,
		"clip_sample": false, "set_alpha_to_one": false,
	}
	if v || c.has("v_pred") {
		config["prediction_type"] = "v_prediction"
	}
	if c.has("ztsnr") {
		config["rescale_betas_zero_snr"] = true
	}
	data, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		panic(err) // constants only
	}
	return data
}

// Targets gives the component that a stored tensor belongs to, empty for none,
// and the canonical tensors it gives: none for what is not a weight of the component.
func (c *Checkpoint) Targets(name string) (component string, targets []Target) {
	for _, part := range []struct {
		component, prefix string
		targets           func(string) []Target
	}{
		{"unet", unetPrefix, c.unetTargets},
		{"vae", vaePrefix, c.vaeTargets},
		{"text_encoder", textPrefix1, clipTargets},
		{"text_encoder_2", textPrefix2, openClipTargets},
	} {
		if rest, ok := strings.CutPrefix(name, part.prefix); ok {
			return part.component, part.targets(rest)
		}
	}
	return "", nil
}

// one is a list of one unchanged tensor.
func one(name string) []Target { return []Target{{Name: name}} }

// layerIndex splits "12.rest".
func layerIndex(s string) (i int, rest string, ok bool) {
	digits, rest, found := strings.Cut(s, ".")
	i, err := strconv.Atoi(digits)
	return i, rest, found && err == nil && i >= 0 && strconv.Itoa(i) == digits
}

// renameFirst replaces the longest leading layer name that names has.
func renameFirst(name string, names map[string]string) (string, bool) {
	for end := len(name); end > 0; end = strings.LastIndexByte(name[:end], '.') {
		if to, ok := names[name[:end]]; ok {
			return to + name[end:], true
		}
	}
	return "", false
}
