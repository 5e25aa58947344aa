package provenance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// Foreign is what another program has left in a picture.
type Foreign struct {
	Program string `json:"program"`
	Prompt  string `json:"prompt,omitempty"`
	// Negative is the negative prompt.
	Negative string `json:"negative,omitempty"`
	// Settings are further parameters, in their order.
	Settings []Setting `json:"settings,omitempty"`
}

// Setting is one parameter of a picture.
type Setting struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Others finds what A1111's web UI (and what writes as it does) or ComfyUI have left.
func Others(texts []Text) []Foreign {
	var out []Foreign
	for _, t := range texts {
		switch t.Key {
		case "parameters":
			out = append(out, webUI(t.Value))
		case "prompt":
			if f, ok := comfy(t.Value); ok {
				out = append(out, f)
			}
		}
	}
	return out
}

// setting matches NAME: VALUE in the last line of A1111's parameters (modules/infotext_utils.py, re_param_code).
var setting = regexp.MustCompile(`\s*(\w[\w \-/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)`)

// webUI reads "PROMPT\nNegative prompt: TEXT\nSteps: 20, Sampler: ...".
func webUI(s string) Foreign {
	f := Foreign{Program: "A1111 web UI"}
	lines := strings.Split(strings.TrimSpace(s), "\n")
	last := lines[len(lines)-1]
	if found := setting.FindAllStringSubmatch(last, -1); len(found) >= 3 {
		lines = lines[:len(lines)-1]
		for _, m := range found {
			f.Settings = append(f.Settings, Setting{m[1], strings.Trim(m[2], `"`)})
		}
	}
	to := &f.Prompt
	for i, line := range lines {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "Negative prompt:"); ok {
			to, line = &f.Negative, strings.TrimSpace(text)
		} else if i > 0 {
			*to += "\n"
		}
		*to += line
	}
	return f
}

// comfyNode is a node of ComfyUI's graph in its API's form.
type comfyNode struct {
	Class  string                     `json:"class_type"`
	Inputs map[string]json.RawMessage `json:"inputs"`
}

// comfy reads ComfyUI's graph: settings are the inputs that are no links, by node.
func comfy(s string) (Foreign, bool) {
	f := Foreign{Program: "ComfyUI"}
	var graph map[string]comfyNode
	if json.Unmarshal([]byte(s), &graph) != nil || len(graph) == 0 {
		return f, false
	}
	ids := make([]string, 0, len(graph))
	for id := range graph {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b string) int { // numbers by size
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	for _, id := range ids {
		n := graph[id]
		if text, ok := n.text("positive", graph); ok && f.Prompt == "" {
			f.Prompt = text
		}
		if text, ok := n.text("negative", graph); ok && f.Negative == "" {
			f.Negative = text
		}
		names := make([]string, 0, len(n.Inputs))
		for name := range n.Inputs {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			if raw := n.Inputs[name]; len(raw) > 0 && raw[0] != '[' && raw[0] != '{' {
				f.Settings = append(f.Settings, Setting{fmt.Sprintf("%s %s.%s", id, n.Class, name), plain(raw)})
			}
		}
	}
	return f, true
}

// text follows the link of an input to a node that has a text.
func (n comfyNode) text(input string, graph map[string]comfyNode) (string, bool) {
	var link []any
	if json.Unmarshal(n.Inputs[input], &link) != nil || len(link) == 0 {
		return "", false
	}
	id, _ := link[0].(string)
	var text string
	err := json.Unmarshal(graph[id].Inputs["text"], &text)
	return text, err == nil && text != ""
}

// plain is a JSON scalar as text.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
