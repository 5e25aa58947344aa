package lora

import (
	"math"
	"slices"
	"strconv"

	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// documents are the numbers that decide what layers change beside their tensors, by layer: each is there where the layer's form reads it, see
// [change.delta]. Most have a strength, in which the node's scale is; a difference has the scale alone, and LyCORIS' DoRA its own strength and the scale
// apart: twice the scale and half the alpha are another change.
func documents(layers []*applied) ([]weights.Document, error) {
	bits := func(x float64) string { return strconv.FormatUint(math.Float64bits(x), 16) }
	strengths, scales, own := make(map[string]string), make(map[string]string), make(map[string]string)
	var merged []string
	for _, l := range layers {
		apart := l.keys[doraScale] != ""
		if l.keys[biasUp] != "" || l.Method != Difference && !apart {
			strengths[l.path] = bits(l.strength)
		}
		if l.keys[diffBias] != "" || l.Method == Difference || apart {
			scales[l.path] = bits(l.scale)
		}
		if apart {
			own[l.path] = bits(strength(1, l.alpha, l.divide, l.root))
		}
		if l.merged && l.Method.LowRank() { // which would be beside its weight else
			merged = append(merged, l.path)
		}
	}
	slices.Sort(merged)
	var out []weights.Document
	for _, d := range []struct {
		name  string
		value any
		there bool
	}{
		{"strengths", strengths, len(strengths) > 0}, {"scales", scales, len(scales) > 0}, {"own strengths", own, len(own) > 0}, {"merged", merged, len(merged) > 0},
	} {
		if !d.there {
			continue
		}
		doc, err := weights.JSONDocument(d.name, d.value)
		if err != nil {
			return nil, err
		}
		out = append(out, doc)
	}
	return out, nil
}
