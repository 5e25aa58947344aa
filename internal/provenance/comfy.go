package provenance

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// comfyNode is a node of ComfyUI's graph in its API's form.
type comfyNode struct {
	Class  string                     `json:"class_type"`
	Inputs map[string]json.RawMessage `json:"inputs"`
}

// comfyGraph is the graph, by the nodes' ids.
type comfyGraph map[string]comfyNode

// noNumbers are what Python writes into JSON and JSON does not have; strings before them are kept. ComfyUI leaves NaN in pictures of nodes that
// failed to say whether they changed (github.com/Comfy-Org/ComfyUI/issues/8548).
var noNumbers = regexp.MustCompile(`"(?:\\.|[^"\\])*"|-?Infinity\b|NaN\b`)

// comfy reads ComfyUI's graph: settings are the inputs that are no links, by node.
func comfy(s string) (Foreign, bool) {
	f := Foreign{Program: "ComfyUI"}
	var graph comfyGraph
	s = noNumbers.ReplaceAllStringFunc(s, func(part string) string {
		if part[0] == '"' {
			return part
		}
		return "null"
	})
	if json.Unmarshal([]byte(s), &graph) != nil || len(graph) == 0 {
		return f, false
	}
	ids := slices.SortedFunc(maps.Keys(graph), func(a, b string) int { // numbers by size
		if len(a) != len(b) {
			return len(a) - len(b)
		}
		return strings.Compare(a, b)
	})
	f.Prompt, f.Negative = graph.prompt(ids, "positive"), graph.prompt(ids, "negative")
	if f.Prompt == "" {
		f.Prompt = graph.prompt(ids, "conditioning") // of a guider without guidance
	}
	for _, id := range ids {
		n := graph[id]
		for _, name := range slices.Sorted(maps.Keys(n.Inputs)) {
			if raw := n.Inputs[name]; len(raw) > 0 && raw[0] != '[' && raw[0] != '{' {
				f.Settings = append(f.Settings, Setting{fmt.Sprintf("%s %s.%s", id, n.Class, name), plain(raw)})
			}
		}
	}
	return f, true
}

// comfyLinks bounds how many links are followed to a text: a graph from elsewhere may go round in circles.
const comfyLinks = 1000

// comfyTexts are the inputs in which nodes have texts: CLIPTextEncode's, those of SDXL's two encoders and of Flux, and those of nodes that hold one.
var comfyTexts = []string{"text", "text_g", "text_l", "t5xxl", "clip_l", "prompt", "string", "value"}

// prompt is the first text that an input of this name is made of.
func (g comfyGraph) prompt(ids []string, input string) string {
	left := comfyLinks
	for _, id := range ids {
		if text := g.behind(g[id].Inputs[input], input, &left); text != "" {
			return text
		}
	}
	return ""
}

// behind follows a link to a node that has a text, or that passes something on: from an input of the same name, or a conditioning. left is how many
// links may be followed.
func (g comfyGraph) behind(raw json.RawMessage, input string, left *int) string {
	var link []any
	if len(raw) == 0 || len(raw) > 256 || raw[0] != '[' || *left == 0 || json.Unmarshal(raw, &link) != nil || len(link) == 0 {
		return ""
	}
	*left--
	id, _ := link[0].(string)
	n := g[id]
	for _, name := range comfyTexts {
		var text string
		if json.Unmarshal(n.Inputs[name], &text) != nil {
			text = g.behind(n.Inputs[name], name, left)
		}
		if text != "" {
			return text
		}
	}
	for _, name := range slices.Sorted(maps.Keys(n.Inputs)) {
		if name != input && !strings.HasPrefix(name, "conditioning") {
			continue
		}
		if text := g.behind(n.Inputs[name], input, left); text != "" {
			return text
		}
	}
	return ""
}

// plain is a JSON scalar as text.
func plain(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return string(raw)
}
