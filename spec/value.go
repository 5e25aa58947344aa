package spec

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// Kind is the sort of a value. Scalars are typed by these rules, not by YAML's guesses.
type Kind uint8

// Kinds of values.
const (
	Null Kind = iota
	Bool
	Int   // whole digits without a leading zero
	Float // digits with a point or an exponent: 1e-3 is one
	String
	List
	Map
)

// String names the kind for people.
func (k Kind) String() string {
	return [...]string{"nothing", "true or false", "a whole number", "a number", "text", "a list", "a map"}[k]
}

// Value is a value of a workflow file.
type Value struct {
	Pos   Pos
	Kind  Kind
	Text  string // of a scalar, as written (without quotes): all digits are kept
	Plain bool   // a scalar without quotes
	// Ref is set where a scalar refers to something else.
	Ref     *Ref
	Items   []*Value
	Entries []Entry
	dollar  bool // the text was written with another $ before it
	from    Pos  // where Text begins inside the file: after a quote
}

// Entry is one key of a map with its value.
type Entry struct {
	Key   Word
	Value *Value
}

// Word is a text with its position.
type Word struct {
	Text string
	Pos  Pos
}

// Get finds an entry of a map.
func (v *Value) Get(key string) *Value {
	for _, e := range v.Entries {
		if e.Key.Text == key {
			return e.Value
		}
	}
	return nil
}

// Scalar says whether the value is neither list nor map.
func (v *Value) Scalar() bool { return v.Kind != List && v.Kind != Map }

// Describe says what the value is, for messages.
func (v *Value) Describe() string {
	if v.Ref != nil {
		return "the reference " + shorten(v.Text)
	}
	switch v.Kind {
	case List, Map, Null:
		if v.Kind == List && len(v.Items) == 0 || v.Kind == Map && len(v.Entries) == 0 {
			return "an empty " + strings.TrimPrefix(v.Kind.String(), "a ")
		}
		return v.Kind.String()
	case String:
		return "the text " + Quote(v.Text)
	}
	return Quote(v.Text)
}

// at is the position of characters [i,j) (in bytes of Text) of a scalar.
func (v *Value) at(i, j int) Pos {
	p := v.from
	if strings.Contains(v.Text[:i], "\n") || !p.Known() {
		return v.Pos
	}
	return Pos{p.Line, p.Col + utf8.RuneCountInString(v.Text[:i]), utf8.RuneCountInString(v.Text[i:j])}
}

var (
	intText   = regexp.MustCompile(`^[-+]?(0|[1-9][0-9]*)$`)
	floatText = regexp.MustCompile(`^[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+)([eE][-+]?[0-9]+)?$`)
	zeroText  = regexp.MustCompile(`^[-+]?0[0-9]+$`)
	baseText  = regexp.MustCompile(`^[-+]?0[xXoObB][0-9a-fA-F_]+$`)
	groupText = regexp.MustCompile(`^[-+]?[0-9][0-9_]*_[0-9_]*$`)
	clockText = regexp.MustCompile(`^[-+]?[0-9]+(:[0-9]+)+$`)
	endText   = regexp.MustCompile(`^[-+]?\.?(inf|Inf|INF|nan|NaN|NAN)$`)
)

// classify types a scalar without quotes.
func classify(s string) Kind {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return Null
	case "true", "True", "TRUE", "false", "False", "FALSE":
		return Bool
	}
	switch {
	case zeroText.MatchString(s):
		return String
	case intText.MatchString(s):
		return Int
	case floatText.MatchString(s):
		return Float
	}
	return String
}

// NumberHint says how to write a number that was written in a way that readers of YAML take differently.
func NumberHint(s string) string {
	switch {
	case zeroText.MatchString(s):
		return "a leading zero means eight to some readers and ten to others; write " + strings.TrimLeft(strings.TrimLeft(s, "+-"), "0")
	case baseText.MatchString(s):
		return "write the number in decimal digits"
	case groupText.MatchString(s):
		return "write " + strings.ReplaceAll(s, "_", "")
	case clockText.MatchString(s):
		return "numbers to the base 60 are not read; write decimal digits"
	case endText.MatchString(s):
		return "a number must be finite"
	}
	switch strings.ToLower(s) {
	case "yes", "on", "y":
		return "write true"
	case "no", "off", "n":
		return "write false"
	}
	return ""
}

// Quote shows a text in a message: short, without control characters.
func Quote(s string) string {
	return `"` + safetext.Line(shorten(s)) + `"`
}

// shorten cuts a text that is too long for a message.
func shorten(s string) string {
	const most = 60
	n := 0
	for i := range s {
		if n == most-1 && utf8.RuneCountInString(s[i:]) > 1 {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
