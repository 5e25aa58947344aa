package nodes

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/seed-8af8f8e1/flow/spec"
)

// Input is a reference of a node's argument to another node's output.
type Input struct {
	Path string // of the argument
	Type Type
	Ref  *spec.Ref
	Pos  spec.Pos
}

// Bind reads a node's arguments by its kind's description. files finds declared weights and
// input files. The document's parameters must be bound.
func Bind(doc *spec.Document, n *spec.Node, k *Kind, files func(root spec.Root, name spec.Word) (File, *spec.Diagnostic)) (*Args, []Input, []spec.Diagnostic) {
	b := &binder{doc: doc, files: files, args: &Args{values: make(map[string]any), lists: make(map[string]int), places: make(map[string]Place)}}
	what := fmt.Sprintf("%s (node %q)", k.Name, n.Name.Text)
	b.object("", what, n.Name.Pos, k.Args, n.Args)
	for i := range b.diags {
		if b.diags[i].File == "" {
			b.diags[i].File = doc.File
		}
	}
	return b.args, b.inputs, b.diags
}

type binder struct {
	doc    *spec.Document
	files  func(spec.Root, spec.Word) (File, *spec.Diagnostic)
	args   *Args
	inputs []Input
	diags  []spec.Diagnostic
}

// maxDiagnostics bounds the number of diagnostics of one node.
const maxDiagnostics = 100

func (b *binder) add(d spec.Diagnostic) {
	if len(b.diags) < maxDiagnostics {
		b.diags = append(b.diags, d)
	}
}

func (b *binder) errorf(p spec.Pos, code, hint, format string, args ...any) {
	b.add(spec.Diagnostic{Pos: p, Code: code, Hint: hint, Message: fmt.Sprintf(format, args...)})
}

// object binds the entries of a map to fields; absent fields get their defaults.
func (b *binder) object(prefix, what string, pos spec.Pos, fields []Arg, entries []spec.Entry) {
	given := make(map[string]bool)
	for _, e := range entries {
		f := field(fields, e.Key.Text)
		if f == nil && len(b.diags) >= maxDiagnostics {
			return
		}
		if f == nil {
			names := fieldNames(fields)
			hint := spec.Suggest(e.Key.Text, names)
			if hint == "" {
				hint = "it takes " + strings.Join(names, ", ")
			}
			b.errorf(e.Key.Pos, "F0106", hint, "%s has no argument %s", what, spec.Quote(e.Key.Text))
			continue
		}
		given[f.Name] = true
		b.value(join(prefix, f.Name), f, e.Value)
	}
	for i := range fields {
		f := &fields[i]
		if given[f.Name] {
			continue
		}
		if f.Required {
			b.errorf(pos, "F0107", fmt.Sprintf("%s: %s", f.Name, example(f)), "%s lacks the argument %q", what, f.Name)
			continue
		}
		b.absent(join(prefix, f.Name), f)
	}
}

// absent fills in defaults, also of the fields of a map that is left out.
func (b *binder) absent(path string, f *Arg) {
	if f.Default != nil {
		b.args.values[path] = f.Default
	}
	for i := range f.Fields {
		b.absent(join(path, f.Fields[i].Name), &f.Fields[i])
	}
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func field(fields []Arg, name string) *Arg {
	for i := range fields {
		if fields[i].Name == name {
			return &fields[i]
		}
	}
	return nil
}

func fieldNames(fields []Arg) []string {
	var out []string
	for i := range fields {
		out = append(out, fields[i].Name)
	}
	return out
}

// example is what an argument may look like, for hints.
func example(f *Arg) string {
	switch f.Type {
	case PortArg:
		return fmt.Sprintf("$NODE.%s", f.Port)
	case WeightsArg:
		return "$models.NAME"
	case FileArg:
		return "$files.NAME"
	case EnumArg:
		return f.Enum[0]
	}
	return "a " + f.Type.String()
}

// value binds one value.
func (b *binder) value(path string, f *Arg, v *spec.Value) {
	b.args.places[path] = b.place(v)
	if f.Type == PortArg || f.Type == WeightsArg || f.Type == FileArg {
		b.reference(path, f, v)
		return
	}
	written := v
	v = b.doc.Substitute(v)
	if v.Ref != nil && v.Ref.Root == spec.ParamsRoot {
		return // a parameter without a value: reported where it is declared
	}
	switch f.Type {
	case ObjectArg:
		switch {
		case v.Kind == spec.Map:
			b.object(path, path, v.Pos, f.Fields, v.Entries)
		case v.Scalar() && v.Ref == nil && f.Shorthand != "" && v.Kind != spec.Null:
			b.object(path, path, v.Pos, f.Fields, []spec.Entry{{Key: spec.Word{Text: f.Shorthand, Pos: v.Pos}, Value: written}})
		default:
			b.errorf(v.Pos, "F0301", "it has "+strings.Join(fieldNames(f.Fields), ", "), "%s is a map, this is %s", path, v.Describe())
		}
	case ListArg:
		if v.Kind != spec.List {
			b.errorf(v.Pos, "F0301", "", "%s is a list, this is %s", path, v.Describe())
			return
		}
		b.args.lists[path] = len(v.Items)
		for i, item := range v.Items {
			b.value(join(path, strconv.Itoa(i)), f.Item, item)
		}
	default:
		if v == written {
			b.scalar(path, f, v, true)
			return
		}
		b.parameter(path, f, v, b.doc.Param(written.Ref.Name.Text))
	}
}

// place is where a value comes from.
func (b *binder) place(v *spec.Value) Place {
	p := Place{Pos: v.Pos}
	params := b.doc.Uses(v)
	for _, x := range params {
		switch o := x.Given(); {
		case o != nil && o.From != b.doc.File:
			p.By = append(p.By, o.From)
		case o != nil && len(params) == 1:
			p.Default = o.Pos // in the matrix
		case o != nil:
		case len(params) == 1 && x.Default != nil:
			p.Default = x.Default.Pos
		}
	}
	return p
}

// article names a sort with its article.
func article(t ArgType) string {
	if t == BoolArg || t == StringArg {
		return t.String()
	}
	return "a " + t.String()
}

// fits are the types of parameters that can stand for an argument.
var fits = map[ArgType][]string{IntArg: {"int"}, FloatArg: {"float", "int"}, BoolArg: {"bool"}, SeedArg: {"seed", "int"}, EnumArg: {"string"},
	StringArg: {"string", "int", "float", "seed"}}

// parameter binds the value of a parameter. A mistake shows where the parameter is declared, too.
func (b *binder) parameter(path string, f *Arg, v *spec.Value, x *spec.Param) {
	if x.Type == "" {
		return // its declaration is reported where it stands
	}
	before := len(b.diags)
	if slices.Contains(fits[f.Type], x.Type) {
		b.scalar(path, f, v, false)
	} else {
		b.errorf(v.Pos, "F0204", "", "%s takes %s, and $params.%s is of type %s", path, article(f.Type), x.Name.Text, x.Type)
	}
	for i := before; i < len(b.diags); i++ {
		b.diags[i].Related = append(b.diags[i].Related, spec.Related{Pos: x.Name.Pos, Message: "the parameter is declared here"})
	}
}

// reference binds a reference to a node, a model or a file.
func (b *binder) reference(path string, f *Arg, v *spec.Value) {
	want := map[ArgType]spec.Root{PortArg: spec.NodeRoot, WeightsArg: spec.ModelsRoot, FileArg: spec.FilesRoot}[f.Type]
	if v.Ref == nil || v.Ref.Root != want {
		b.errorf(v.Pos, "F0205", "write "+example(f), "%s is a %s, this is %s", path, f.Type, v.Describe())
		return
	}
	if want == spec.NodeRoot {
		b.inputs = append(b.inputs, Input{Path: path, Type: f.Port, Ref: v.Ref, Pos: v.Pos})
		return
	}
	file, problem := b.files(want, v.Ref.Name)
	if problem != nil {
		b.add(*problem)
		return
	}
	b.args.values[path] = file
}

// scalar binds a number, a text, a choice or a truth value. What a parameter holds is never a template.
func (b *binder) scalar(path string, f *Arg, v *spec.Value, template bool) {
	kind := map[ArgType]string{IntArg: "int", FloatArg: "float", BoolArg: "bool", StringArg: "string", EnumArg: "string", SeedArg: "seed"}[f.Type]
	if d := spec.CheckScalar(v, kind); d != nil {
		d.Message = path + ": " + d.Message
		b.add(*d)
		return
	}
	if template && v.Templated() && !f.Template {
		b.errorf(v.Pos, "F0201", "$${ stands for ${", "%s is no template: ${...} is not filled in here", path)
		return
	}
	if d := f.outside(path, v); d != nil {
		b.add(*d)
		return
	}
	switch f.Type {
	case IntArg:
		n, _ := strconv.ParseInt(v.Text, 10, 64)
		b.args.values[path] = n
	case FloatArg:
		x, _ := strconv.ParseFloat(v.Text, 64)
		b.args.values[path] = x
	case SeedArg:
		n, _ := strconv.ParseUint(strings.TrimPrefix(v.Text, "+"), 10, 64)
		b.args.values[path] = n
	case BoolArg:
		b.args.values[path] = strings.EqualFold(v.Text, "true")
	default:
		b.text(path, f, v, template)
	}
}

// text fills in a template where the argument is one.
func (b *binder) text(path string, f *Arg, v *spec.Value, template bool) {
	text := v.Text
	if template && v.Templated() {
		if text = b.doc.Expand(v.Text); len(text) > spec.MaxText {
			b.errorf(v.Pos, "F0302", "", "%s: the text with its parameters filled in has more than %d bytes", path, spec.MaxText)
			return
		}
	}
	if !utf8.ValidString(text) { // a file is UTF-8, a parameter from outside need not be; JSON would make all such texts one
		b.errorf(v.Pos, "F0302", "write the text in UTF-8", "%s: the text is not UTF-8", path)
		return
	}
	b.args.values[path] = text
}

// outside says how a value of the right type is not allowed.
func (a *Arg) outside(path string, v *spec.Value) *spec.Diagnostic {
	fail := func(format string, args ...any) *spec.Diagnostic {
		return &spec.Diagnostic{Pos: v.Pos, Code: "F0302", Message: path + ": " + fmt.Sprintf(format, args...)}
	}
	if a.Type == EnumArg {
		for _, e := range a.Enum {
			if e == v.Text {
				return nil
			}
		}
		d := fail("%s is not one of %s", spec.Quote(v.Text), strings.Join(a.Enum, ", "))
		d.Hint = spec.Suggest(v.Text, a.Enum)
		return d
	}
	if a.Type != IntArg && a.Type != FloatArg {
		return nil
	}
	n := spec.Number(v)
	if n == nil {
		return fail("%q is no number", v.Text)
	}
	x, _ := n.Float64()
	switch {
	case a.Min != nil && x < *a.Min:
		return fail("%s is below the minimum %v", v.Text, *a.Min)
	case a.Max != nil && x > *a.Max:
		return fail("%s is above the maximum %v", v.Text, *a.Max)
	case a.MultipleOf > 0 && !new(big.Rat).Quo(n, new(big.Rat).SetInt64(a.MultipleOf)).IsInt():
		return fail("%s is no multiple of %d", v.Text, a.MultipleOf)
	}
	return nil
}
