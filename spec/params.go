package spec

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// ParamTypes are the types of parameters.
var ParamTypes = []string{"string", "int", "float", "bool", "seed"}

// params reads the parameters' declarations.
func (p *parser) params(v *Value) {
	for _, e := range p.block(v, "params") {
		if !p.body(e, "parameter", []string{"type", "default", "min", "max", "multipleOf", "enum", "doc"}) {
			continue
		}
		x := &Param{Name: e.Key, Default: e.Value.Get("default"), Min: e.Value.Get("min"), Max: e.Value.Get("max"), MultipleOf: e.Value.Get("multipleOf")}
		x.Doc = p.word(e.Value.Get("doc"), "doc").Text
		p.d.Params = append(p.d.Params, x)
		if x.Type = p.paramType(e); x.Type == "" {
			continue
		}
		if enum := e.Value.Get("enum"); enum != nil {
			if enum.Kind != List || len(enum.Items) == 0 {
				p.errorf(enum.Pos, "F0701", "enum: [a, b]", "enum is a list of at least one value, this is %s", enum.Describe())
			}
			x.Enum = enum.Items
		}
		p.checkParam(x)
	}
}

// paramType reads the type of a declaration; empty if it has none, which is reported.
func (p *parser) paramType(e Entry) string {
	v := e.Value.Get("type")
	if v == nil {
		p.errorf(e.Key.Pos, "F0107", "type: one of "+strings.Join(ParamTypes, ", "), "parameter %s has no type", Quote(e.Key.Text))
		return ""
	}
	if t := p.word(v, "type").Text; slices.Contains(ParamTypes, t) {
		return t
	} else if t != "" {
		hint := Suggest(t, ParamTypes)
		if hint == "" {
			hint = "one of " + strings.Join(ParamTypes, ", ")
		}
		p.errorf(v.Pos, "F0701", hint, "there is no type %s", Quote(t))
	}
	return ""
}

// checkParam checks a declaration against itself.
func (p *parser) checkParam(x *Param) {
	numeric := x.Type == "int" || x.Type == "float"
	for _, bound := range []struct {
		name string
		v    *Value
	}{{"min", x.Min}, {"max", x.Max}, {"multipleOf", x.MultipleOf}} {
		if bound.v == nil {
			continue
		}
		if !numeric {
			p.errorf(bound.v.Pos, "F0701", "", "%s bounds numbers; parameter %s is of type %s", bound.name, Quote(x.Name.Text), x.Type)
			continue
		}
		if d := CheckScalar(bound.v, x.Type); d != nil {
			p.add(*d)
		}
	}
	if lo, hi := Number(x.Min), Number(x.Max); numeric && lo != nil && hi != nil && lo.Cmp(hi) > 0 {
		p.errorf(x.Max.Pos, "F0701", "", "max %s is below min %s", x.Max.Text, x.Min.Text)
	}
	if m := Number(x.MultipleOf); m != nil && m.Sign() <= 0 {
		p.errorf(x.MultipleOf.Pos, "F0701", "", "multipleOf %s is not above zero", x.MultipleOf.Text)
	}
	for _, v := range x.Enum {
		if d := CheckScalar(v, x.Type); d != nil {
			p.add(*d)
		}
	}
	if x.Default != nil {
		for _, d := range x.check(x.Default) {
			p.add(d)
		}
	}
}

// maxDigits is the length of the longest number that is read.
const maxDigits = 400

// Number reads a number exactly; nil if v is none, or one that no float64 is near.
func Number(v *Value) *big.Rat {
	if v == nil || v.Kind != Int && v.Kind != Float || badNumber(v.Text) != "" {
		return nil
	}
	r, ok := new(big.Rat).SetString(v.Text)
	if !ok {
		return nil
	}
	return r
}

// badNumber says what is wrong with the size of a number; empty if nothing is. An exponent of nine digits would
// otherwise become an exact number of a billion.
func badNumber(s string) string {
	if len(s) > maxDigits {
		return fmt.Sprintf("a number of %d characters is too long", len(s))
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) {
		return s + " is too large for a number"
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(s), "e")
	if f == 0 && strings.ContainsAny(mantissa, "123456789") {
		return s + " is too close to zero for a number"
	}
	return ""
}

// CheckScalar says what is wrong with a value for a type (string, int, float, bool or seed); nil if nothing is.
func CheckScalar(v *Value, t string) *Diagnostic {
	fail := func(want, hint string) *Diagnostic {
		if hint == "" && v.Kind == String && v.Plain {
			hint = NumberHint(v.Text)
		}
		return &Diagnostic{Pos: v.Pos, Code: "F0301", Hint: hint, Message: fmt.Sprintf("want %s, this is %s", want, v.Describe())}
	}
	if v.Ref != nil {
		return &Diagnostic{Pos: v.Pos, Code: "F0205", Message: fmt.Sprintf("want a value of type %s, this is %s", t, v.Describe())}
	}
	switch t {
	case "int":
		if v.Kind != Int {
			return fail("a whole number", "")
		}
		if _, err := strconv.ParseInt(v.Text, 10, 64); err != nil {
			return &Diagnostic{Pos: v.Pos, Code: "F0302", Message: shorten(v.Text) + " is too large for a whole number"}
		}
	case "float":
		if v.Kind != Int && v.Kind != Float {
			return fail("a number", "")
		}
		if bad := badNumber(v.Text); bad != "" {
			return &Diagnostic{Pos: v.Pos, Code: "F0302", Message: bad}
		}
	case "seed":
		if v.Kind != Int {
			return fail("a seed, a whole number from 0 to 18446744073709551615", "")
		}
		if _, err := strconv.ParseUint(strings.TrimPrefix(v.Text, "+"), 10, 64); err != nil {
			return &Diagnostic{Pos: v.Pos, Code: "F0302", Hint: "a seed is a whole number from 0 to 18446744073709551615", Message: shorten(v.Text) + " is no seed"}
		}
	case "bool":
		if v.Kind != Bool {
			return fail("true or false", "")
		}
	default:
		switch {
		case v.Kind == String || v.Kind == Int || v.Kind == Float:
		case v.Kind == Bool:
			return fail("text", "put it in quotes")
		case v.Kind == Null:
			return fail("text", `write "" for an empty text, or leave it out`)
		default:
			return fail("text", "")
		}
	}
	return nil
}

// check holds a value against a parameter's declaration.
func (x *Param) check(v *Value) []Diagnostic {
	if d := CheckScalar(v, x.Type); d != nil {
		d.Message = fmt.Sprintf("parameter %q: %s", x.Name.Text, d.Message)
		return []Diagnostic{*d}
	}
	var out []Diagnostic
	fail := func(format string, args ...any) {
		out = append(out, Diagnostic{Pos: v.Pos, Code: "F0302", Message: fmt.Sprintf("parameter %q: ", x.Name.Text) + fmt.Sprintf(format, args...)})
	}
	n := Number(v)
	if lo := Number(x.Min); n != nil && lo != nil && n.Cmp(lo) < 0 {
		fail("%s is below the minimum %s", v.Text, x.Min.Text)
	}
	if hi := Number(x.Max); n != nil && hi != nil && n.Cmp(hi) > 0 {
		fail("%s is above the maximum %s", v.Text, x.Max.Text)
	}
	if m := Number(x.MultipleOf); n != nil && m != nil && m.Sign() > 0 && !new(big.Rat).Quo(n, m).IsInt() {
		fail("%s is no multiple of %s", v.Text, x.MultipleOf.Text)
	}
	if len(x.Enum) > 0 {
		var allowed []string
		for _, e := range x.Enum {
			if e.Text == v.Text {
				return out
			}
			if m := Number(e); n != nil && m != nil && x.Type != "string" && n.Cmp(m) == 0 {
				return out
			}
			allowed = append(allowed, e.Text)
		}
		fail("%s is not one of %s", Quote(v.Text), strings.Join(allowed, ", "))
	}
	return out
}

// Override is a value for a parameter from outside the file.
type Override struct {
	Name  string
	Value *Value
	From  string // "-p" or the name of a file, for messages
	Pos   Pos    // of the name, in a file
}

// ParseOverride reads NAME=VALUE. The value is typed as in a file; a text needs no quotes.
func ParseOverride(s string) (Override, *Diagnostic) {
	name, text, ok := strings.Cut(s, "=")
	if !ok || !nameText.MatchString(name) {
		return Override{}, &Diagnostic{File: "-p", Code: "F0702", Hint: "write -p NAME=VALUE", Message: fmt.Sprintf("%s gives no parameter a value", Quote(s))}
	}
	v := &Value{Kind: classify(text), Text: text, Plain: true}
	if v.Kind == Null {
		v.Kind = String
	}
	return Override{Name: name, Value: v, From: "-p " + name}, nil
}

// ParseParams reads a file of parameters: a map in YAML or JSON.
func ParseParams(file string, src []byte) ([]Override, []Diagnostic) {
	c := &collector{file: file}
	src, ok := checkText(c, src)
	if !ok {
		return nil, Sort(c.list)
	}
	root := readYAML(c, src)
	if root == nil {
		return nil, Sort(c.list)
	}
	if root.Kind != Map {
		c.errorf(root.Pos, "F0301", "write NAME: VALUE lines", "a file of parameters is a map, this is %s", root.Describe())
		return nil, Sort(c.list)
	}
	var out []Override
	for _, e := range root.Entries {
		out = append(out, Override{Name: e.Key.Text, Value: e.Value, From: file, Pos: e.Key.Pos})
	}
	return out, Sort(c.list)
}

// Bind gives the parameters their values: the defaults, then the overrides, the last of which counts. A value that
// its declaration does not allow is reported and not given, so that the nodes that read it do not report it again.
func (d *Document) Bind(overrides []Override) []Diagnostic {
	var out []Diagnostic
	given := make(map[*Param]bool)
	for _, x := range d.Params {
		x.given = nil
		if x.value = nil; x.Default != nil && len(x.check(x.Default)) == 0 {
			x.value = x.Default
		}
	}
	for _, o := range overrides {
		x := d.Param(o.Name)
		if x == nil {
			hint := Suggest(o.Name, d.names(ParamsRoot))
			if hint == "" {
				hint = "the workflow's parameters are " + strings.Join(d.names(ParamsRoot), ", ")
			}
			if len(d.Params) == 0 {
				hint = "the workflow declares none"
			}
			out = append(out, Diagnostic{File: o.From, Pos: o.Pos, Code: "F0702", Hint: hint, Message: fmt.Sprintf("the workflow has no parameter %s", Quote(o.Name))})
			continue
		}
		v := o.Value
		if x.Type == "" {
			continue
		}
		if x.Type == "string" && v.Plain && v.Ref == nil && v.Kind == Bool {
			v = &Value{Pos: v.Pos, Kind: String, Text: v.Text}
		}
		problems := x.check(v)
		for _, p := range problems {
			p.File = o.From
			out = append(out, p)
		}
		x.given = &o
		if x.value, given[x] = v, true; len(problems) > 0 {
			x.value = nil
		}
	}
	for _, x := range d.Params {
		if x.Default == nil && !given[x] && x.Type != "" {
			out = append(out, Diagnostic{File: d.File, Pos: x.Name.Pos, Code: "F0107", Hint: fmt.Sprintf("give one: -p %s=VALUE", x.Name.Text),
				Message: fmt.Sprintf("parameter %q has no value and no default", x.Name.Text)})
		}
	}
	return Sort(out)
}

// Value is a parameter's value after [Document.Bind]; nil before, and where what it was given was reported.
func (x *Param) Value() *Value { return x.value }

// Given is what gave the parameter its value from outside the file; nil where the value is the default.
func (x *Param) Given() *Override { return x.given }

// Substitute replaces a reference to a parameter by the parameter's value, which keeps the reference's
// position. Other values come back as they are.
func (d *Document) Substitute(v *Value) *Value {
	if v.Ref == nil || v.Ref.Root != ParamsRoot {
		return v
	}
	x := d.Param(v.Ref.Name.Text)
	if x == nil || x.value == nil {
		return v
	}
	out := *x.value
	out.Pos, out.from, out.Ref = v.Pos, Pos{}, nil
	if x.Type == "string" {
		out.Kind, out.Plain = String, false
	}
	return &out
}

// Uses lists the parameters that a value is made of: the one that it refers to, or those of a template.
func (d *Document) Uses(v *Value) []*Param {
	var out []*Param
	add := func(name string) {
		if x := d.Param(name); x != nil && !slices.Contains(out, x) {
			out = append(out, x)
		}
	}
	if v.Ref != nil {
		if v.Ref.Root == ParamsRoot {
			add(v.Ref.Name.Text)
		}
		return out
	}
	if v.Kind == String {
		for _, h := range holes(v.Text) {
			if name, ok := strings.CutPrefix(h.name, "params."); ok && !h.literal {
				add(name)
			}
		}
	}
	return out
}

// MaxText bounds a text that a template becomes, in bytes.
const MaxText = 1 << 16

// Expand fills in a template after [Document.Bind]. A text of more than [MaxText] bytes is cut off behind these.
func (d *Document) Expand(text string) string {
	var b strings.Builder
	at := 0
	for _, h := range holes(text) {
		if b.Len() > MaxText {
			return b.String()
		}
		b.WriteString(text[at:h.start])
		at = h.end
		switch {
		case h.literal:
			b.WriteString(text[h.start+1 : h.end])
		case h.name == "name":
			b.WriteString(d.Name.Text)
		default:
			if x := d.Param(strings.TrimPrefix(h.name, "params.")); x != nil && x.value != nil {
				b.WriteString(x.value.Text)
			}
		}
	}
	b.WriteString(text[at:])
	return b.String()
}
