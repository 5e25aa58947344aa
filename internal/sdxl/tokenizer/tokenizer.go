package tokenizer

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/seed-8af8f8e1/flow/internal/sdxl/edition"
)

// publicMerges are the merges of OpenAI's CLIP (MIT licence, public/LICENSE); the vocabulary follows from them.
//
//go:embed public/merges.txt.gz
var publicMerges []byte

// Tokenizer turns text into the ids of a CLIP text encoder. It is safe for use by many goroutines.
type Tokenizer struct {
	bpe       *bpe
	config    *configuration
	bos, eos  int32
	pad       int32
	ids       map[string]int32 // of special tokens
	split     *pattern
	nfc       bool
	specials  bool // special tokens in the text are found
	cacheLock sync.RWMutex
	cache     map[string][]int32
}

// New makes a tokenizer from the files vocab.json and merges.txt, or tokenizer.json in place of them, and, where they are there,
// tokenizer_config.json and special_tokens_map.json.
func New(files map[string][]byte) (*Tokenizer, error) {
	vocab, merges, added, err := vocabulary(files)
	if err != nil {
		return nil, err
	}
	config, err := parseConfig(files["tokenizer_config.json"], files["special_tokens_map.json"], added)
	if err != nil {
		return nil, err
	}
	return assemble(vocab, merges, config)
}

// vocabulary reads the symbols and merges, and the added tokens where they stand in the same file.
func vocabulary(files map[string][]byte) (vocab map[string]int32, merges map[[2]string]int, added []special, err error) {
	if fast := files["tokenizer.json"]; fast != nil && files["vocab.json"] == nil {
		return parseFast(fast)
	}
	for _, name := range []string{"vocab.json", "merges.txt"} {
		if files[name] == nil {
			return nil, nil, nil, fmt.Errorf("%s is missing, and there is no tokenizer.json in its place", name)
		}
	}
	if vocab, err = parseVocab(files["vocab.json"]); err == nil {
		merges, err = parseMerges(files["merges.txt"], vocab)
	}
	return vocab, merges, nil, err
}

func assemble(vocab map[string]int32, merges map[[2]string]int, c *configuration) (*Tokenizer, error) {
	t := &Tokenizer{bpe: &bpe{vocab: vocab, merges: merges}, config: c, ids: make(map[string]int32), split: &unicodePattern, nfc: true, specials: true, cache: make(map[string][]int32)}
	for _, s := range c.specials {
		id, ok := vocab[s.text]
		if !ok {
			return nil, fmt.Errorf("the special token %q is not in the vocabulary", s.text)
		}
		t.ids[s.text] = id
	}
	t.bos, t.eos, t.pad, t.bpe.unknown = t.ids[c.bos], t.ids[c.eos], t.ids[c.pad], t.ids[c.unk]
	return t, nil
}

// ForModel makes the tokenizer of a checkpoint: from its files, or the public one where files is empty;
// second says that it is SDXL's second one, which pads with "!" instead of the end of text. Texts are read by the edition's conventions.
func ForModel(files map[string][]byte, second bool, e edition.Edition) (*Tokenizer, error) {
	var t *Tokenizer
	var err error
	if len(files) > 0 {
		t, err = New(files)
	} else {
		t, err = Public(second)
	}
	if err != nil {
		return nil, err
	}
	t.bpe.alone = !e.MergeBytes
	t.nfc, t.specials, t.split = e.ComposeText, e.SpecialText, &asciiPattern
	if e.UnicodeWords {
		t.split = &unicodePattern
	}
	return t, nil
}

// public is the embedded vocabulary, made when it is first asked for.
var public = sync.OnceValues(func() (*bpe, error) {
	z, err := gzip.NewReader(bytes.NewReader(publicMerges))
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	// In OpenAI's order: the printable bytes, the others, both again at a word's end, the merges, the marks.
	var symbols []string
	for _, shift := range []bool{false, true} {
		for _, s := range byteSymbols {
			if r, _ := utf8.DecodeRuneInString(s); (r >= 256) == shift {
				symbols = append(symbols, s)
			}
		}
	}
	vocab := make(map[string]int32, 49408)
	add := func(s string) { vocab[s] = int32(len(vocab)) }
	for _, suffix := range []string{"", endOfWord} {
		for _, s := range symbols {
			add(s + suffix)
		}
	}
	for line := range strings.Lines(string(data)) {
		add(strings.Replace(strings.TrimSuffix(line, "\n"), " ", "", 1))
	}
	add("<|startoftext|>")
	add("<|endoftext|>")
	merges, err := parseMerges(data, vocab)
	return &bpe{vocab: vocab, merges: merges}, err
})

// Public is the tokenizer with OpenAI's vocabulary.
func Public(second bool) (*Tokenizer, error) {
	m, err := public()
	if err != nil {
		return nil, err
	}
	pad := "<|endoftext|>"
	if second {
		pad = "!"
	}
	c := &configuration{bos: "<|startoftext|>", eos: "<|endoftext|>", pad: pad, unk: "<|endoftext|>", length: 77,
		specials: []special{{"<|startoftext|>", true}, {"<|endoftext|>", true}}}
	if second {
		c.specials = append(c.specials, special{"!", false})
	}
	return assemble(m.vocab, m.merges, c)
}

// Len is the number of ids that Encode gives.
func (t *Tokenizer) Len() int { return t.config.length }

// MarkID is the largest id of the marks that every text gets: start, end and padding.
func (t *Tokenizer) MarkID() int { return int(max(t.bos, t.eos, t.pad)) }

// Encode gives the ids of a text: the start, the words, the end, and padding, [Tokenizer.Len] in all. cut is the
// end of the normalised text that found no room, from the first word of which a part is lost.
func (t *Tokenizer) Encode(text string) (ids []int32, cut string) {
	room := t.config.length - 2
	ids = append(make([]int32, 0, t.config.length), t.bos)
	words := t.words(strings.ToValidUTF8(text, "\ufffd"))
	for i, w := range words {
		if room < len(w.ids) {
			ids = append(ids, w.ids[:room]...)
			cut = joinFrom(words[i:])
			break
		}
		ids = append(ids, w.ids...)
		room -= len(w.ids)
	}
	ids = append(ids, t.eos)
	for len(ids) < t.config.length {
		ids = append(ids, t.pad)
	}
	return ids, cut
}

// word is a piece of the normalised text with its ids.
type word struct {
	before bool // white space stands before it
	text   string
	ids    []int32
}

func joinFrom(words []word) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 && w.before {
			b.WriteByte(' ')
		}
		b.WriteString(w.text)
	}
	return b.String()
}

// words divides a text: special tokens that stand in the text as written, then - normalised - those that do
// not, then words by the pattern.
func (t *Tokenizer) words(text string) []word {
	var out []word
	t.divide(text, false, func(part string) {
		t.divide(normalize(part, t.nfc), true, func(part string) {
			for part != "" {
				skip, n := t.split.next(part)
				if n == 0 {
					return
				}
				w := part[skip : skip+n]
				out = append(out, word{skip > 0, w, t.lookup(w)})
				part = part[skip+n:]
			}
		}, &out)
	}, &out)
	return out
}

// divide cuts text at special tokens, which become words, and gives the parts between.
func (t *Tokenizer) divide(text string, normalized bool, part func(string), out *[]word) {
	for text != "" {
		at, found := len(text), ""
		for _, s := range t.config.specials {
			if !t.specials || s.normalized != normalized {
				continue
			}
			if i := strings.Index(text, s.text); i >= 0 && (i < at || i == at && len(s.text) > len(found)) {
				at, found = i, s.text
			}
		}
		part(text[:at])
		if found == "" {
			return
		}
		*out = append(*out, word{strings.HasSuffix(text[:at], " "), found, []int32{t.ids[found]}})
		text = text[at+len(found):]
	}
}

// maxCached bounds the number of words that are remembered.
const maxCached = 1 << 14

// lookup gives the ids of a word, remembered.
func (t *Tokenizer) lookup(w string) []int32 {
	t.cacheLock.RLock()
	ids, ok := t.cache[w]
	t.cacheLock.RUnlock()
	if ok {
		return ids
	}
	ids = t.bpe.encode(w)
	t.cacheLock.Lock()
	defer t.cacheLock.Unlock()
	if len(t.cache) < maxCached {
		t.cache[w] = ids
	}
	return ids
}
