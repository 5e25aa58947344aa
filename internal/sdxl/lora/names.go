package lora

import (
	"maps"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
)

// Model is what a LoRA is matched with: by component ("unet", "text_encoder", "text_encoder_2") the shapes of
// its tensors by their canonical names.
type Model map[string]map[string][]int

// place is a layer of a model.
type place struct {
	component string
	path      string // canonical name without .weight
}

// naming is a convention of layers' names.
type naming string

// Conventions.
const (
	kohyaOriginal  naming = "kohya, original block names"
	kohyaDiffusers naming = "kohya, diffusers block names"
	lycorisNames   naming = "LyCORIS"
	dotted         naming = "diffusers"
	dottedOriginal naming = "original names"
)

// names has every spelling of every layer of a model.
type names map[string]spelling

type spelling struct {
	place
	naming
}

// spell lists the names that trainers give to the layers of a model.
func spell(m Model) names {
	n := make(names)
	for _, component := range slices.Sorted(maps.Keys(m)) {
		var layers []string
		for name := range m[component] {
			if l, ok := strings.CutSuffix(name, ".weight"); ok {
				layers = append(layers, l)
			}
		}
		slices.Sort(layers)
		if component == "unet" {
			n.unet(layers)
		} else {
			n.text(component, layers)
		}
	}
	return n
}

// add enters a spelling; one that two layers share names neither.
func (n names) add(name string, p place, by naming) {
	if old, dup := n[name]; dup && old.place != p {
		p = place{}
	}
	n[name] = spelling{p, by}
}

func (n names) unet(layers []string) {
	originals := keymap.Originals(layers)
	for _, l := range layers {
		p := place{"unet", l}
		for _, prefix := range []string{"", "unet.", "base_model.model.", "base_model.model.unet."} {
			n.add(prefix+l, p, dotted)
		}
		n.add("lora_unet_"+flat(l), p, kohyaDiffusers)
		n.add("lycoris_"+flat(l), p, lycorisNames)
		if o, ok := originals[l]; ok {
			n.add("diffusion_model."+o, p, dottedOriginal)
			n.add("model.diffusion_model."+o, p, dottedOriginal)
			n.add("lora_unet_"+flat(o), p, kohyaOriginal)
		}
	}
}

func (n names) text(component string, layers []string) {
	flats := map[string][]string{"text_encoder": {"lora_te1_", "lora_te_"}, "text_encoder_2": {"lora_te2_"}}
	for _, l := range layers {
		p := place{component, l}
		for _, spelt := range []string{l, strings.TrimPrefix(l, "text_model.")} {
			n.add(component+"."+spelt, p, dotted)
			n.add("base_model.model."+component+"."+spelt, p, dotted)
			for _, prefix := range flats[component] {
				n.add(prefix+flat(spelt), p, kohyaDiffusers)
			}
		}
	}
}

// flat joins a path by underscores, as kohya's scripts do.
func flat(path string) string { return strings.ReplaceAll(path, ".", "_") }

// textLayers are the projections of a text encoder's attention in diffusers' older names.
var textLayers = strings.NewReplacer(".self_attn.to_q", ".self_attn.q_proj", ".self_attn.to_k", ".self_attn.k_proj",
	".self_attn.to_v", ".self_attn.v_proj", ".self_attn.to_out.0", ".self_attn.out_proj", ".self_attn.to_out", ".self_attn.out_proj")

// find finds a layer by its name in a file.
func (n names) find(name string) (spelling, bool) {
	s, ok := n[name]
	if !ok { // diffusers' attention processors
		name = textLayers.Replace(strings.Replace(name, ".processor.", ".", 1))
		if s, ok = n[name]; !ok {
			s, ok = n[name+".0"] // to_out
			ok = ok && strings.HasSuffix(name, ".to_out")
		}
	}
	return s, ok && s.path != ""
}
