package ptx

import (
	"encoding/hex"
	"strconv"
	"strings"
)

// kind of a token
type tokenKind uint8

const (
	endToken tokenKind = iota
	word               // identifiers, directives, opcodes with their points
	number             // Int and, for 0f and 0d, bits
	text               // "..."
	punct              // one character
)

type token struct {
	kind tokenKind
	s    string
	n    uint64
	bits uint8 // 32 or 64 for a float given by its bits
	line int
}

// lexer cuts the text into tokens.
type lexer struct {
	src  string
	at   int
	line int
}

func isWord(c byte, first bool) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$' || c == '%' || c == '.' || !first && c >= '0' && c <= '9'
}

// skip passes over blanks and comments.
func (l *lexer) skip() error {
	for l.at < len(l.src) {
		rest := l.src[l.at:]
		switch {
		case rest[0] == '\n':
			l.line++
			l.at++
		case rest[0] == ' ' || rest[0] == '\t' || rest[0] == '\r':
			l.at++
		case strings.HasPrefix(rest, "//"):
			n := strings.IndexByte(rest, '\n')
			if n < 0 {
				n = len(rest)
			}
			l.at += n
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest, "*/")
			if n < 0 {
				return &Error{l.line, "the comment /* does not end"}
			}
			l.line += strings.Count(rest[:n], "\n")
			l.at += n + 2
		default:
			return nil
		}
	}
	return nil
}

// next gives the next token.
func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	if l.at >= len(l.src) {
		return token{kind: endToken, line: l.line}, nil
	}
	c := l.src[l.at]
	switch {
	case isWord(c, true):
		return l.word(), nil
	case c >= '0' && c <= '9':
		return l.number()
	case c == '"':
		n := strings.IndexAny(l.src[l.at+1:], "\"\n")
		if n < 0 || l.src[l.at+1+n] == '\n' {
			return token{}, &Error{l.line, "the string does not end on its line"}
		}
		t := token{kind: text, s: l.src[l.at+1 : l.at+1+n], line: l.line}
		l.at += n + 2
		return t, nil
	case strings.IndexByte("{}()[]<>,;:+-!|@=~*/", c) >= 0:
		l.at++
		return token{kind: punct, s: l.src[l.at-1 : l.at], line: l.line}, nil
	}
	return token{}, &Error{l.line, "unexpected character " + strconv.QuoteRune(rune(c))}
}

func (l *lexer) word() token {
	i := l.at + 1
	for i < len(l.src) {
		if strings.HasPrefix(l.src[i:], "::") {
			i += 2
			continue
		}
		if !isWord(l.src[i], false) {
			break
		}
		i++
	}
	t := token{kind: word, s: l.src[l.at:i], line: l.line}
	l.at = i
	return t
}

func (l *lexer) number() (token, error) {
	i := l.at
	for i < len(l.src) && isWord(l.src[i], false) && l.src[i] != '%' && l.src[i] != '$' {
		i++
	}
	s := l.src[l.at:i]
	l.at = i
	t := token{kind: number, s: s, line: l.line}
	if len(s) > 2 && s[0] == '0' {
		digits, want := s[2:], 0
		switch s[1] {
		case 'f', 'F':
			t.bits, want = 32, 8
		case 'd', 'D':
			t.bits, want = 64, 16
		}
		if want > 0 {
			if len(digits) != want {
				return t, &Error{l.line, "a float has " + strconv.Itoa(want) + " hexadecimal digits: " + s}
			}
			b, err := hex.DecodeString(digits)
			if err != nil {
				return t, &Error{l.line, "not a number: " + s}
			}
			for _, v := range b {
				t.n = t.n<<8 | uint64(v)
			}
			return t, nil
		}
	}
	n, err := strconv.ParseUint(strings.TrimSuffix(s, "U"), 0, 64)
	if err != nil {
		return t, &Error{l.line, "not a number: " + s}
	}
	t.n = n
	return t, nil
}
