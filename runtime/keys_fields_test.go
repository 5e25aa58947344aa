package runtime_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// field is a JSON document in which one field is another.
type field struct {
	path, what string
	data       []byte
}

// wordings are other values of texts in configurations that mean something.
var wordings = map[string][]string{
	"quick_gelu": {"gelu", "relu"}, "gelu": {"quick_gelu", "relu"}, "silu": {"gelu", "relu"}, "epsilon": {"v_prediction", "sample"}, "scaled_linear": {"linear"},
	"leading": {"trailing", "linspace"}, "CLIPTextModel": {"CLIPTextModelWithProjection"}, "CLIPTextModelWithProjection": {"CLIPTextModel"},
	"CLIPVisionModelWithProjection": {"CLIPVisionModel"}, "<|endoftext|>": {"<|startoftext|>", "b"}, "<|startoftext|>": {"<|endoftext|>", "b"}, "!": {"b", "#"},
	"DownBlock2D": {"CrossAttnDownBlock2D"}, "UpBlock2D": {"CrossAttnUpBlock2D"},
}

// fields are a document's values, each in turn another and each field in turn left out.
func (l *lab) fields(t *testing.T, data []byte) []field {
	t.Helper()
	doc := document(t, data)
	var out []field
	add := func(path, what string) {
		text, err := json.MarshalIndent(doc, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, field{path, what, text})
	}
	var walk func(path string, v any, set func(any))
	walk = func(path string, v any, set func(any)) {
		switch v := v.(type) {
		case map[string]any:
			for _, k := range slices.Sorted(maps.Keys(v)) {
				of, old := strings.TrimPrefix(path+"."+k, "."), v[k]
				walk(of, old, func(x any) { v[k] = x })
				delete(v, k)
				add(of, "left out")
				v[k] = old
			}
		case []any:
			for i := range v {
				walk(fmt.Sprintf("%s.%d", path, i), v[i], func(x any) { v[i] = x })
			}
		default:
			for _, x := range others(v) {
				set(x)
				add(path, fmt.Sprint(x))
			}
			set(v)
		}
	}
	walk("", doc, nil)
	return out
}

// others are values that a value is replaced by.
func others(v any) []any {
	switch v := v.(type) {
	case bool:
		return []any{!v}
	case float64:
		if v == 0 {
			return []any{1.0, 0.5}
		}
		return []any{v + 1, v / 2}
	case string:
		out := []any{v + "x"}
		for _, w := range wordings[v] {
			out = append(out, w)
		}
		return out
	}
	return []any{7.0}
}

// fieldsOf changes each field of a JSON file, and what says nothing: spaces, the order of fields, a field that nobody knows.
func (l *lab) fieldsOf(t *testing.T, file string) []mutation {
	t.Helper()
	var out []mutation
	data := l.files[file]
	for _, f := range l.fields(t, data) {
		place := file + " " + f.path
		if strings.HasSuffix(place, ".normalized") { // flags of a table; that of "!" alone changes nothing, as no other character becomes one
			place = file + " normalized"
		}
		out = append(out, change(place, f.what, file, f.data))
	}
	return append(out,
		change(file+" with one field more", "a field", file, append([]byte(`{"surely_nothing": 1, `), bytes.TrimSpace(data)[1:]...)),
		change(file+" written otherwise", "without spaces, fields in order", file, encoded(t, document(t, data))))
}

// configurations changes every field of every configuration whose path begins so.
func (l *lab) configurations(t *testing.T, beginnings ...string) []mutation {
	var out []mutation
	for _, file := range slices.Sorted(maps.Keys(l.files)) {
		wanted := slices.ContainsFunc(beginnings, func(b string) bool { return strings.HasPrefix(file, b) })
		if wanted && strings.HasSuffix(file, ".json") && !strings.Contains(file, "tokenizer") {
			out = append(out, l.fieldsOf(t, file)...)
		}
	}
	return out
}

// tokenizers changes every field of the tokenizers' settings, their vocabularies and merges - each a table that counts as a whole - and their form.
func (l *lab) tokenizers(t *testing.T) []mutation {
	var out []mutation
	for _, dir := range []string{"model/tokenizer/", "model/tokenizer_2/"} {
		out = append(out, l.fieldsOf(t, dir+"tokenizer_config.json")...)
		out = append(out, l.fieldsOf(t, dir+"special_tokens_map.json")...)
		out = append(out, l.tables(t, dir)...)
		out = append(out, change(dir+" without special_tokens_map.json", "the other file says the same", dir+"special_tokens_map.json", nil))
	}
	return out
}

// tables changes symbols and merges: some that the prompts have, and some drawn.
func (l *lab) tables(t *testing.T, dir string) []mutation {
	vocabFile, mergesFile := dir+"vocab.json", dir+"merges.txt"
	vocab := document(t, l.files[vocabFile]).(map[string]any)
	symbols := slices.Sorted(maps.Keys(vocab))
	lines := strings.Split(strings.TrimSpace(string(l.files[mergesFile])), "\n")
	out := []mutation{
		change(vocabFile+" written otherwise", "fields in order", vocabFile, encoded(t, vocab)),
		change(mergesFile+" written otherwise", "no line end at the end", mergesFile, bytes.TrimRight(l.files[mergesFile], "\n")),
		change(mergesFile+" written otherwise", "other line ends", mergesFile, bytes.ReplaceAll(l.files[mergesFile], []byte("\n"), []byte("\r\n"))),
		change(mergesFile+" without its version", "no version", mergesFile, []byte(strings.Join(lines[1:], "\n")+"\n")),
	}
	chosen := []string{"bad</w>", "i", "a</w>", "big</w>"}
	for range 12 {
		chosen = append(chosen, symbols[l.random.IntN(len(symbols))])
	}
	for _, s := range chosen {
		other := maps.Clone(vocab)
		other[s] = float64((int(vocab[s].(float64)) + 100) % 890)
		out = append(out, change(vocabFile, fmt.Sprintf("%s = %v", s, other[s]), vocabFile, encoded(t, other)))
	}
	for i, line := range lines[1:] {
		if strings.ReplaceAll(line, " ", "") != "bad</w>" && l.random.IntN(len(lines)) > 12 {
			continue
		}
		out = append(out, change(mergesFile, "without "+line, mergesFile, []byte(strings.Join(slices.Delete(slices.Clone(lines), i+1, i+2), "\n")+"\n")))
	}
	return out
}
