package tokenizer

import (
	"encoding/json"
	"fmt"
	"strings"
)

// fastJSON is tokenizer.json, in which transformers 5 keeps what vocab.json, merges.txt and added_tokens_decoder say.
type fastJSON struct {
	Added []struct {
		ID         int32
		Content    string
		Normalized bool
	} `json:"added_tokens"`
	Model struct {
		Type   string
		Suffix string `json:"end_of_word_suffix"`
		Prefix string `json:"continuing_subword_prefix"`
		Vocab  map[string]int32
		Merges []pairJSON
	}
}

// pairJSON is a merge as two symbols or, in older files, as a text with a space between them.
type pairJSON [2]string

// UnmarshalJSON reads either form.
func (p *pairJSON) UnmarshalJSON(data []byte) error {
	var line string
	if err := json.Unmarshal(data, &line); err == nil {
		p[0], p[1], _ = strings.Cut(line, " ")
		return nil
	}
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	if len(list) != 2 {
		return fmt.Errorf("a merge is of two symbols, not of %d", len(list))
	}
	p[0], p[1] = list[0], list[1]
	return nil
}

// parseFast reads tokenizer.json: the vocabulary, the ranks of the merges, and the tokens that are found in a text as they stand.
func parseFast(data []byte) (map[string]int32, map[[2]string]int, []special, error) {
	const file = "tokenizer.json"
	var f fastJSON
	if err := json.Unmarshal(data, &f); err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", file, err)
	}
	if m := &f.Model; m.Type != "" && m.Type != "BPE" || m.Suffix != endOfWord || m.Prefix != "" {
		return nil, nil, nil, fmt.Errorf("%s: want CLIP's tokenizer, BPE with %q at a word's end; this is %q with %q", file, endOfWord, m.Type, m.Suffix)
	}
	vocab := f.Model.Vocab
	if err := checkVocab(file, vocab); err != nil {
		return nil, nil, nil, err
	}
	var specials []special
	for _, a := range f.Added {
		if a.ID < 0 || a.Content == "" {
			return nil, nil, nil, fmt.Errorf("%s: the added token %q has the id %d", file, a.Content, a.ID)
		}
		if id, ok := vocab[a.Content]; ok && id != a.ID {
			return nil, nil, nil, fmt.Errorf("%s: the added token %q has the id %d, and %d in the vocabulary", file, a.Content, a.ID, id)
		}
		vocab[a.Content] = a.ID
		specials = append(specials, special{a.Content, a.Normalized})
	}
	merges := make(map[[2]string]int)
	for i, p := range f.Model.Merges {
		if err := addMerge(merges, vocab, p); err != nil {
			return nil, nil, nil, fmt.Errorf("%s: merge %d: %w", file, i+1, err)
		}
	}
	return vocab, merges, specials, nil
}
