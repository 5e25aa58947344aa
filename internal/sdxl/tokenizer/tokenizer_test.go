package tokenizer

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
)

// golden rows are made by internal/tools/goldens from transformers' CLIPTokenizer.
type golden struct {
	Rows []map[string]string `json:"rows"`
}

func rows(t *testing.T, path string) []map[string]string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(data, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Rows) < 30 {
		t.Fatalf("%s has %d rows", path, len(g.Rows))
	}
	return g.Rows
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	for _, name := range []string{"vocab.json", "merges.txt", "tokenizer_config.json", "special_tokens_map.json"} {
		data, err := os.ReadFile(dir + "/" + name)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = data
	}
	return out
}

func compare(t *testing.T, tok *Tokenizer, rows []map[string]string, key string) {
	t.Helper()
	for _, row := range rows {
		ids, cut := tok.Encode(row["text"])
		if got := strings.Trim(fmt.Sprint(ids), "[]"); got != row[key] {
			t.Errorf("%q: ids\n%s, want\n%s", row["text"], got, row[key])
		}
		whole := len(strings.Fields(row[key+"_whole"]))
		if (cut != "") != (whole > tok.Len()) {
			t.Errorf("%q: %d tokens for %d places, cut %q", row["text"], whole, tok.Len(), cut)
		}
	}
}

func TestAgainstTransformers(t *testing.T) {
	for _, model := range []struct{ dir, golden string }{
		{"../../../examples/castle/model", "../testdata/castle/tokens.json"},
		{"../testdata/oddball/model", "../testdata/oddball/tokens.json"},
	} {
		for _, name := range []string{"tokenizer", "tokenizer_2"} {
			t.Run(model.golden+"/"+name, func(t *testing.T) {
				tok, err := New(files(t, model.dir+"/"+name))
				if err != nil {
					t.Fatal(err)
				}
				compare(t, tok, rows(t, model.golden), name)
			})
		}
	}
}

// TestFastAgainstTransformers reads what fast_tokenizer.py saved: the same ids from tokenizer.json.
func TestFastAgainstTransformers(t *testing.T) {
	for _, model := range []string{"castle", "oddball"} {
		for _, name := range []string{"tokenizer", "tokenizer_2"} {
			t.Run(model+"/"+name, func(t *testing.T) {
				saved := make(map[string][]byte)
				for _, file := range []string{"tokenizer.json", "tokenizer_config.json"} {
					data, err := os.ReadFile("testdata/fast/" + model + "/" + name + "/" + file)
					if err != nil {
						t.Fatal(err)
					}
					saved[file] = data
				}
				tok, err := New(saved)
				if err != nil {
					t.Fatal(err)
				}
				compare(t, tok, rows(t, "../testdata/"+model+"/tokens.json"), name)
			})
		}
	}
}

func TestBadFastFilesSayWhere(t *testing.T) {
	const head = `{"model": {"type": "BPE", "end_of_word_suffix": "</w>", `
	for content, want := range map[string]string{
		`{`:                                  "tokenizer.json: ",
		`{"model": {"type": "WordPiece"}}`:   "want CLIP's tokenizer",
		head + `"vocab": {}, "merges": []}}`: "tokenizer.json: holds no symbols",
		head + `"vocab": {"a": -1}, "merges": []}}`:                                             "negative",
		head + `"vocab": {"a": 1}, "merges": ["a"]}}`:                                           "merge 1: want two symbols",
		head + `"vocab": {"a": 1}, "merges": [["a", "a", "a"]]}}`:                               "not of 3",
		head + `"vocab": {"a": 1, "ab": 2, "b": 3}, "merges": ["a b", ["b", "b"]]}}`:            `merge 2: the merged symbol "bb" is not in the vocabulary`,
		head + `"vocab": {"a": 1}, "merges": []}, "added_tokens": [{"id": 2, "content": "a"}]}`: `the added token "a" has the id 2, and 1 in the vocabulary`,
		head + `"vocab": {"a": 1}, "merges": []}}`:                                              `the special token "<|endoftext|>" is not in the vocabulary`,
	} {
		if _, err := New(map[string][]byte{"tokenizer.json": []byte(content)}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", content, err, want)
		}
	}
}

func TestPublicAgainstTransformers(t *testing.T) {
	for _, second := range []bool{false, true} {
		tok, err := Public(second)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(tok.bpe.vocab); n != 49408 {
			t.Errorf("the public vocabulary has %d symbols, want 49408", n)
		}
		compare(t, tok, rows(t, "testdata/public.json"), map[bool]string{false: "tokenizer", true: "tokenizer_2"}[second])
	}
}

func TestCutNamesWhatWasLost(t *testing.T) {
	tok, err := Public(false)
	if err != nil {
		t.Fatal(err)
	}
	_, cut := tok.Encode(strings.Repeat("castle ", 75) + "And a Lake, too!")
	if cut != "and a lake, too!" {
		t.Errorf("cut %q", cut)
	}
}

func TestBadFilesSayWhere(t *testing.T) {
	good := files(t, "../../../examples/castle/model/tokenizer")
	for _, c := range []struct{ file, content, want string }{
		{"vocab.json", "{", "vocab.json"},
		{"vocab.json", "{}", "no symbols"},
		{"vocab.json", `{"a": -1}`, "negative"},
		{"vocab.json", `{"a": 1}`, "merges.txt:2"},
		{"merges.txt", "#version: 0.2\ni\n", "merges.txt:2"},
		{"merges.txt", "i t\nq zzz\n", "merges.txt:2"},
		{"tokenizer_config.json", `{"pad_token": "<pad>"}`, `"<pad>"`},
		{"tokenizer_config.json", `{"model_max_length": 1}`, "model_max_length"},
		{"special_tokens_map.json", `[]`, "special_tokens_map.json"},
	} {
		bad := map[string][]byte{}
		for k, v := range good {
			bad[k] = v
		}
		bad[c.file] = []byte(c.content)
		if c.file == "tokenizer_config.json" {
			delete(bad, "special_tokens_map.json")
		}
		if _, err := New(bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s = %q: error %v, want one with %q", c.file, c.content, err, c.want)
		}
	}
	if _, err := New(map[string][]byte{"vocab.json": good["vocab.json"]}); err == nil {
		t.Error("no merges.txt is accepted")
	}
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"", "a castle", "it's 7\u0301 <|endoftext|>!", "\xff\xfe", "İΣ城🏰\u200d"} {
		f.Add(s)
	}
	tok, err := Public(true)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ids, _ := tok.Encode(s)
		if len(ids) != 77 || ids[0] != 49406 {
			t.Errorf("%q: %v", s, ids)
		}
	})
}
