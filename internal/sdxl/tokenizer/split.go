package tokenizer

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normalize is NFC, white space to single spaces, lower case character by character.
func normalize(s string, nfc bool) string {
	if nfc {
		s = norm.NFC.String(s)
	}
	var b strings.Builder
	space := false
	for _, r := range s {
		if unicode.IsSpace(r) {
			if !space {
				b.WriteByte(' ')
			}
			space = true
			continue
		}
		space = false
		if r == 'İ' {
			b.WriteString("i̇") // the one character whose lower case is two
			continue
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// fixed are words of their own wherever they stand: the special tokens where they are text like other text, and contractions.
var fixed = []string{"<|startoftext|>", "<|endoftext|>", "'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// class divides characters as the pattern of a convention does.
type class uint8

const (
	nothing class = iota // white space, or what a convention drops
	letter               // joined to words
	digit                // a word each
	other                // joined to words of their own
)

// pattern is a regular expression by which text is divided into words.
type pattern struct {
	classify func(rune) class
	longS    bool // ſ stands for s in fixed words
}

// unicodePattern is transformers': letters and numbers of all scripts.
var unicodePattern = pattern{classify: unicodeClass}

// asciiPattern is that of Refiners' CLIPTokenizer, which Python matches without regard to case: ı and ſ, whose
// upper case is ASCII, count among ASCII's letters.
var asciiPattern = pattern{asciiClass, true}

func unicodeClass(r rune) class {
	switch {
	case unicode.IsSpace(r):
		return nothing
	case unicode.IsLetter(r):
		return letter
	case unicode.IsNumber(r):
		return digit
	}
	return other
}

// asciiClass drops other letters and other digits. White space is Python's, to which the separators U+001C to U+001F belong.
func asciiClass(r rune) class {
	switch {
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == 'ı' || r == 'ſ':
		return letter
	case r >= '0' && r <= '9':
		return digit
	case unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f || unicode.IsLetter(r) || unicode.IsNumber(r):
		return nothing
	}
	return other
}

// next finds the first word of s: the text before it that is dropped, and its length; 0 when there is none.
func (p *pattern) next(s string) (skip, n int) {
	for skip < len(s) {
		r, size := utf8.DecodeRuneInString(s[skip:])
		c := p.classify(r)
		if c == nothing {
			skip += size
			continue
		}
		rest := s[skip:]
		for _, w := range fixed {
			if n := p.prefix(rest, w); n > 0 {
				return skip, n
			}
		}
		n = size
		if c == digit {
			return skip, n
		}
		for n < len(rest) {
			r, size := utf8.DecodeRuneInString(rest[n:])
			if p.classify(r) != c {
				break
			}
			n += size
		}
		return skip, n
	}
	return skip, 0
}

// prefix is the length of the word w at the start of s; 0 where something else stands there.
func (p *pattern) prefix(s, w string) int {
	n := 0
	for _, want := range w {
		r, size := utf8.DecodeRuneInString(s[n:])
		if r != want && !(p.longS && want == 's' && r == 'ſ') {
			return 0
		}
		n += size
	}
	return n
}
