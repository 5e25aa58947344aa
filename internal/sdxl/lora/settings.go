package lora

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// settingsKey is the header's entry in which diffusers keeps the configuration of peft adapters.
const settingsKey = "lora_adapter_metadata"

// settings are peft configurations by component: where a file has them, they decide alpha and rank, as in diffusers.
type settings struct{ parts map[string]*setting }

type setting struct {
	Rank   float64            `json:"r"`
	Alpha  float64            `json:"lora_alpha"`
	Ranks  map[string]float64 `json:"rank_pattern"`
	Alphas map[string]float64 `json:"alpha_pattern"`
	RSLoRA bool               `json:"use_rslora"` // alpha / sqrt(rank): Kalajdzievski, 2023

	ranks, alphas []pattern
}

// pattern is a value for the layers whose names end as an expression says.
type pattern struct {
	name  *regexp.Regexp
	value float64
}

// mostPatterns bounds the patterns of a component.
const mostPatterns = 10_000

// readSettings reads the header's entry; nil where there is none. Its keys are "unet.r", "text_encoder.lora_alpha", ...
func readSettings(f *weights.File) (*settings, error) {
	text, ok := f.Metadata()[settingsKey]
	if !ok {
		return nil, nil
	}
	fail := func(err error) error {
		return &weights.Error{File: f.Path(), Problem: "header entry " + settingsKey + " is not what diffusers writes", Err: err,
			Hint: "it is a JSON object with keys such as unet.r and unet.lora_alpha"}
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil, fail(err)
	}
	grouped := make(map[string]map[string]json.RawMessage)
	for key, value := range all {
		part, field, _ := strings.Cut(key, ".")
		if grouped[part] == nil {
			grouped[part] = make(map[string]json.RawMessage)
		}
		grouped[part][field] = value
	}
	s := &settings{parts: make(map[string]*setting)}
	for part, fields := range grouped {
		if _, ok := fields["r"]; !ok {
			continue
		}
		data, err := json.Marshal(fields)
		if err != nil {
			return nil, fail(err)
		}
		one := &setting{Alpha: 8} // peft's default
		if err := json.Unmarshal(data, one); err != nil {
			return nil, fail(fmt.Errorf("%s: %w", part, err))
		}
		if one.ranks, err = patterns(one.Ranks); err == nil {
			one.alphas, err = patterns(one.Alphas)
		}
		if err != nil {
			return nil, fail(fmt.Errorf("%s: %w", part, err))
		}
		s.parts[part] = one
	}
	return s, nil
}

// of gives rank, alpha and whether the strength is alpha / sqrt(rank) of a layer; ok is false where the file says nothing.
func (s *settings) of(component, layer string) (rank, alpha float64, root, ok bool) {
	if s == nil || s.parts[component] == nil {
		return 0, 0, false, false
	}
	one := s.parts[component]
	return choose(one.ranks, layer, one.Rank), choose(one.alphas, layer, one.Alpha), one.RSLoRA, true
}

// patterns compiles the patterns of a header, in the order of their names, in which peft finds them.
func patterns(values map[string]float64) (out []pattern, err error) {
	if len(values) > mostPatterns {
		return nil, fmt.Errorf("%d patterns; more than %d are not accepted", len(values), mostPatterns)
	}
	for _, p := range slices.Sorted(maps.Keys(values)) {
		re, err := regexp.Compile(`^(?:(?:.*\.)?(?:` + p + `))$`)
		if err != nil {
			return nil, err
		}
		out = append(out, pattern{re, values[p]})
	}
	return out, nil
}

// choose gives the value of the first pattern that a layer's name matches, as peft does.
func choose(patterns []pattern, layer string, fallback float64) float64 {
	short := strings.TrimPrefix(layer, "text_model.") // newer transformers leave it out
	for _, p := range patterns {
		if p.name.MatchString(layer) || p.name.MatchString(short) {
			return p.value
		}
	}
	return fallback
}

// strength is scale * alpha / rank, or over the rank's root, in float64.
func strength(scale, alpha, rank float64, root bool) float64 {
	if root {
		rank = math.Sqrt(rank)
	}
	return float64(scale*alpha) / rank
}
