package spec

import (
	"regexp"
	"strings"
)

// Root says what a reference is rooted in.
type Root uint8

// Roots of references.
const (
	NodeRoot Root = iota
	ParamsRoot
	ModelsRoot
	FilesRoot
)

// Ref is a reference: $node.output, $node, $params.x, $models.x or $files.x.
type Ref struct {
	Root   Root
	Name   Word // of the node, parameter, model or file
	Output Word // of a node; empty where the node has one output
}

var (
	nameText = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
	refText  = regexp.MustCompile(`^\$([A-Za-z][A-Za-z0-9_-]*)(?:\.([A-Za-z][A-Za-z0-9_-]*))?$`)
	holeText = regexp.MustCompile(`\$?\$\{[^}]*\}?`)
)

// roots are the reserved first words of references.
var roots = map[string]Root{"params": ParamsRoot, "models": ModelsRoot, "files": FilesRoot}

// reference recognises a reference in a scalar, and a literal dollar sign.
func (r *reader) reference(v *Value) {
	s := v.Text
	switch {
	case !strings.HasPrefix(s, "$") || strings.HasPrefix(s, "${"):
		return
	case strings.HasPrefix(s, "$${"): // a template that begins with a literal ${
		return
	case strings.HasPrefix(s, "$$"):
		v.Text, v.dollar = s[1:], true
		v.from = Pos{v.from.Line, v.from.Col + 1, 0}
		if v.from.Line == 0 {
			v.from = Pos{}
		}
		return
	}
	m := refText.FindStringSubmatchIndex(s)
	if m == nil {
		r.errorf(v.Pos, "F0201", "write $node.output, $params.x, $models.x or $files.x; $$ starts a literal $", "%s is no reference", Quote(s))
		return
	}
	word := func(i int) Word {
		if m[i] < 0 {
			return Word{}
		}
		return Word{s[m[i]:m[i+1]], v.at(m[i], m[i+1])}
	}
	ref := &Ref{Name: word(2), Output: word(4)}
	if root, ok := roots[ref.Name.Text]; ok {
		if ref.Output.Text == "" {
			r.errorf(v.Pos, "F0201", "write "+s+".NAME", "%s names nothing under %s", Quote(s), ref.Name.Text)
			return
		}
		ref = &Ref{Root: root, Name: ref.Output}
	}
	v.Ref = ref
}

// hole is one ${...} of a template.
type hole struct {
	start, end int // in bytes of the text
	name       string
	literal    bool // $${: stands for ${ itself
}

// holes finds the places of a template that are filled in.
func holes(s string) []hole {
	var out []hole
	for _, m := range holeText.FindAllStringIndex(s, -1) {
		h := hole{start: m[0], end: m[1]}
		text := s[m[0]:m[1]]
		if strings.HasPrefix(text, "$$") {
			h.literal = true
		} else if strings.HasSuffix(text, "}") {
			h.name = text[2 : len(text)-1]
		}
		out = append(out, h)
	}
	return out
}

// Templated says whether a text has places to fill in.
func (v *Value) Templated() bool { return v.Kind == String && v.Ref == nil && len(holes(v.Text)) > 0 }
