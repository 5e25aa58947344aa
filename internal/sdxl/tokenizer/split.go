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

// contractions are words of their own where they follow an apostrophe.
var contractions = []string{"'s", "'t", "'re", "'ve", "'m", "'ll", "'d"}

// class divides characters as the pattern of a convention does.
type class uint8

const (
	nothing class = iota // white space, or what a convention drops
	letter               // joined to words
	digit                // a word each
	other                // joined to words of their own
)

// transformers has letters and numbers of all scripts.
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

// refinersClass has ASCII letters and digits; other letters, digits and the
// underscore are dropped.
func refinersClass(r rune) class {
	switch {
	case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z':
		return letter
	case r >= '0' && r <= '9':
		return digit
	case unicode.IsSpace(r) || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
		return nothing
	}
	return other
}

// nextWord finds the first word of s: the text before it that is dropped, and its length; 0 when there is none.
func nextWord(s string, classify func(rune) class) (skip, n int) {
	for skip < len(s) {
		r, size := utf8.DecodeRuneInString(s[skip:])
		c := classify(r)
		if c == nothing {
			skip += size
			continue
		}
		rest := s[skip:]
		for _, w := range contractions {
			if strings.HasPrefix(rest, w) {
				return skip, len(w)
			}
		}
		n = size
		if c == digit {
			return skip, n
		}
		for n < len(rest) {
			r, size := utf8.DecodeRuneInString(rest[n:])
			if classify(r) != c {
				break
			}
			n += size
		}
		return skip, n
	}
	return skip, 0
}
