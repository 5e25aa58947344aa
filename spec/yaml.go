package spec

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// reader turns yaml.v3's nodes, which stay in this file, into values.
type reader struct {
	*collector
	values  int
	lines   []string
	widths  []int               // characters of each line
	aliases map[*yaml.Node]bool // aliases being followed
}

// yamlLine finds the line in an error of yaml.v3.
var yamlLine = regexp.MustCompile(`line (\d+): `)

// readYAML parses text that [checkText] has passed. It returns nil after errors that leave nothing to look at.
func readYAML(c *collector, src []byte) *Value {
	r := &reader{collector: c, lines: strings.Split(string(src), "\n"), aliases: make(map[*yaml.Node]bool)}
	for _, line := range r.lines {
		r.widths = append(r.widths, utf8.RuneCountInString(line))
	}
	dec := yaml.NewDecoder(strings.NewReader(string(src)))
	var doc, more yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if err.Error() == "EOF" {
			c.errorf(Pos{1, 1, 1}, "F0107", "begin with flow: v1", "the file is empty")
			return nil
		}
		r.syntax(err)
		return nil
	}
	if err := dec.Decode(&more); err == nil {
		r.errorf(Pos{more.Line, more.Column, 1}, "F0104", "one file holds one workflow", "a second YAML document begins here")
	} else if err.Error() != "EOF" {
		r.syntax(err)
	}
	if len(doc.Content) == 0 {
		c.errorf(Pos{1, 1, 1}, "F0107", "begin with flow: v1", "the file is empty")
		return nil
	}
	return r.value(doc.Content[0], 0)
}

// syntax reports an error of yaml.v3 at its line; the column is where the line's text begins.
func (r *reader) syntax(err error) {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	pos := Pos{1, 1, 1}
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		msg = strings.Replace(msg, m[0], "", 1)
		pos.Line, _ = strconv.Atoi(m[1])
		if strings.HasPrefix(msg, "did not find") { // errors of its parser count lines from 0
			pos.Line++
		}
	}
	pos.Line = max(1, min(pos.Line, len(r.lines)))
	line := r.lines[pos.Line-1]
	text := strings.TrimLeft(line, " \t")
	pos.Col = utf8.RuneCountInString(line) - utf8.RuneCountInString(text) + 1
	pos.Len = max(1, utf8.RuneCountInString(strings.TrimRight(text, " \r")))
	if at := culprit(msg, line); at >= 0 {
		pos.Col, pos.Len = utf8.RuneCountInString(line[:at])+1, 1
	}
	hint := ""
	switch {
	case strings.Contains(line[:len(line)-len(text)], "\t"):
		hint = "indent with spaces; YAML allows no tabs"
	case strings.Contains(msg, "mapping values are not allowed"):
		hint = "text with \": \" in it needs quotes"
	case strings.Contains(msg, "did not find expected ',' or '}'"), strings.Contains(msg, "did not find expected ',' or ']'"):
		hint = "close the bracket, or put quotes around text with brackets, commas or braces in it"
	case strings.Contains(msg, "cannot start any token"):
		hint = "put the text in quotes"
	case strings.Contains(msg, "did not find expected key"):
		hint = "keys of one map begin in one column, and brackets and quotes are closed"
	}
	r.errorf(pos, "F0103", hint, "YAML: %s", safetext.Line(msg))
}

// What a line holds where yaml.v3 tells the line alone.
var (
	startText = regexp.MustCompile("(?:^|[ \\[{,])([@`%])")
	colonText = regexp.MustCompile(`:[ \t].*?(:)(?:[ \t]|$)`)
)

// culprit finds the byte of a line that an error of yaml.v3 means; -1 if it cannot be told.
func culprit(msg, line string) int {
	var m []int
	switch {
	case strings.Contains(msg, "cannot start any token"):
		m = startText.FindStringSubmatchIndex(line)
	case strings.Contains(msg, "mapping values are not allowed"):
		m = colonText.FindStringSubmatchIndex(line)
	}
	if m == nil {
		return -1
	}
	return m[2]
}

// value converts a node.
func (r *reader) value(n *yaml.Node, depth int) *Value {
	r.values++
	v := &Value{Pos: r.pos(n)}
	if r.values > maxValues {
		if r.values == maxValues+1 {
			r.errorf(v.Pos, "F0104", "write the values out, or use fewer aliases", "aliases expand to more than %d values", maxValues)
		}
		return v
	}
	if depth > maxDepth {
		r.errorf(v.Pos, "F0104", "", "lists and maps are nested more than %d deep", maxDepth)
		return v
	}
	if n.Kind != yaml.AliasNode && n.Style&yaml.TaggedStyle != 0 {
		r.errorf(v.Pos, "F0104", "leave the tag out", "the tag %s is not part of the language", safetext.Line(n.Tag))
	}
	switch n.Kind {
	case yaml.AliasNode:
		if r.aliases[n.Alias] {
			r.errorf(v.Pos, "F0104", "", "the alias *%s contains itself", safetext.Line(n.Value))
			return v
		}
		r.aliases[n.Alias] = true
		v = r.value(n.Alias, depth+1)
		delete(r.aliases, n.Alias)
		v.Pos, v.from = r.pos(n), Pos{}
	case yaml.SequenceNode:
		v.Kind = List
		for _, item := range n.Content {
			v.Items = append(v.Items, r.value(item, depth+1))
		}
	case yaml.MappingNode:
		r.mapping(v, n, depth)
	default:
		r.scalar(v, n)
	}
	return v
}

func (r *reader) mapping(v *Value, n *yaml.Node, depth int) {
	v.Kind = Map
	first := make(map[string]Pos)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		key := Word{k.Value, r.pos(k)}
		value := r.value(n.Content[i+1], depth+1)
		switch {
		case k.Kind != yaml.ScalarNode:
			r.errorf(key.Pos, "F0104", "", "a key must be text")
			continue
		case k.Value == "<<" && k.Style == 0:
			r.errorf(key.Pos, "F0104", "write the keys out", "merge keys are not part of the language")
			continue
		}
		if at, ok := first[key.Text]; ok {
			r.add(Diagnostic{Pos: key.Pos, Code: "F0105", Message: "the key " + Quote(key.Text) + " stands here a second time",
				Hint: "keep one of the two", Related: []Related{{at, "the first one"}}})
			continue
		}
		first[key.Text] = key.Pos
		v.Entries = append(v.Entries, Entry{key, value})
	}
}

func (r *reader) scalar(v *Value, n *yaml.Node) {
	v.Text, v.Kind = n.Value, String
	switch {
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0:
		v.from = Pos{v.Pos.Line, v.Pos.Col + 1, 0}
		const long = 1 << 12
		if line := r.line(v.Pos.Line); len(line) > long || !strings.Contains(line, n.Value) { // escapes: positions inside cannot be told
			v.from = Pos{}
		}
	default:
		v.Plain, v.Kind, v.from = true, classify(n.Value), v.Pos
	}
	if v.Kind == String {
		r.reference(v)
	}
}

func (r *reader) line(n int) string {
	if n < 1 || n > len(r.lines) {
		return ""
	}
	return r.lines[n-1]
}

// pos is the position of a node; a scalar's length is what it takes on its line.
func (r *reader) pos(n *yaml.Node) Pos {
	p := Pos{n.Line, n.Column, 1}
	if n.Kind == yaml.AliasNode {
		p.Len = len([]rune(n.Value)) + 1
		return p
	}
	if n.Kind != yaml.ScalarNode || n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return p
	}
	first, _, _ := strings.Cut(n.Value, "\n")
	p.Len = max(1, len([]rune(first)))
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 {
		p.Len += 2
	}
	if n.Line >= 1 && n.Line <= len(r.widths) {
		p.Len = max(1, min(p.Len, r.widths[n.Line-1]-n.Column+1))
	}
	return p
}
