package spec

import "sort"

// Version is the version of the language that this release reads.
const Version = "v1"

// Document is a workflow file.
type Document struct {
	File    string
	Source  []byte
	Root    *Value
	Flow    Word
	Name    Word
	Version Word
	Params  []*Param
	Models  []*Model
	Files   []*FileRef
	Nodes   []*Node
	Outputs []*Output
	Tests   []*Test
	Matrix  *Matrix // nil for none
	Numerics
	byName index
}

// index finds declarations by name.
type index struct {
	params map[string]*Param
	models map[string]*Model
	files  map[string]*FileRef
	nodes  map[string]*Node
}

// Numerics decide the bits of a run, and where it runs.
type Numerics struct {
	Precision Word // "fp32", "bf16" or "fp16"
	Device    Word // "cpu", "cuda" or "auto"
	Edition   Word // "diffusers" or "refiners"
	Weights   Word // "resident" or "streamed"; decides no bit
}

// Param is a declared parameter.
type Param struct {
	Name                          Word
	Type                          string // string, int, float, bool or seed; empty where the declaration is at fault
	Doc                           string
	Default, Min, Max, MultipleOf *Value
	Enum                          []*Value
	value                         *Value // after Bind
	given                         *Override
	used                          bool
}

// Model is a declared weight file or folder.
type Model struct {
	Name    Word
	Path    *Value
	Variant Word
	Config  *Value // a folder that describes a single file; nil for none
	Origin  Origin
	used    bool
}

// Origin says where a file comes from, for people who lack it; it decides nothing.
type Origin struct{ Source, License Word }

// Hint tells how to get the file; empty where the workflow does not say.
func (o Origin) Hint() string {
	if o.Source.Text == "" {
		return ""
	}
	if o.License.Text == "" {
		return "get it from " + o.Source.Text
	}
	return "get it from " + o.Source.Text + " (license: " + o.License.Text + ")"
}

// FileRef is a declared input file.
type FileRef struct {
	Name   Word
	Path   *Value
	Origin Origin
	used   bool
}

// Node is one node.
type Node struct {
	Name    Word
	Kind    Word
	Version int // of the kind; 0 where the file names none
	Args    []Entry
	Pos     Pos
}

// Output is a picture that is written.
type Output struct {
	Name Word
	From *Value
	Path *Value
	Pos  Pos
}

// Parse reads a workflow. The document is nil when nothing could be made of the text; the
// diagnostics are in the order of the file.
func Parse(file string, src []byte) (*Document, []Diagnostic) {
	c := &collector{file: file}
	src, ok := checkText(c, src)
	if !ok {
		return nil, Sort(c.list)
	}
	root := readYAML(c, src)
	if root == nil {
		return nil, Sort(c.list)
	}
	d := &Document{File: file, Source: src, Root: root}
	p := &parser{collector: c, d: d, declared: make(map[string]map[string]bool)}
	if !p.document() {
		return nil, Sort(c.list)
	}
	return d, Sort(c.list)
}

// Load reads a workflow file.
func Load(path string) (*Document, []Diagnostic) {
	src, problem := ReadFile(path)
	if problem != nil {
		return nil, []Diagnostic{*problem}
	}
	return Parse(path, src)
}

// names lists the names of a declaration block, sorted.
func (d *Document) names(root Root) []string {
	var out []string
	switch root {
	case ParamsRoot:
		for _, x := range d.Params {
			out = append(out, x.Name.Text)
		}
	case ModelsRoot:
		for _, x := range d.Models {
			out = append(out, x.Name.Text)
		}
	case FilesRoot:
		for _, x := range d.Files {
			out = append(out, x.Name.Text)
		}
	default:
		for _, x := range d.Nodes {
			out = append(out, x.Name.Text)
		}
	}
	sort.Strings(out)
	return out
}

// indexNames makes the index, when all declarations are read. Names are unique: a second key is an error and left out.
func (d *Document) indexNames() {
	d.byName = index{make(map[string]*Param), make(map[string]*Model), make(map[string]*FileRef), make(map[string]*Node)}
	for _, x := range d.Params {
		d.byName.params[x.Name.Text] = x
	}
	for _, x := range d.Models {
		d.byName.models[x.Name.Text] = x
	}
	for _, x := range d.Files {
		d.byName.files[x.Name.Text] = x
	}
	for _, x := range d.Nodes {
		d.byName.nodes[x.Name.Text] = x
	}
}

// Param finds a parameter.
func (d *Document) Param(name string) *Param {
	return d.byName.params[name]
}

// Model finds a model.
func (d *Document) Model(name string) *Model {
	return d.byName.models[name]
}

// InputFile finds an input file.
func (d *Document) InputFile(name string) *FileRef {
	return d.byName.files[name]
}

// Node finds a node.
func (d *Document) Node(name string) *Node {
	return d.byName.nodes[name]
}
