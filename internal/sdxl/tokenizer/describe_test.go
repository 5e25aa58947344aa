package tokenizer

import (
	"bytes"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// TestDescribe: what changes no text's ids changes no description, and what does changes it.
func TestDescribe(t *testing.T) {
	describe := func(e edition.Edition, edit func(map[string][]byte)) Description {
		files := files(t, "../../../examples/castle/model/tokenizer")
		if edit != nil {
			edit(files)
		}
		tok, err := ForModel(files, false, e)
		if err != nil {
			t.Fatal(err)
		}
		d, err := tok.Describe()
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	replace := func(file, old, new string) func(map[string][]byte) {
		return func(files map[string][]byte) {
			text := strings.Replace(string(files[file]), old, new, 1)
			if text == string(files[file]) {
				t.Fatalf("%s has no %q", file, old)
			}
			files[file] = []byte(text)
		}
	}
	for _, c := range []struct {
		name      string
		edit      func(map[string][]byte)
		settings  bool // they differ
		tables    bool
		toEdition bool // those of edition refiners differ too
	}{
		{"a setting that nothing reads", replace("tokenizer_config.json", `"errors": "replace"`, `"errors": "strict"`), false, false, false},
		{"no second file", func(files map[string][]byte) { delete(files, "special_tokens_map.json") }, false, false, false},
		{"the unknown token, where none is unknown", replace("tokenizer_config.json", `"unk_token": "<|endoftext|>"`, `"unk_token": "<|startoftext|>"`), false, false, false},
		{"a special token's flag", replace("tokenizer_config.json", `"normalized": true`, `"normalized": false`), true, false, false},
		{"the length", replace("tokenizer_config.json", `"model_max_length": 77`, `"model_max_length": 70`), true, false, true},
		{"padding", replace("tokenizer_config.json", `"pad_token": "<|endoftext|>"`, `"pad_token": "b"`), true, false, true},
		{"a symbol's id", replace("vocab.json", `"b": 65`, `"b": 66`), false, true, true},
		{"a merge less", replace("merges.txt", "i t\n", ""), false, true, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			is, was := describe(edition.Diffusers, c.edit), describe(edition.Diffusers, nil)
			if got := !bytes.Equal(is.Settings, was.Settings); got != c.settings {
				t.Errorf("other settings: %v\n%s\n%s", got, was.Settings, is.Settings)
			}
			if got := !bytes.Equal(is.Vocabulary, was.Vocabulary); got != c.tables {
				t.Errorf("other tables: %v", got)
			}
			is, was = describe(edition.Refiners, c.edit), describe(edition.Refiners, nil)
			if got := !bytes.Equal(is.Settings, was.Settings) || !bytes.Equal(is.Vocabulary, was.Vocabulary); got != c.toEdition {
				t.Errorf("another description in edition refiners: %v", got)
			}
		})
	}
}
