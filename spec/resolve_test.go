package spec

import (
	"path/filepath"
	"strings"
	"testing"
)

// render tells what a document means: everything but places and the notes that are left out.
func render(t *testing.T, d *Document) string {
	t.Helper()
	var b strings.Builder
	for _, p := range d.Params {
		b.WriteString(p.Name.Text + " " + p.Type + " " + p.Value().Text + "\n")
	}
	for _, n := range d.Nodes {
		b.WriteString(n.Name.Text + " " + n.Kind.Text + "\n")
		for _, a := range n.Args {
			writeValue(&b, d.Substitute(a.Value))
			b.WriteString(" " + a.Key.Text + "\n")
		}
	}
	for _, o := range d.Outputs {
		b.WriteString(o.Name.Text + " " + d.Expand(o.Path.Text) + "\n")
	}
	return b.String()
}

func writeValue(b *strings.Builder, v *Value) {
	b.WriteString(v.Kind.String() + ":" + v.Text)
	if v.Ref != nil {
		b.WriteString(" ref " + v.Ref.Name.Text + "." + v.Ref.Output.Text)
	}
	for _, x := range v.Items {
		writeValue(b, x)
	}
	for _, e := range v.Entries {
		b.WriteString(" " + e.Key.Text + "=")
		writeValue(b, e.Value)
	}
}

// resolved resolves a document and reads the result.
func resolved(t *testing.T, d *Document) (*Document, string) {
	t.Helper()
	out, err := d.Resolve("fp32", "cpu", "refiners")
	if err != nil {
		t.Fatal(err)
	}
	again, diags := Parse("again", out)
	if Failed(diags) {
		t.Fatalf("%v\n%s", diags, out)
	}
	if diags := again.Bind(nil); len(diags) > 0 {
		t.Fatalf("%v\n%s", diags, out)
	}
	return again, string(out)
}

func TestResolveMeansTheSame(t *testing.T) {
	files, err := filepath.Glob("../examples/*/*.flow.yaml")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	more, _ := filepath.Glob("../workflows/*.flow.yaml")
	for _, file := range append(files, more...) {
		d, diags := Load(file)
		if Failed(diags) {
			t.Fatal(diags)
		}
		if diags := d.Bind(nil); len(diags) > 0 {
			t.Fatal(file, diags)
		}
		again, text := resolved(t, d)
		if got, want := render(t, again), render(t, d); got != want {
			t.Errorf("%s:\n%s\nwant\n%s\nfrom\n%s", file, got, want, text)
		}
		if again.Precision.Text != "fp32" || again.Edition.Text != "refiners" {
			t.Errorf("%s: numerics %+v", file, again.Numerics)
		}
		if second, _ := again.Resolve("fp32", "cpu", "refiners"); string(second) != text {
			t.Errorf("%s is not settled after one round:\n%s\n%s", file, text, second)
		}
	}
}

func TestResolveKeepsOddTexts(t *testing.T) {
	for _, value := range []string{"42", "010", "yes", "true", "null", "~", "1e-3", "$x", "$$x", "a: b", "# no comment", "- x", "\"quoted\"", "tab\tand ü 城", "a\u202eb", "{x}", " lead", "${params.x}", "$${x", "$$${x", ""} {
		d, diags := Parse("f", []byte(`flow: v1
name: odd
params: {p: {type: string, default: plain}, other: {type: int, default: 3}}
nodes: {a: {kind: noise, prompt: $params.p, literal: "$$p", n: $params.other}}
outputs: {o: {from: $a.image, path: "x${params.p}"}}
`))
		if Failed(diags) {
			t.Fatal(diags)
		}
		o, problem := ParseOverride("p=" + value)
		if problem != nil {
			t.Fatal(problem)
		}
		if diags := d.Bind([]Override{o}); len(diags) > 0 {
			t.Fatal(value, diags)
		}
		again, out := resolved(t, d)
		if got, want := render(t, again), render(t, d); got != want {
			t.Errorf("%q:\n%s\nwant\n%s\nfrom\n%s", value, got, want, out)
		}
	}
}

func TestResolveNamesNoMachine(t *testing.T) {
	d, diags := Parse("f", []byte(`flow: v1
name: paths
models: {a: {path: /home/someone/models/sdxl}, b: {path: 'C:\Users\someone\lora.safetensors', config: ~/configs/c}}
files: {r: /home/someone/castle.png, s: {path: ~/x/y.png}}
nodes: {n: {kind: noise}}
outputs: {o: {from: $n.image, path: x.png}}
`))
	if Failed(diags) {
		t.Fatal(diags)
	}
	d.Bind(nil)
	out, err := d.Resolve("bf16", "cpu", "diffusers")
	if err != nil {
		t.Fatal(err)
	}
	if s := string(out); strings.Contains(s, "someone") || strings.Contains(s, "~") || !strings.Contains(s, "path: lora.safetensors") {
		t.Errorf("a machine's paths:\n%s", s)
	}
}
