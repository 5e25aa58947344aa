package lora

import (
	"slices"
	"strings"
)

// Report says what a file holds.
type Report struct {
	File     string            `json:"file"`
	Formats  []string          `json:"formats"`                // conventions of names
	Methods  map[string]int    `json:"methods"`                // layers by form
	Ranks    []int             `json:"ranks"`                  // ascending
	Alphas   []float64         `json:"alphas"`                 // ascending; empty where the file has none
	Parts    map[string]int    `json:"parts"`                  // layers by component
	Keys     int               `json:"keys"`                   // tensors
	Fit      *Fit              `json:"fit,omitempty"`          // with a model
	Metadata map[string]string `json:"metadata"`               // the header's
	Made     string            `json:"architecture,omitempty"` // what model it was made for, where that can be told
}

// Fit says how a file fits a model.
type Fit struct {
	Matched   int      `json:"matched"` // keys
	Unmatched []string `json:"unmatched"`
	Problems  []string `json:"problems"` // layers of another shape
}

// Describe reports on a file; m is nil where there is no model to match it with.
func (f *File) Describe(m Model) *Report {
	r := &Report{File: f.Path(), Methods: make(map[string]int), Parts: make(map[string]int), Ranks: []int{}, Alphas: []float64{},
		Keys: len(f.file.Names()), Metadata: f.Metadata(), Made: f.architecture()}
	for _, l := range f.layers {
		format, component := style(l.name)
		r.Formats = note(r.Formats, format)
		r.Parts[component]++
		method, ok := l.form()
		if !ok {
			method = "unknown"
		}
		r.Methods[string(method)]++
		for _, key := range []role{down, hadaW1B, lokrW2B, lokrW1B} {
			if s := f.shape(l, key); len(s) > 0 {
				r.Ranks = note(r.Ranks, s[0])
				break
			}
		}
		if l.alpha != nil {
			r.Alphas = note(r.Alphas, *l.alpha)
		} else if rank, a, _, ok := f.settings.of(component, bareName(l.name)); ok && rank > 0 {
			r.Alphas = note(r.Alphas, a)
		}
	}
	if len(r.Formats) > 1 { // the text encoders' names do not tell which of kohya's conventions the file follows
		r.Formats = slices.DeleteFunc(r.Formats, func(format string) bool { return format == kohyaText })
	}
	slices.Sort(r.Formats)
	slices.Sort(r.Ranks)
	slices.Sort(r.Alphas)
	if m != nil {
		match := f.byName(m)
		r.Fit = &Fit{Matched: r.Keys - len(match.Unmatched), Unmatched: append([]string{}, match.Unmatched...), Problems: append([]string{}, match.problems...)}
	}
	return r
}

// kohyaText is kohya's convention for text encoders.
const kohyaText = "kohya"

// note adds a value that is not there yet.
func note[T comparable](list []T, v T) []T {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// style tells the convention of a name and the component that it is for, without a model.
func style(name string) (format, component string) {
	component = "unet"
	for _, p := range []struct{ mark, component string }{{"lora_te2_", "text_encoder_2"}, {"text_encoder_2.", "text_encoder_2"},
		{"lora_te", "text_encoder"}, {"text_encoder.", "text_encoder"}, {"base_model.model.text_encoder_2.", "text_encoder_2"}, {"base_model.model.text_encoder.", "text_encoder"}} {
		if strings.HasPrefix(name, p.mark) {
			component = p.component
			break
		}
	}
	original := strings.Contains(name, "input_blocks") || strings.Contains(name, "middle_block") || strings.Contains(name, "output_blocks")
	switch {
	case strings.HasPrefix(name, "lora_") && original:
		return string(kohyaOriginal), component
	case strings.HasPrefix(name, "lora_te"):
		return kohyaText, component
	case strings.HasPrefix(name, "lora_"):
		return string(kohyaDiffusers), component
	case strings.HasPrefix(name, "lycoris_"):
		return string(lycorisNames), component
	case strings.Contains(name, ".processor."):
		return "diffusers, attention processors", component
	case original:
		return string(dottedOriginal), component
	}
	return string(dotted), component
}

// bareName is a dotted name without the component before it.
func bareName(name string) string {
	for _, p := range []string{"base_model.model.", "unet.", "text_encoder_2.", "text_encoder."} {
		name = strings.TrimPrefix(name, p)
	}
	return name
}
