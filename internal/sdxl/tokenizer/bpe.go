package tokenizer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
)

// bpe is a byte-pair encoding (Sennrich et al., 2016) over bytes.
type bpe struct {
	vocab   map[string]int32
	merges  map[[2]string]int // rank of a pair
	unknown int32
	alone   bool // bytes that have another character's place in the table (see renamed) merge with nothing
}

// endOfWord marks the last symbol of a word.
const endOfWord = "</w>"

// byteSymbols are the characters that stand for bytes: GPT-2's table.
var byteSymbols = func() (t [256]string) {
	next := rune(256)
	for b := range 256 {
		r := rune(b)
		if !(r >= '!' && r <= '~' || r >= 0xa1 && r <= 0xac || r >= 0xae && r <= 0xff) {
			r, next = next, next+1
		}
		t[b] = string(r)
	}
	return t
}()

// renamed says whether a symbol holds a byte that is no printable character of Latin-1, for which the table has one from
// U+0100 on: dashes, quotation marks and emoji have such bytes.
func renamed(symbol string) bool {
	return strings.ContainsFunc(symbol, func(r rune) bool { return r >= 256 })
}

// parseVocab reads vocab.json: a map from symbols to ids.
func parseVocab(data []byte) (map[string]int32, error) {
	var vocab map[string]int32
	if err := json.Unmarshal(data, &vocab); err != nil {
		return nil, fmt.Errorf("vocab.json: %w", err)
	}
	return vocab, checkVocab("vocab.json", vocab)
}

// checkVocab says what is wrong with the vocabulary of a file.
func checkVocab(file string, vocab map[string]int32) error {
	if len(vocab) == 0 {
		return fmt.Errorf("%s: holds no symbols", file)
	}
	for s, id := range vocab {
		if id < 0 {
			return fmt.Errorf("%s: symbol %q has the negative id %d", file, s, id)
		}
	}
	return nil
}

// addMerge gives a pair the next rank, unless it has one. The merged symbol must be in the vocabulary.
func addMerge(merges map[[2]string]int, vocab map[string]int32, p [2]string) error {
	if p[0] == "" || p[1] == "" || strings.Contains(p[0]+p[1], " ") {
		return fmt.Errorf("want two symbols without spaces, found %q and %q", p[0], p[1])
	}
	if _, ok := vocab[p[0]+p[1]]; !ok {
		return fmt.Errorf("the merged symbol %q is not in the vocabulary", p[0]+p[1])
	}
	if _, ok := merges[p]; !ok {
		merges[p] = len(merges)
	}
	return nil
}

// parseMerges reads merges.txt: two symbols a line, after an optional line "#version".
// Every symbol and every merged pair must be in the vocabulary.
func parseMerges(data []byte, vocab map[string]int32) (map[[2]string]int, error) {
	merges := make(map[[2]string]int)
	sc := bufio.NewScanner(bytes.NewReader(data))
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimRight(sc.Text(), "\r")
		if line == "" || n == 1 && strings.HasPrefix(line, "#version") {
			continue
		}
		a, b, _ := strings.Cut(line, " ")
		if err := addMerge(merges, vocab, [2]string{a, b}); err != nil {
			return nil, fmt.Errorf("merges.txt:%d: %w", n, err)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, fmt.Errorf("merges.txt: %w", err)
	}
	return merges, nil
}

// encode gives the ids of one word: lowest-ranked pairs are merged first, from the left.
func (m *bpe) encode(word string) []int32 {
	symbols := make([]string, 0, len(word))
	for i := range len(word) {
		symbols = append(symbols, byteSymbols[word[i]])
	}
	if len(symbols) == 0 {
		return nil
	}
	symbols[len(symbols)-1] += endOfWord
	for len(symbols) > 1 {
		best, at := -1, 0
		for i := range len(symbols) - 1 {
			if rank, ok := m.merges[[2]string{symbols[i], symbols[i+1]}]; ok && (best < 0 || rank < best) && !(m.alone && (renamed(symbols[i]) || renamed(symbols[i+1]))) {
				best, at = rank, i
			}
		}
		if best < 0 {
			break
		}
		symbols[at] += symbols[at+1]
		symbols = append(symbols[:at+1], symbols[at+2:]...)
	}
	ids := make([]int32, len(symbols))
	for i, s := range symbols {
		id, ok := m.vocab[s]
		if !ok {
			id = m.unknown
		}
		ids[i] = id
	}
	return ids
}
