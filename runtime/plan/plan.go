package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Plan is a workflow as a graph.
type Plan struct {
	Doc       *spec.Document // bound to the values of the first cell, if the workflow has a matrix
	Cells     []*Cell        // of the matrix; nil for none
	Steps     []*Step        // in an order in which they can run; of those that can run, the first in the file
	Outputs   []Output
	Precision program.Precision
	Edition   string
	Device    string // "cpu" or "cuda": what "auto" became
}

// Step is one node, with the values that it has in some cells of a matrix.
type Step struct {
	Index  int
	Name   string // of the node, and of what it has in its cells: "latents[seed=42,sag=0]"
	Node   string // the name of the node in the file
	Cells  int    // how many cells have the step; 0 without a matrix
	Pos    spec.Pos
	Kind   *nodes.Kind
	Op     nodes.Op
	Args   *nodes.Args
	Inputs []Input
	Needed bool // an output needs it
	place  int  // of the node in the file

	// After [Plan.Inspect].
	Plan      nodes.Plan
	Live      map[string]nodes.Live
	Inherited []Input // stored values that the live inputs need, see nodes.Dependent
}

// Awaits are the inputs that the step waits for. A live step is opened while planning: the stored values that it names are
// waited for by the steps that use them.
func (s *Step) Awaits() []Input {
	if !s.Kind.Live() {
		return append(slices.Clip(s.Inputs), s.Inherited...)
	}
	return slices.DeleteFunc(slices.Clone(s.Inputs), func(in Input) bool { return !in.Type.Live() })
}

// Input is where a step's argument comes from.
type Input struct {
	Path string
	From *Step
	Port string
	Type nodes.Type
	Pos  spec.Pos
}

// Output is a file to write.
type Output struct {
	Name string // of the output, and of its cell
	Node string // the name in the file
	// Cells are those of a matrix that have it; nil without one.
	Cells []*Cell
	From  *Step
	Port  string
	Path  string // with slashes, below the output folder
	Pos   spec.Pos
	// Expect is what a test expects of it, in a plan of a test; there is no Path then.
	Expect *spec.Expectation
}

// Options are what a plan depends on beside the file.
type Options struct {
	Registry  *nodes.Registry
	Overrides []spec.Override
	Files     *Finder
	Precision string // overrides the file's; empty for none
	Device    string
	Edition   string
	Cells     []string // which cells of a matrix are planned for: NAME=VALUE,NAME=VALUE each; none for all
	Shard     Shard    // which part of these is; see [Plan.Keep]
	Test      string   // the name of a test, whose parameters count instead of Overrides, and whose expectations are planned for instead of the outputs
	Tests     bool     // what all tests expect is planned for beside the outputs, with the values of Overrides
	// Auto says what the device "auto" is on this machine, "cpu" or "cuda"; nil and "" stand for "cpu". It is asked where a workflow says so alone.
	Auto func() string
}

// Build makes the graph. All diagnostics of file, parameters, kinds and types come together;
// the plan is nil if any is an error.
func Build(doc *spec.Document, diags []spec.Diagnostic, opt Options) (*Plan, []spec.Diagnostic) {
	if doc == nil {
		return nil, diags
	}
	test := doc.Test(opt.Test)
	if test != nil {
		opt.Overrides = test.Params
	}
	p := &Plan{Doc: doc, Device: or(opt.Device, doc.Device.Text), Edition: or(opt.Edition, doc.Edition.Text)}
	if p.Device == "auto" {
		p.Device = "cpu"
		if opt.Auto != nil {
			p.Device = or(opt.Auto(), p.Device)
		}
	}
	switch or(opt.Precision, doc.Precision.Text) {
	case program.BF16.String():
		p.Precision = program.BF16
	case program.F16.String():
		p.Precision = program.F16
	}
	b := &builder{opt: opt, plan: p, inputs: make(map[*Step][]nodes.Input), known: make(map[mistake]bool)}
	b.bind(doc, diags, test)
	if spec.Failed(b.diags) && b.doc == nil {
		return nil, spec.Sort(b.diags)
	}
	b.wantsDevice(doc)
	b.tests(p, test)
	diags = spec.Sort(b.diags)
	if spec.Failed(diags) {
		return nil, diags
	}
	p.Steps = order(b.steps)
	p.need(func(s *Step) []Input { return s.Inputs })
	return p, diags
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// maxDiagnostics bounds the number of diagnostics of one file's nodes.
const maxDiagnostics = 200

type builder struct {
	opt    Options
	plan   *Plan
	diags  []spec.Diagnostic
	most   int // how many diagnostics are kept
	known  map[mistake]bool
	steps  []*Step // in the order of the file, cell by cell
	inputs map[*Step][]nodes.Input
	matrix *matrix // nil for none

	taken   map[string]Output // outputs by path without case: some file systems know none
	folders map[string]Output // the folders that they lie in

	// of the cell that is built
	doc    *spec.Document
	cell   *Cell
	fresh  []*Step // that no cell before has
	byName map[string]*Step
}

// mistake is a diagnostic as far as two are one.
type mistake struct {
	pos           spec.Pos
	file, message string
}

// full says that further diagnostics are not kept.
func (b *builder) full() bool { return len(b.diags) >= b.most }

// add keeps a diagnostic, once for all cells.
func (b *builder) add(d spec.Diagnostic) {
	m := mistake{d.Pos, d.File, d.Message}
	if !b.full() && !b.known[m] {
		b.known[m] = true
		b.diags = append(b.diags, d)
	}
}

// Place is a position in the workflow as errors begin with it: "FILE:LINE:COLUMN: "; empty where it is not known.
func (p *Plan) Place(at spec.Pos) string {
	if !at.Known() {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d: ", p.Doc.File, at.Line, at.Col)
}

func (b *builder) errorf(p spec.Pos, code, hint, format string, args ...any) {
	b.add(spec.Diagnostic{File: b.doc.File, Pos: p, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// wantsDevice refuses class fp16 where no GPU runs it.
func (b *builder) wantsDevice(doc *spec.Document) {
	if b.plan.Precision != program.F16 || b.plan.Device == "cuda" {
		return
	}
	at := doc.Precision.Pos
	if b.opt.Precision != "" {
		at = spec.Pos{}
	}
	b.add(spec.Diagnostic{File: doc.File, Pos: at, Code: "F0801", Hint: "device: cuda, or precision: bf16, which is quick on a cpu",
		Message: "precision fp16 is the quick class of device cuda, and this is device " + b.plan.Device})
}

// step binds one node to its kind.
func (b *builder) step(n *spec.Node, place int) {
	if n.Kind.Text == "" {
		return // reported where it was read
	}
	k, ok := b.opt.Registry.Kind(n.Kind.Text, n.Version)
	if !ok {
		b.unknownKind(n)
		return
	}
	args, inputs, diags := nodes.Bind(b.doc, n, k, b.file)
	for _, d := range diags {
		b.add(b.inCell(n, d))
	}
	s := &Step{Name: b.name(n), Node: n.Name.Text, Pos: n.Name.Pos, Kind: k, Args: args, place: place}
	b.byName[s.Node] = s
	b.inputs[s] = inputs
	b.steps = append(b.steps, s)
	b.fresh = append(b.fresh, s)
	if len(diags) > 0 || !b.bound() {
		return // the arguments are incomplete
	}
	op, err := k.New(args)
	if err != nil {
		b.add(b.inCell(n, spec.Diagnostic{File: b.doc.File, Pos: n.Name.Pos, Code: "F0402", Message: fmt.Sprintf("node %q: %v", s.Node, err)}))
		return
	}
	s.Op = op
}

// bound says that all parameters have values.
func (b *builder) bound() bool {
	for _, x := range b.doc.Params {
		if x.Value() == nil {
			return false
		}
	}
	return true
}

func (b *builder) unknownKind(n *spec.Node) {
	if versions := b.opt.Registry.Versions(n.Kind.Text); versions != nil {
		var have []string
		for _, v := range versions {
			have = append(have, fmt.Sprintf("%s@%d", n.Kind.Text, v))
		}
		b.errorf(n.Kind.Pos, "F0401", "no release up to this one has it: look for a newer flow, or write "+strings.Join(have, " or "),
			"there is no %s@%d", n.Kind.Text, n.Version)
		return
	}
	var names []string
	for _, k := range b.opt.Registry.All() {
		names = append(names, k.Name)
	}
	hint := spec.Suggest(n.Kind.Text, names)
	if hint == "" {
		hint = "kinds are " + strings.Join(slices.Compact(names), ", ")
	}
	b.errorf(n.Kind.Pos, "F0401", hint, "there is no kind %s", spec.Quote(n.Kind.Text))
}

// file finds a declared weight or input file.
func (b *builder) file(root spec.Root, name spec.Word) (nodes.File, *spec.Diagnostic) {
	var path, config *spec.Value
	var origin spec.Origin
	f := nodes.File{Name: name.Text}
	if root == spec.ModelsRoot {
		if m := b.doc.Model(name.Text); m != nil {
			path, config, f.Variant, origin = m.Path, m.Config, m.Variant.Text, m.Origin
		}
	} else if x := b.doc.InputFile(name.Text); x != nil {
		path, origin = x.Path, x.Origin
	}
	problem := b.find(path, &f.Path) // an unknown name is reported where it was read
	if hint := origin.Hint(); problem != nil && hint != "" {
		problem.Hint = hint + "; " + problem.Hint
	}
	if problem == nil {
		problem = b.find(config, &f.Config)
	}
	return f, problem
}

// find finds the file of a path that may be absent.
func (b *builder) find(path *spec.Value, abs *string) *spec.Diagnostic {
	if path == nil {
		return nil
	}
	found, err := b.opt.Files.Find(path.Text)
	if err != nil {
		d := &spec.Diagnostic{File: b.doc.File, Pos: path.Pos, Code: "F0602", Message: err.Error()}
		if e, ok := err.(*FindError); ok {
			d.Message, d.Hint = e.Problem, e.Hint
		}
		return d
	}
	*abs = found
	return nil
}

// connect resolves a step's references to outputs of other steps.
func (b *builder) connect(s *Step) {
	for _, in := range b.inputs[s] {
		from, port, ok := b.target(in.Ref)
		if !ok {
			continue
		}
		if port.Type != in.Type {
			b.add(spec.Diagnostic{File: b.doc.File, Pos: in.Pos, Code: "F0204",
				Message: fmt.Sprintf("%s of node %q takes %s, and $%s.%s is %s", in.Path, s.Node, in.Type, from.Node, port.Name, port.Type),
				Hint:    b.like(in.Type), Related: []spec.Related{{Pos: from.Pos, Message: fmt.Sprintf("node %q is of kind %s", from.Node, from.Kind.Name)}}})
			continue
		}
		s.Inputs = append(s.Inputs, Input{Path: in.Path, From: from, Port: port.Name, Type: in.Type, Pos: in.Pos})
	}
}

// target finds the step and port of a reference and reports what is wrong with it.
func (b *builder) target(ref *spec.Ref) (*Step, nodes.Port, bool) {
	from := b.byName[ref.Name.Text]
	if from == nil {
		return nil, nodes.Port{}, false // reported where it was read, or its kind is unknown
	}
	port, ok := from.Kind.Output(ref.Output.Text)
	if ok {
		return from, port, true
	}
	var names []string
	for _, p := range from.Kind.Outputs {
		names = append(names, p.Name)
	}
	hint := "it has " + strings.Join(names, ", ")
	if ref.Output.Text == "" {
		b.errorf(ref.Name.Pos, "F0203", hint, "node %q has several outputs; name one", from.Node)
		return nil, port, false
	}
	if s := spec.Suggest(ref.Output.Text, names); s != "" {
		hint = s
	}
	b.errorf(ref.Output.Pos, "F0203", hint, "node %q has no output %q", from.Node, ref.Output.Text)
	return nil, port, false
}

// like names an output of a type, for hints.
func (b *builder) like(t nodes.Type) string {
	for _, s := range b.steps {
		for _, p := range s.Kind.Outputs {
			if p.Type == t {
				return fmt.Sprintf("$%s.%s is one", s.Node, p.Name)
			}
		}
	}
	return ""
}

// Close closes the live values that [Plan.Inspect] has opened.
func (p *Plan) Close() {
	for _, s := range p.Steps {
		s.close()
	}
}

func (s *Step) close() {
	for _, l := range s.Live {
		_ = l.Close()
	}
	for _, l := range s.Plan.Own {
		_ = l.Close()
	}
	s.Live, s.Plan.Own = nil, nil
}
