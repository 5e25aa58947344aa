package spec

import (
	"slices"
	"strconv"
	"strings"
)

// parser makes a document of values.
type parser struct {
	*collector
	d        *Document
	declared map[string]map[string]bool // names of each block, of faulty declarations too
}

var topKeys = []string{"flow", "name", "version", "description", "params", "models", "files", "numerics", "nodes", "outputs", "matrix", "tests"}

// document reads the file's blocks. It says whether the file is a workflow in a language that is read here.
func (p *parser) document() bool {
	root := p.d.Root
	if root.Kind != Map {
		p.errorf(root.Pos, "F0301", "begin with flow: v1", "a workflow is a map, this is %s", root.Describe())
		return false
	}
	if !p.header(root) {
		return false // in another language the rest may be right
	}
	p.keys(root, "a workflow", topKeys)
	p.params(root.Get("params"))
	p.files(root)
	p.numerics(root.Get("numerics"))
	p.nodes(root)
	p.outputs(root.Get("outputs"))
	p.d.indexNames()
	p.tests(root.Get("tests"))
	p.matrix(root)
	if len(p.d.Nodes) > 0 {
		p.references()
	}
	return true
}

// keys reports keys that are not known.
func (p *parser) keys(v *Value, what string, known []string) {
	for _, e := range v.Entries {
		if !p.full() && !slices.Contains(known, e.Key.Text) {
			hint := Suggest(e.Key.Text, known)
			if hint == "" {
				hint = "known are " + strings.Join(known, ", ")
			}
			p.errorf(e.Key.Pos, "F0106", hint, "%s has no key %s", what, Quote(e.Key.Text))
		}
	}
}

// key is the position of a key of a map.
func (p *parser) key(v *Value, name string) Pos {
	for _, e := range v.Entries {
		if e.Key.Text == name {
			return e.Key.Pos
		}
	}
	return v.Pos
}

// header reads flow, name, version and description. It says whether the file is in a language that is read here, or in none.
func (p *parser) header(root *Value) bool {
	flow := root.Get("flow")
	switch {
	case flow == nil:
		p.errorf(root.Pos, "F0107", "begin with flow: "+Version, "the language version is missing")
	case !flow.Scalar():
		p.errorf(flow.Pos, "F0108", "write flow: "+Version, "flow is the language's version, this is %s", flow.Describe())
	case flow.Text != Version:
		hint := "write flow: " + Version
		if n, err := strconv.Atoi(strings.TrimPrefix(flow.Text, "v")); err == nil && n > 1 {
			hint = "no release up to this one reads it: look for a newer flow, or write flow: " + Version
		}
		p.errorf(flow.Pos, "F0108", hint, "there is no language version %s", Quote(flow.Text))
		return false
	default:
		p.d.Flow = Word{flow.Text, flow.Pos}
	}
	p.d.Name, p.d.Version = p.word(root.Get("name"), "name"), p.word(root.Get("version"), "version")
	p.word(root.Get("description"), "description")
	if n := root.Get("name"); n != nil && n.Scalar() && n.Kind != Null && n.Ref == nil && !nameText.MatchString(n.Text) {
		p.errorf(n.Pos, "F0109", "letters, digits, - and _ only: the name becomes part of file names", "%s is no name", Quote(n.Text))
	}
	return true
}

// word reads a text or number.
func (p *parser) word(v *Value, what string) Word {
	if v == nil {
		return Word{}
	}
	if !v.Scalar() || v.Kind == Null || v.Kind == Bool || v.Ref != nil {
		hint := ""
		if v.Kind == Bool {
			hint = "put it in quotes"
		}
		p.errorf(v.Pos, "F0301", hint, "%s is text, this is %s", what, v.Describe())
		return Word{}
	}
	return Word{v.Text, v.Pos}
}

// block gives the entries of a map of named things, with checked names.
func (p *parser) block(v *Value, what string) []Entry {
	if v == nil || v.Kind == Null {
		return nil
	}
	if v.Kind != Map {
		p.errorf(v.Pos, "F0301", "write NAME: {...} for each", "%s is a map of names, this is %s", what, v.Describe())
		return nil
	}
	p.declared[what] = make(map[string]bool)
	for _, e := range v.Entries {
		p.declared[what][e.Key.Text] = true
		if !nameText.MatchString(e.Key.Text) {
			p.errorf(e.Key.Pos, "F0109", "letters, digits, - and _, a letter first", "%s is no name", Quote(e.Key.Text))
		}
	}
	return v.Entries
}

// body demands a map as the value of a named thing.
func (p *parser) body(e Entry, what string, known []string) bool {
	if e.Value.Kind != Map {
		p.errorf(e.Value.Pos, "F0301", "", "%s %s is a map, this is %s", what, Quote(e.Key.Text), e.Value.Describe())
		return false
	}
	if known != nil {
		p.keys(e.Value, what, known)
	}
	return true
}

// files reads models and files.
func (p *parser) files(root *Value) {
	for _, e := range p.block(root.Get("models"), "models") {
		if path := p.path(e, "a model", []string{"path", "variant", "config", "source", "license"}); path != nil {
			m := &Model{Name: e.Key, Path: path, Variant: p.word(e.Value.Get("variant"), "variant"), Origin: p.origin(e.Value)}
			if c := e.Value.Get("config"); c != nil {
				m.Config = p.pathText(c)
			}
			p.d.Models = append(p.d.Models, m)
		}
	}
	for _, e := range p.block(root.Get("files"), "files") {
		if path := p.path(e, "a file", []string{"path", "source", "license"}); path != nil {
			p.d.Files = append(p.d.Files, &FileRef{Name: e.Key, Path: path, Origin: p.origin(e.Value)})
		}
	}
}

// origin reads where a declared file comes from.
func (p *parser) origin(v *Value) Origin {
	return Origin{p.word(v.Get("source"), "source"), p.word(v.Get("license"), "license")}
}

// path reads {path: ...}, or the path alone.
func (p *parser) path(e Entry, what string, known []string) *Value {
	v := e.Value
	if v.Kind == Map {
		p.keys(v, what, known)
		if v = v.Get("path"); v == nil {
			p.errorf(e.Value.Pos, "F0107", "write {path: ...}", "%s %s has no path", strings.TrimPrefix(what, "a "), Quote(e.Key.Text))
			return nil
		}
	}
	return p.pathText(v)
}

// pathText demands a path: text without references and templates.
func (p *parser) pathText(v *Value) *Value {
	if v.Kind != String || v.Ref != nil || v.Text == "" {
		p.errorf(v.Pos, "F0301", "", "a path is text, this is %s", v.Describe())
		return nil
	}
	if v.Templated() {
		p.errorf(v.Pos, "F0201", "write the path out; the cache needs to know every file", "a path that is read is no template")
		return nil
	}
	return v
}

// numerics reads the numerics block; absent entries have the constants of v1.
func (p *parser) numerics(v *Value) {
	p.d.Numerics = Numerics{Word{Text: "bf16"}, Word{Text: "cpu"}, Word{Text: "diffusers"}, Word{Text: "resident"}}
	if v == nil || v.Kind == Null {
		return
	}
	if v.Kind != Map {
		p.errorf(v.Pos, "F0301", "", "numerics is a map, this is %s", v.Describe())
		return
	}
	p.keys(v, "numerics", []string{"precision", "device", "edition", "weights"})
	for _, f := range []struct {
		name string
		to   *Word
		of   []string
	}{{"precision", &p.d.Precision, Precisions}, {"device", &p.d.Device, Devices}, {"edition", &p.d.Edition, Editions}, {"weights", &p.d.Weights, Residences}} {
		x := v.Get(f.name)
		if x == nil {
			continue
		}
		if !slices.Contains(f.of, x.Text) || x.Ref != nil {
			hint := Suggest(x.Text, f.of)
			if hint == "" {
				hint = "one of " + strings.Join(f.of, ", ")
			}
			p.errorf(x.Pos, "F0801", hint, "there is no %s %s", f.name, Quote(x.Text))
			continue
		}
		*f.to = Word{x.Text, x.Pos}
	}
}

// Values of the numerics block.
var (
	Precisions = []string{"fp32", "bf16", "fp16"}
	Devices    = []string{"cpu", "cuda", "auto"}
	Editions   = []string{"diffusers", "refiners"}
	Residences = []string{"resident", "streamed"}
)

// nodes reads the nodes.
func (p *parser) nodes(root *Value) {
	v := root.Get("nodes")
	if v == nil {
		p.errorf(root.Pos, "F0107", "nodes: {NAME: {kind: KIND, ...}}", "the workflow has no nodes")
		return
	}
	if v.Kind == Map && len(v.Entries) == 0 || v.Kind == Null {
		p.errorf(v.Pos, "F0107", "nodes: {NAME: {kind: KIND, ...}}", "the workflow has no nodes")
		return
	}
	for _, e := range p.block(v, "nodes") {
		if _, reserved := roots[e.Key.Text]; reserved || e.Key.Text == "name" {
			p.errorf(e.Key.Pos, "F0109", "params, models, files and name are reserved", "a node cannot be called %s", Quote(e.Key.Text))
		}
		if !p.body(e, "node", nil) {
			continue
		}
		n := &Node{Name: e.Key, Pos: e.Value.Pos}
		for _, a := range e.Value.Entries {
			if a.Key.Text == "kind" {
				p.kind(n, a.Value)
				continue
			}
			n.Args = append(n.Args, a)
		}
		if e.Value.Get("kind") == nil {
			p.errorf(e.Key.Pos, "F0107", "flow kinds lists the kinds", "node %s has no kind", Quote(e.Key.Text))
		}
		p.d.Nodes = append(p.d.Nodes, n)
	}
}

// kind reads NAME or NAME@VERSION.
func (p *parser) kind(n *Node, v *Value) {
	w := p.word(v, "kind")
	name, version, versioned := strings.Cut(w.Text, "@")
	n.Kind = Word{name, w.Pos}
	if !versioned {
		return
	}
	i, err := strconv.Atoi(version)
	if err != nil || i < 1 || strconv.Itoa(i) != version {
		p.errorf(v.Pos, "F0401", "write "+shorten(name)+"@1", "%s is no version of a kind", Quote(version))
		return
	}
	n.Version = i
}

// outputs reads what is written.
func (p *parser) outputs(v *Value) {
	for _, e := range p.block(v, "outputs") {
		if !p.body(e, "output", []string{"from", "path"}) {
			continue
		}
		o := &Output{Name: e.Key, From: e.Value.Get("from"), Path: e.Value.Get("path"), Pos: e.Value.Pos}
		if o.From == nil {
			p.errorf(e.Key.Pos, "F0107", "from: $NODE.OUTPUT", "output %s does not say what is written", Quote(e.Key.Text))
			continue
		}
		if o.From.Ref == nil || o.From.Ref.Root != NodeRoot {
			p.errorf(o.From.Pos, "F0205", "from: $NODE.OUTPUT", "an output comes from a node, this is %s", o.From.Describe())
			continue
		}
		if o.Path == nil {
			p.errorf(e.Key.Pos, "F0107", "path: out/NAME.png", "output %s has no path", Quote(e.Key.Text))
			continue
		}
		if o.Path.Kind != String || o.Path.Ref != nil || o.Path.Text == "" {
			p.errorf(o.Path.Pos, "F0301", "", "a path is text, this is %s", o.Path.Describe())
			continue
		}
		p.d.Outputs = append(p.d.Outputs, o)
	}
}

// ParseData reads a file of plain data, such as a lock, by the language's rules for text, YAML and values. The value is nil when nothing could
// be made of the text.
func ParseData(file string, src []byte) (*Value, []Diagnostic) {
	c := &collector{file: file}
	src, ok := checkText(c, src)
	if !ok {
		return nil, Sort(c.list)
	}
	root := readYAML(c, src)
	return root, Sort(c.list)
}
