// Package keymap maps the names of tensors in the containers of SDXL models to
// canonical names: those of a diffusers folder, text encoders with the
// "text_model." prefix. It knows the original single-file layout ([Checkpoint]),
// the files of Refiners ([Refiners]) and the old and new spellings in folders ([Folder]), and infers the
// configuration that a single file does not carry ([Infer]). It reads names and
// shapes only, never a file. Blocks are told apart by where
// down- and upsamplers stand, so any number of blocks and layers is understood.
//
// The reference is diffusers' loaders/single_file_utils.py; testdata/ holds
// the pairs of names that it gives.
package keymap

import "strings"

// Transform says how a canonical tensor is taken from a stored one.
type Transform uint8

// Transforms.
const (
	Keep      Transform = iota // the stored tensor
	Squeeze                    // [out, in, 1, 1] or [out, in, 1] as [out, in]
	Third                      // rows Part*n/3 to (Part+1)*n/3: query, key and value stored as one
	Transpose                  // [a, b] as [b, a]
	AddLead                    // [...] as [1, ...]
	DropLead                   // [1, ...] as [...]
)

// Target is a canonical tensor that a stored one gives.
type Target struct {
	Name      string
	Transform Transform
	Part      int // of Third: 0, 1, 2
}

// TextProjection is the canonical name of the matrix that projects the pooled text state.
const TextProjection = "text_projection.weight"

// textPrefix begins the names of text encoders' tensors; newer transformers leave it out.
const textPrefix = "text_model."

// visionPrefix begins those of image encoders' tensors.
const visionPrefix = "vision_model."

// Folder gives the canonical name of a tensor in the weight files of a component in a
// diffusers folder. ok is false for buffers that are not weights.
func Folder(component, name string) (t Target, ok bool) {
	if isBuffer(name) {
		return Target{}, false
	}
	switch component {
	case "text_encoder", "text_encoder_2":
		if !strings.HasPrefix(name, textPrefix) && name != TextProjection {
			name = textPrefix + name
		}
	case "image_encoder":
		return visionTarget(name)
	case "vae":
		return vaeAttention(name), true
	}
	return Target{Name: name}, true
}

// visionTarget adds the prefix that newer transformers leave out, and leaves out the text half of a whole CLIPModel.
func visionTarget(name string) (t Target, ok bool) {
	switch {
	case strings.HasPrefix(name, textPrefix) || strings.HasPrefix(name, "text_projection."):
		return Target{}, false
	case strings.HasPrefix(name, visionPrefix) || strings.HasPrefix(name, "visual_projection."):
		return Target{Name: name}, true
	}
	return Target{Name: visionPrefix + name}, true
}

// isBuffer says whether a tensor is something a library saved along with the weights.
func isBuffer(name string) bool {
	return name == "position_ids" || strings.HasSuffix(name, ".position_ids") || name == "logit_scale"
}

// vaeAttentionNames has the spellings of an autoencoder's attention: in old diffusers folders and in the original layout.
var vaeAttentionNames = map[string]string{
	"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0",
	"q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0", "norm": "group_norm",
	"to_q": "to_q", "to_k": "to_k", "to_v": "to_v", "to_out.0": "to_out.0",
}

// vaeAttention spells the layers of an autoencoder's attention as diffusers does now and makes linear layers of
// 1x1 convolutions. Other names stay.
func vaeAttention(name string) Target {
	at := strings.Index(name, ".attentions.")
	if at < 0 {
		return Target{Name: name}
	}
	index, rest, _ := strings.Cut(name[at+len(".attentions."):], ".")
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 {
		return Target{Name: name}
	}
	layer, ok := vaeAttentionNames[rest[:dot]]
	if !ok {
		return Target{Name: name}
	}
	t := Target{Name: name[:at] + ".attentions." + index + "." + layer + rest[dot:]}
	if layer != "group_norm" && rest[dot:] == ".weight" {
		t.Transform = Squeeze
	}
	return t
}
