package keymap

import (
	"fmt"
	"strings"
)

// Parts are Refiners' files: one for both text encoders, one for each other component.
const (
	PartText         = "text"
	PartUNet         = "unet"
	PartVAE          = "vae"
	PartImageEncoder = "image-encoder"
	PartIPAdapter    = "ip-adapter"
)

// Parts lists them.
var Parts = []string{PartText, PartUNet, PartVAE, PartImageEncoder, PartIPAdapter}

// PartComponents gives the components of a part.
func PartComponents(part string) []string {
	switch part {
	case PartText:
		return []string{"text_encoder", "text_encoder_2"}
	case PartImageEncoder:
		return []string{"image_encoder"}
	case PartIPAdapter:
		return []string{"ip_adapter"}
	}
	return []string{part}
}

// Attentions counts a UNet's cross-attentions: in the down blocks, the middle and the up blocks. An IP-Adapter's file
// numbers its layers by them, the original one down, up, middle and Refiners' down, middle, up.
type Attentions struct{ Down, Mid, Up int }

// SDXLAttentions are those of SDXL.
var SDXLAttentions = Attentions{Down: 24, Mid: 10, Up: 36}

// Refiners maps the names of one of Refiners' files. Refiners names a tensor by its path through classes: the
// class of each layer, numbered from 1 where siblings share it. Tables are made for the number
// of blocks and layers that there is.
//
// The reference is src/refiners/conversion and the models' state_dict() at commit 720a91a.
type Refiners struct {
	Part  string
	pairs []pair
	to    map[layer]pair
	from  map[string]pair

	lastLayer string // of text: what begins the names of the first encoder's last layer
}

// layer is a canonical layer: a tensor's name without ".weight" or ".bias", or a parameter of its own.
type layer struct{ component, name string }

// pair is a canonical layer and Refiners' name for it.
type pair struct {
	layer
	refiners string
	reshape  Transform // from the canonical tensor to Refiners'
	optional bool
}

// add puts a pair into the tables.
func (r *Refiners) add(component, name, refiners string) {
	r.put(pair{layer: layer{component, name}, refiners: refiners})
}

func (r *Refiners) addReshaped(component, name, refiners string, t Transform) {
	r.put(pair{layer: layer{component, name}, refiners: refiners, reshape: t})
}

// optional adds a layer that need not be there, such as a shortcut between equal numbers of channels.
func (r *Refiners) optional(component, name, refiners string) {
	r.put(pair{layer: layer{component, name}, refiners: refiners, optional: true})
}

func (r *Refiners) put(p pair) {
	r.pairs = append(r.pairs, p)
	r.to[p.layer] = p
	r.from[p.refiners] = p
}

func newRefiners(part string) *Refiners {
	return &Refiners{Part: part, to: make(map[layer]pair), from: make(map[string]pair)}
}

// Name gives Refiners' name of a canonical tensor and how its shape changes. ok is false for a
// tensor that Refiners has no place for.
func (r *Refiners) Name(component, canonical string) (t Target, ok bool) {
	if p, ok := r.to[layer{component, canonical}]; ok {
		return Target{Name: p.refiners, Transform: p.reshape}, true
	}
	name, leaf := cutLeaf(canonical)
	p, ok := r.to[layer{component, name}]
	return Target{Name: p.refiners + leaf, Transform: p.reshape}, ok && leaf != ""
}

// Canonical is the inverse of [Refiners.Name].
func (r *Refiners) Canonical(refiners string) (component string, t Target, ok bool) {
	p, ok := r.from[refiners]
	leaf := ""
	if !ok {
		refiners, leaf = cutLeaf(refiners)
		p, ok = r.from[refiners]
		ok = ok && leaf != ""
	}
	t = Target{Name: p.name + leaf, Transform: p.reshape}
	switch p.reshape {
	case AddLead:
		t.Transform = DropLead
	case DropLead:
		t.Transform = AddLead
	}
	return p.component, t, ok
}

// Missing lists Refiners' layers of which has knows no tensor, by canonical names.
func (r *Refiners) Missing(has func(component, canonical string) bool) []string {
	var out []string
	for _, p := range r.pairs {
		if !p.optional && !has(p.component, p.name) && !has(p.component, p.name+".weight") {
			out = append(out, p.component+"/"+p.name+".weight")
		}
	}
	return out
}

// LeftOut says whether Refiners leaves a canonical tensor out on purpose: the last layer and the last norm of the first text
// encoder, which SDXL does not use.
func (r *Refiners) LeftOut(component, canonical string) bool {
	return r.Part == PartText && component == "text_encoder" &&
		(strings.HasPrefix(canonical, "text_model.final_layer_norm.") || strings.HasPrefix(canonical, r.lastLayer))
}

// cutLeaf splits ".weight" or ".bias" off a name; leaf is empty where neither ends it.
func cutLeaf(name string) (rest, leaf string) {
	for _, leaf := range []string{".weight", ".bias"} {
		if rest, ok := strings.CutSuffix(name, leaf); ok {
			return rest, leaf
		}
	}
	return name, ""
}

// sibling is the name of the i-th (from 0) of n layers of a class in one chain.
func sibling(class string, i, n int) string {
	if n == 1 {
		return class
	}
	return fmt.Sprintf("%s_%d", class, i+1)
}

// siblings counts the layers of a class below a path, which ends in a dot.
func siblings(path, class string, exists func(path string) bool) int {
	if exists(path + class) {
		return 1
	}
	n := 0
	for exists(fmt.Sprintf("%s%s_%d", path, class, n+1)) {
		n++
	}
	return n
}

// paths is a set of all leading paths of names.
type paths map[string]bool

func newPaths(names []string) paths {
	p := make(paths, 4*len(names))
	for _, name := range names {
		for at := len(name); at > 0; at = strings.LastIndexByte(name[:at], '.') {
			if p[name[:at]] {
				break
			}
			p[name[:at]] = true
		}
	}
	return p
}

func (p paths) has(path string) bool { return p[path] }

// count is the number of i = 0, 1, ... for which the path exists.
func (p paths) count(format string, args ...any) int {
	for n := 0; ; n++ {
		if !p[fmt.Sprintf(format, append(args[:len(args):len(args)], n)...)] {
			return n
		}
	}
}

// ToRefiners makes the tables for a part from the canonical names of its components. a matters
// for an IP-Adapter only.
func ToRefiners(part string, names map[string][]string, a Attentions) (*Refiners, error) {
	r := newRefiners(part)
	sets := make(map[string]paths, len(names))
	for component, list := range names {
		sets[component] = newPaths(list)
	}
	switch part {
	case PartUNet:
		return r, r.unet(unetOfCanonical(sets["unet"]))
	case PartVAE:
		return r, r.vae(vaeOfCanonical(sets["vae"]))
	case PartText:
		return r, r.text(textLayers(sets["text_encoder"]), textLayers(sets["text_encoder_2"]))
	case PartImageEncoder:
		return r, r.vision(sets["image_encoder"].count("vision_model.encoder.layers.%d"))
	case PartIPAdapter:
		set := sets["ip_adapter"]
		return r, r.adapter(set.count("image_proj.layers.%d"), set.has("image_proj.latents"), adapterLayers(set), a)
	}
	return nil, fmt.Errorf("no part %q; there are %s", part, strings.Join(Parts, ", "))
}

// FromRefiners tells by its names which of Refiners' files this is. It is nil where it is none.
func FromRefiners(names []string, a Attentions) (*Refiners, error) {
	p := newPaths(names)
	switch {
	case p.has("DownBlocks") && p.has("TimestepEncoder"):
		r := newRefiners(PartUNet)
		return r, r.unet(unetOfRefiners(p))
	case p.has("Encoder.Chain_1") && p.has("Decoder.Chain_1"):
		r := newRefiners(PartVAE)
		return r, r.vae(vaeOfRefiners(p))
	case p.has(textL) && p.has(textG):
		r := newRefiners(PartText)
		return r, r.text(siblings(textL+".", "TransformerLayer", p.has)+1, siblings(textG+".", "TransformerLayer", p.has)+1)
	case p.has("ViTEmbeddings") && p.has("Chain"):
		r := newRefiners(PartImageEncoder)
		return r, r.vision(siblings("Chain.", "TransformerLayer", p.has))
	case p.has("ip_adapter.000"):
		r := newRefiners(PartIPAdapter)
		return r, r.adapter(siblings("image_proj.Transformer.", "TransformerLayer", p.has), p.has("image_proj.LatentsToken"), p.count("ip_adapter.%03d"), a)
	}
	return nil, nil
}
