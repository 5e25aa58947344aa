package spec

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-8af8f8e1/flow/internal/safetext"
)

// Tiers of tests: those that run by default, and those that are asked for with --tier.
var Tiers = []string{"quick", "slow"}

// Bounds are what an expectation may state, with the types of values that they are for.
var Bounds = []struct {
	Name            string
	Tensors, Images bool
	Max             float64 // the largest limit that means anything; 0 for none
}{
	{"max-abs", true, true, 0}, {"rms", true, true, 0}, {"cosine", true, false, 1}, {"ssim", false, true, 1}, {"psnr", false, true, 0},
}

// Test is a render with goldens to meet.
type Test struct {
	Name   Word
	Doc    string
	Tier   string // of [Tiers]
	Params []Override
	Expect []*Expectation
}

// Expectation is what a test expects of one output of a node.
type Expectation struct {
	Node, Output Word // Output is empty where the node has one
	Golden       Word // a file below the workflow's folder, with slashes
	Bounds       []Bound
	Body         *Value // the map, for who edits it
}

// Bound is a limit that a difference has to keep.
type Bound struct {
	Name  string
	Limit float64
	Text  string // as written
	Pos   Pos
}

// Test finds a test.
func (d *Document) Test(name string) *Test {
	i := slices.IndexFunc(d.Tests, func(t *Test) bool { return t.Name.Text == name })
	if i < 0 {
		return nil
	}
	return d.Tests[i]
}

// tests reads the tests. Parameters and nodes are known by then.
func (p *parser) tests(v *Value) {
	for _, e := range p.block(v, "tests") {
		if !p.body(e, "test", []string{"doc", "tier", "params", "expect"}) {
			continue
		}
		t := &Test{Name: e.Key, Doc: p.word(e.Value.Get("doc"), "doc").Text, Tier: Tiers[0]}
		if tier := e.Value.Get("tier"); tier != nil {
			if t.Tier = tier.Text; !slices.Contains(Tiers, tier.Text) || tier.Ref != nil {
				p.errorf(tier.Pos, "F0703", or(Suggest(tier.Text, Tiers), "one of "+strings.Join(Tiers, ", ")), "there is no tier %s", Quote(tier.Text))
			}
		}
		p.testParams(t, e.Value.Get("params"))
		p.expect(t, e)
		p.d.Tests = append(p.d.Tests, t)
	}
	p.goldens()
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// testParams reads the values that a test gives to parameters.
func (p *parser) testParams(t *Test, v *Value) {
	if v == nil || v.Kind == Null {
		return
	}
	if v.Kind != Map {
		p.errorf(v.Pos, "F0301", "write NAME: VALUE for each", "params is a map of values, this is %s", v.Describe())
		return
	}
	for _, e := range v.Entries {
		if p.full() {
			return
		}
		x := p.d.Param(e.Key.Text)
		if x == nil {
			p.unknown("parameter", e.Key, ParamsRoot)
			continue
		}
		if x.Type != "" {
			for _, d := range x.check(e.Value) {
				p.add(d)
			}
		}
		t.Params = append(t.Params, Override{Name: e.Key.Text, Value: e.Value, From: p.d.File, Pos: e.Key.Pos})
	}
}

// expect reads what a test expects.
func (p *parser) expect(t *Test, e Entry) {
	v := e.Value.Get("expect")
	if v == nil || v.Kind == Map && len(v.Entries) == 0 || v.Kind == Null {
		p.errorf(e.Key.Pos, "F0107", "expect: {NODE.OUTPUT: {golden: goldens/NAME.png}}", "test %s expects nothing", Quote(e.Key.Text))
		return
	}
	if v.Kind != Map {
		p.errorf(v.Pos, "F0301", "write NODE.OUTPUT: {golden: ...} for each", "expect is a map of outputs, this is %s", v.Describe())
		return
	}
	known := []string{"golden"}
	for _, b := range Bounds {
		known = append(known, b.Name)
	}
	for _, e := range v.Entries {
		if p.full() {
			return
		}
		x, ok := p.expected(e.Key)
		if !ok || !p.body(e, "expectation", known) {
			continue
		}
		if x.Body = e.Value; p.expectation(x, e) {
			t.Expect = append(t.Expect, x)
		}
	}
}

// expected reads NODE.OUTPUT, or NODE.
func (p *parser) expected(key Word) (*Expectation, bool) {
	node, output, dotted := strings.Cut(key.Text, ".")
	if !nameText.MatchString(node) || dotted && !nameText.MatchString(output) {
		p.errorf(key.Pos, "F0201", "write NODE.OUTPUT, without a dollar sign", "%s is no output of a node", Quote(key.Text))
		return nil, false
	}
	x := &Expectation{Node: Word{node, Pos{key.Pos.Line, key.Pos.Col, len(node)}}}
	if dotted {
		x.Output = Word{output, Pos{key.Pos.Line, key.Pos.Col + len(node) + 1, len(output)}}
	}
	if p.d.Node(node) == nil {
		p.unknown("node", x.Node, NodeRoot)
		return nil, false
	}
	return x, true
}

// expectation reads the golden and the bounds of one output.
func (p *parser) expectation(x *Expectation, e Entry) bool {
	g := e.Value.Get("golden")
	if g == nil {
		p.errorf(e.Key.Pos, "F0107", "golden: goldens/NAME.png, or .safetensors for latents", "%s has no golden", Quote(e.Key.Text))
		return false
	}
	if p.pathText(g) == nil {
		return false
	}
	if problem := goldenPath(g.Text); problem != "" {
		p.errorf(g.Pos, "F0703", "name a .png or .safetensors file below the workflow's folder", "the golden %s %s", Quote(g.Text), problem)
		return false
	}
	x.Golden = Word{path.Clean(g.Text), g.Pos}
	for _, b := range Bounds {
		v := e.Value.Get(b.Name)
		if v == nil {
			continue
		}
		if d := CheckScalar(v, "float"); d != nil {
			p.add(*d)
			continue
		}
		limit, _ := strconv.ParseFloat(v.Text, 64)
		if limit < 0 && b.Name != "cosine" && b.Name != "ssim" || b.Max > 0 && (limit > b.Max || limit < -b.Max) {
			p.errorf(v.Pos, "F0302", "", "%s of %s means nothing", b.Name, v.Text)
			continue
		}
		x.Bounds = append(x.Bounds, Bound{b.Name, limit, v.Text, v.Pos})
	}
	return true
}

// goldenPath says what is wrong with the path of a golden; empty if nothing is.
func goldenPath(file string) string {
	clean := path.Clean(file)
	switch {
	case len(file) > 1024:
		return "is longer than 1024 bytes"
	case strings.ContainsFunc(file, safetext.Unsafe):
		return "holds control characters"
	case strings.ContainsAny(file, `\:`):
		return `holds \ or :`
	case path.IsAbs(file) || clean == ".." || strings.HasPrefix(clean, "../"):
		return "leaves the workflow's folder"
	case path.Ext(clean) != ".png" && path.Ext(clean) != ".safetensors":
		return "is neither .png nor .safetensors"
	}
	return ""
}

// goldens demands that no file is the golden of two expectations.
func (p *parser) goldens() {
	first := make(map[string]Pos)
	for _, t := range p.d.Tests {
		for _, x := range t.Expect {
			key := strings.ToLower(x.Golden.Text) // some file systems know no case
			if at, ok := first[key]; ok {
				p.add(Diagnostic{Pos: x.Golden.Pos, Code: "F0703", Hint: "give one of them another name", Related: []Related{{at, "the other one"}},
					Message: fmt.Sprintf("%s is the golden of two expectations", Quote(x.Golden.Text))})
				continue
			}
			first[key] = x.Golden.Pos
		}
	}
}
