package tokenizer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"hash"
	"io"
	"maps"
	"slices"
	"strings"
)

// Description is all that decides what becomes of a text, by the edition that the tokenizer was made for: two tokenizers with one description make the
// same ids of every text, however their files are written and whatever else these hold.
type Description struct {
	Settings   []byte // JSON: ids of the marks, the length, special tokens that are found in texts
	Vocabulary []byte // SHA-256 of the symbols with their ids, and of the merges in their order
}

// Describe describes the tokenizer.
func (t *Tokenizer) Describe() (Description, error) {
	settings := map[string]any{"start": t.bos, "end": t.eos, "padding": t.pad, "length": t.config.length}
	if t.specials {
		found := make(map[string]string)
		for _, s := range t.config.specials {
			found[s.text] = "in the text as written"
			if s.normalized {
				found[s.text] = "in the normalised text"
			}
		}
		settings["special"] = found
	}
	if !t.bpe.whole() {
		settings["unknown"] = t.bpe.unknown
	}
	data, err := json.Marshal(settings)
	return Description{data, t.bpe.digest()}, err
}

// whole says that the vocabulary has a symbol for every byte, so that none is unknown: what is merged is in it too.
func (m *bpe) whole() bool {
	for _, s := range byteSymbols {
		for _, suffix := range []string{"", endOfWord} {
			if _, ok := m.vocab[s+suffix]; !ok {
				return false
			}
		}
	}
	return true
}

// digest identifies both tables.
func (m *bpe) digest() []byte {
	h := sha256.New()
	symbols := slices.SortedFunc(maps.Keys(m.vocab), func(a, b string) int {
		if d := int(m.vocab[a]) - int(m.vocab[b]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	number(h, len(symbols))
	for _, s := range symbols {
		number(h, int(m.vocab[s]))
		text(h, s)
	}
	pairs := make([][2]string, len(m.merges)) // ranks are those from 0 on
	for p, rank := range m.merges {
		pairs[rank] = p
	}
	number(h, len(pairs))
	for _, p := range pairs {
		text(h, p[0])
		text(h, p[1])
	}
	return h.Sum(nil)
}

// text writes a string after its length.
func text(h hash.Hash, s string) {
	number(h, len(s))
	_, _ = io.WriteString(h, s) // a hash never fails
}

func number(h hash.Hash, n int) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}
