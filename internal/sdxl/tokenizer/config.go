package tokenizer

import (
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
)

// special is a token that is found in the text as it stands.
type special struct {
	text       string
	normalized bool // looked for after the text is normalised, else before
}

// configuration is what tokenizer_config.json and special_tokens_map.json say.
type configuration struct {
	bos, eos, pad, unk string
	length             int
	specials           []special
}

// tokenJSON is a token as text or as an object.
type tokenJSON struct {
	Content    string
	Normalized *bool
}

// UnmarshalJSON reads either form.
func (t *tokenJSON) UnmarshalJSON(data []byte) error {
	if err := json.Unmarshal(data, &t.Content); err == nil {
		return nil
	}
	var object struct {
		Content    string `json:"content"`
		Normalized bool   `json:"normalized"`
	}
	if err := json.Unmarshal(data, &object); err != nil {
		return err
	}
	t.Content, t.Normalized = object.Content, &object.Normalized
	return nil
}

type tokensJSON struct {
	BOS *tokenJSON `json:"bos_token"`
	EOS *tokenJSON `json:"eos_token"`
	PAD *tokenJSON `json:"pad_token"`
	UNK *tokenJSON `json:"unk_token"`
}

type configJSON struct {
	tokensJSON
	Length json.RawMessage       `json:"model_max_length"`
	Added  map[string]*tokenJSON `json:"added_tokens_decoder"`
}

// maxLength bounds model_max_length; CLIP has 77, and transformers writes 1e30 for none.
const maxLength = 1 << 12

// parseConfig reads both files, either of which may be absent; added are tokens of another file.
func parseConfig(config, specials []byte, added []special) (*configuration, error) {
	var c configJSON
	if config != nil {
		if err := json.Unmarshal(config, &c); err != nil {
			return nil, fmt.Errorf("tokenizer_config.json: %w", err)
		}
	}
	var s tokensJSON
	if specials != nil {
		if err := json.Unmarshal(specials, &s); err != nil {
			return nil, fmt.Errorf("special_tokens_map.json: %w", err)
		}
	}
	out := &configuration{length: 77}
	if len(c.Length) > 0 {
		n, err := strconv.ParseFloat(string(c.Length), 64)
		if err == nil && n < 3 {
			return nil, fmt.Errorf("tokenizer_config.json: model_max_length is %s", c.Length)
		}
		if err == nil && n <= maxLength {
			out.length = int(n)
		}
	}
	flags := make(map[string]bool) // content -> normalized
	for _, a := range added {
		flags[a.text] = a.normalized
	}
	for _, t := range c.Added {
		if t != nil {
			flags[t.Content] = t.Normalized != nil && *t.Normalized
		}
	}
	pick := func(fallback string, tokens ...*tokenJSON) string {
		name := fallback
		for i := len(tokens) - 1; i >= 0; i-- {
			if t := tokens[i]; t != nil && t.Content != "" {
				name = t.Content
				if _, ok := flags[name]; !ok && t.Normalized != nil {
					flags[name] = *t.Normalized
				}
			}
		}
		if _, ok := flags[name]; !ok {
			flags[name] = false
		}
		return name
	}
	const start, end = "<|startoftext|>", "<|endoftext|>"
	out.bos, out.eos = pick(start, c.BOS, s.BOS), pick(end, c.EOS, s.EOS)
	out.pad, out.unk = pick(end, c.PAD, s.PAD), pick(end, c.UNK, s.UNK)
	for text, normalized := range flags {
		out.specials = append(out.specials, special{text, normalized})
	}
	sort.Slice(out.specials, func(i, j int) bool { return out.specials[i].text < out.specials[j].text })
	return out, nil
}
