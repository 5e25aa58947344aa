package spec

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// Resolve writes the workflow anew after [Document.Bind]: each parameter's default is the value that it has, numerics are as given, and comments, matrix and
// tests are left out. It renders what the document renders. Paths that begin at a file system's root keep their last part alone.
func (d *Document) Resolve(precision, device, edition string) ([]byte, error) {
	root := &Value{Kind: Map}
	for _, e := range d.Root.Entries {
		switch e.Key.Text {
		case "matrix", "tests", "numerics":
			continue
		case "params":
			e.Value = d.bound(e.Value)
		case "models", "files":
			e.Value = relative(e.Value)
		case "nodes":
			root.Entries = append(root.Entries, Entry{word("numerics"), &Value{Kind: Map, Entries: []Entry{
				{word("precision"), plainText(precision)}, {word("device"), plainText(device)}, {word("edition"), plainText(edition)}}}})
		}
		root.Entries = append(root.Entries, e)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(yamlNode(root, 0)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

func word(s string) Word        { return Word{Text: s} }
func plainText(s string) *Value { return &Value{Kind: String, Text: s} }

// isDollar says whether a text is written with another $ before it, so that no reader takes it for a reference.
func isDollar(s string) bool {
	return strings.HasPrefix(s, "$") && !strings.HasPrefix(s, "${") && !strings.HasPrefix(s, "$${")
}

// with is a map with another value for a key, which is added where it is not there.
func with(v *Value, key string, x *Value) *Value {
	out := &Value{Kind: Map}
	for _, e := range v.Entries {
		if e.Key.Text != key {
			out.Entries = append(out.Entries, e)
		}
	}
	out.Entries = append(out.Entries, Entry{word(key), x})
	return out
}

// bound gives the declarations of parameters the values that they have.
func (d *Document) bound(block *Value) *Value {
	out := &Value{Kind: Map}
	for _, e := range block.Entries {
		if p := d.Param(e.Key.Text); p != nil && p.Value() != nil {
			v := *p.Value()
			if p.Type == "string" {
				v.Kind, v.dollar = String, isDollar(v.Text) // what was given on a command line is literal
			}
			e.Value = with(e.Value, "default", &v)
		}
		out.Entries = append(out.Entries, e)
	}
	return out
}

// relative cuts paths that say where things lie on one machine.
func relative(block *Value) *Value {
	out := &Value{Kind: Map}
	for _, e := range block.Entries {
		for _, key := range []string{"path", "config"} {
			if v := e.Value.Get(key); v != nil && v.Kind == String && rooted.MatchString(v.Text) {
				e.Value = with(e.Value, key, plainText(path.Base(strings.ReplaceAll(v.Text, `\`, "/"))))
			}
		}
		if e.Value.Kind == String && rooted.MatchString(e.Value.Text) {
			e.Value = plainText(path.Base(strings.ReplaceAll(e.Value.Text, `\`, "/")))
		}
		out.Entries = append(out.Entries, e)
	}
	return out
}

// rooted matches absolute paths of any system, and those below a user's home.
var rooted = regexp.MustCompile(`^(/|\\|~|[A-Za-z]:[\\/])`)

// bare matches texts that need no quotes by any reader's rules.
var bare = regexp.MustCompile(`^[A-Za-z$][A-Za-z0-9_.$/-]*$`)

// flat is the depth from which maps and lists are written on one line.
const flat = 2

// yamlNode turns a value into a node of yaml.v3.
func yamlNode(v *Value, depth int) *yaml.Node {
	switch v.Kind {
	case Map:
		n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		if depth >= flat {
			n.Style = yaml.FlowStyle
		}
		for _, e := range v.Entries {
			n.Content = append(n.Content, yamlText(e.Key.Text), yamlNode(e.Value, depth+1))
		}
		return n
	case List:
		n := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Style: yaml.FlowStyle}
		for _, x := range v.Items {
			n.Content = append(n.Content, yamlNode(x, depth+1))
		}
		return n
	case Null:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Value: "null"}
	case Bool:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!bool", Value: strings.ToLower(v.Text)}
	case Int:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!int", Value: v.Text}
	case Float:
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: v.Text}
	}
	if v.dollar {
		return yamlText("$" + v.Text)
	}
	return yamlText(v.Text)
}

func yamlText(s string) *yaml.Node {
	n := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s}
	if !bare.MatchString(s) || classify(s) != String || NumberHint(s) != "" {
		n.Style = yaml.DoubleQuotedStyle
	}
	return n
}
