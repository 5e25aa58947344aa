package provenance

import (
	"encoding/json"
	"regexp"
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
			f.Settings = append(f.Settings, Setting{m[1], unquote(m[2])})
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

// unquote reads a value that A1111 has quoted as JSON; another it leaves as it is.
func unquote(value string) string {
	var text string
	if json.Unmarshal([]byte(value), &text) == nil {
		return text
	}
	return value
}
