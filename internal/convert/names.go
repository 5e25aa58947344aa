package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/keymap"
	"github.com/seed-8af8f8e1/flow/internal/weights"
)

// named lists the tensors to write under their new names.
func (s *source) named(opt Options, a keymap.Attentions) (*Result, []tensor, error) {
	if opt.To == ToOriginal && opt.Part == "" && s.file != nil {
		return &Result{}, s.all(), nil
	}
	part, err := s.part(opt)
	if err != nil {
		return nil, nil, err
	}
	parts := make(map[string]*weights.Component)
	for _, name := range components(part) {
		if parts[name], err = s.component(name); err != nil {
			return nil, nil, err
		}
	}
	res := &Result{Part: part}
	for _, name := range components(part) {
		res.LeftOut = append(res.LeftOut, parts[name].Ignored()...)
	}
	if s.file != nil { // of a checkpoint, everything else would be listed
		res.LeftOut = nil
	}
	var list []tensor
	switch opt.To {
	case ToRefiners:
		list, err = toRefiners(part, parts, a, res)
	case ToDiffusers:
		list, err = canonical(part, parts)
		s.noteRefiners(part, res)
	default:
		list, err = sources(parts, components(part))
	}
	return res, list, err
}

// all lists a file's tensors as they are.
func (s *source) all() []tensor {
	var out []tensor
	for _, name := range s.file.Names() {
		raw, _ := s.file.Tensor(name)
		out = append(out, tensor{name, raw.DType, raw.Shape, s.file, func() ([]byte, error) { return raw.Data, nil }, ""})
	}
	return out
}

// of makes a tensor of a component's.
func of(t *weights.Tensor, name string) tensor {
	return tensor{name, t.DType, t.Shape, t.File(), t.Bytes, ""}
}

// sources lists components' tensors as their files name them. One that gives several is written once, as it is.
func sources(parts map[string]*weights.Component, order []string) ([]tensor, error) {
	var out []tensor
	seen := make(map[string]*weights.File)
	for _, component := range order {
		c := parts[component]
		for _, canonical := range c.Names() {
			t, _ := c.Tensor(canonical)
			name := t.Source()
			if f := seen[name]; f == t.File() {
				continue
			} else if f != nil {
				return nil, fmt.Errorf("both text encoders have a tensor %q; convert one at a time: --part text-encoder, --part text-encoder-2", name)
			}
			seen[name] = t.File()
			raw, _ := t.File().Tensor(name)
			out = append(out, tensor{name, raw.DType, raw.Shape, t.File(), func() ([]byte, error) { return raw.Data, nil }, ""})
		}
	}
	return out, nil
}

// canonical lists a component's tensors by diffusers' names.
func canonical(part string, parts map[string]*weights.Component) ([]tensor, error) {
	if len(parts) > 1 {
		return nil, fmt.Errorf("diffusers keeps the text encoders in two files: --part text-encoder, --part text-encoder-2")
	}
	var out []tensor
	for _, c := range parts {
		for _, name := range c.Names() {
			t, _ := c.Tensor(name)
			out = append(out, of(t, name))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("the %s has no tensors", part)
	}
	return out, nil
}

// noteRefiners says what Refiners' text encoders lack.
func (s *source) noteRefiners(part string, res *Result) {
	if c := s.components["text_encoder"]; part == "text-encoder" && c != nil {
		if _, ok := c.Tensor("text_model.final_layer_norm.weight"); !ok {
			res.Notes = append(res.Notes, "the last layer and the last norm are not in Refiners' file; SDXL does not read them, and other libraries ask for them")
		}
	}
}

// toRefiners lists the tensors of a part by Refiners' names. What it lacks and what has no place is one error.
func toRefiners(part string, parts map[string]*weights.Component, a keymap.Attentions, res *Result) ([]tensor, error) {
	if strings.HasPrefix(part, "text-") {
		return nil, fmt.Errorf("both text encoders are one file in Refiners; give the model's folder or its single file, and --part text")
	}
	names := make(map[string][]string)
	for component, c := range parts {
		names[component] = c.Names()
	}
	r, err := keymap.ToRefiners(part, names, a)
	if err != nil {
		return nil, err
	}
	missing := r.Missing(func(component, name string) bool {
		_, ok := parts[component].Tensor(name)
		return ok
	})
	if len(missing) > 0 {
		return nil, fmt.Errorf("the %s of Refiners needs %s", part, some(missing, "which the source lacks"))
	}
	var out []tensor
	var unknown []string
	for _, component := range components(part) {
		for _, name := range names[component] {
			t, _ := parts[component].Tensor(name)
			target, ok := r.Name(component, name)
			switch {
			case r.LeftOut(component, name):
				res.LeftOut = append(res.LeftOut, t.Source())
			case !ok:
				unknown = append(unknown, component+"/"+name)
			default:
				x := of(t, target.Name)
				if x.shape, err = reshape(x.shape, target.Transform); err != nil {
					return nil, fmt.Errorf("%s/%s: %w", component, name, err)
				}
				out = append(out, x)
			}
		}
	}
	if len(unknown) > 0 {
		return nil, fmt.Errorf("the %s of Refiners has no place for %s", part, some(unknown, ""))
	}
	return out, nil
}

// some joins a few names of a list.
func some(names []string, end string) string {
	const most = 5
	text := strings.Join(names[:min(len(names), most)], ", ")
	if more := len(names) - most; more > 0 {
		text += fmt.Sprintf(" and %d others", more)
	}
	if end != "" {
		text += ", " + end
	}
	return text
}

// reshape changes a shape as Refiners' recipes do.
func reshape(shape []int, t keymap.Transform) ([]int, error) {
	switch t {
	case keymap.AddLead:
		return append([]int{1}, shape...), nil
	case keymap.DropLead:
		if len(shape) == 0 || shape[0] != 1 {
			return nil, fmt.Errorf("shape %v does not begin with 1", shape)
		}
		return slices.Clone(shape[1:]), nil
	}
	return shape, nil
}
