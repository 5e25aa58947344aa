// Package config reads the configuration files of an SDXL model: the JSON that
// diffusers and transformers write beside the weights. Everything a builder
// needs comes from here; nothing is hard-wired to one model.
//
// A field that asks for something flow does not compute is an error that names the field.
package config

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/program"
)

// decode reads JSON into dst.
func decode(what string, data []byte, dst any) error {
	if err := json.Unmarshal(data, dst); err != nil {
		return fmt.Errorf("%s configuration: %w", what, err)
	}
	return nil
}

// activations maps the names in configuration files to functions.
var activations = map[string]program.Activation{
	"silu": program.SiLU, "swish": program.SiLU, "gelu": program.GELU, "quick_gelu": program.QuickGELU,
	"gelu_new": program.GELUTanh, "gelu_pytorch_tanh": program.GELUTanh, "relu": program.ReLU,
}

// activation looks a function up by its configuration name.
func activation(what, field, name string) (program.Activation, error) {
	if act, ok := activations[name]; ok {
		return act, nil
	}
	var known []string
	for n := range activations {
		known = append(known, n)
	}
	sort.Strings(known)
	return 0, fmt.Errorf("%s configuration: %s %q is not one of %s", what, field, name, strings.Join(known, ", "))
}

// unsupported collects fields whose values ask for what flow does not compute.
type unsupported struct {
	what   string
	fields []string
}

func (u *unsupported) need(ok bool, field string, value any) {
	if !ok {
		u.fields = append(u.fields, fmt.Sprintf("%s = %v", field, value))
	}
}

func (u *unsupported) err() error {
	if len(u.fields) == 0 {
		return nil
	}
	return fmt.Errorf("%s configuration: not supported: %s", u.what, strings.Join(u.fields, ", "))
}

// isSet says whether a JSON field is there and neither null nor false.
func isSet(raw json.RawMessage) bool {
	s := string(raw)
	return s != "" && s != "null" && s != "false"
}

// perBlock is a number for every block, or one for each.
type perBlock []int

// UnmarshalJSON reads a number or a list.
func (p *perBlock) UnmarshalJSON(data []byte) error {
	var one int
	if json.Unmarshal(data, &one) == nil {
		*p = perBlock{one}
		return nil
	}
	var many []int
	if err := json.Unmarshal(data, &many); err != nil {
		return fmt.Errorf("%s is neither a whole number nor a list of them", data)
	}
	*p = many
	return nil
}

// expand gives n numbers.
func (p perBlock) expand(n int) ([]int, bool) {
	if len(p) == 1 && n > 1 {
		out := make([]int, n)
		for i := range out {
			out[i] = p[0]
		}
		return out, true
	}
	return p, len(p) == n
}

// positive says whether all numbers are at least 1 and at most limit.
func positive(limit int, numbers ...int) bool {
	for _, n := range numbers {
		if n < 1 || n > limit {
			return false
		}
	}
	return true
}
