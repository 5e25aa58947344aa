package spec

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func text(list []Diagnostic, src []byte) string {
	var b bytes.Buffer
	sources := map[string][]byte{}
	for _, d := range list {
		sources[d.File] = src
	}
	_ = Render(&b, "text", list, sources, 0, "test")
	return b.String()
}

func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, list := Parse(filepath.Base(path), src)
			if len(list) == 0 {
				t.Error("no diagnostics")
			}
			got := text(list, src)
			golden := strings.TrimSuffix(path, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// guide is the whole language, but for matrix and tests.
const guide = `# comment
flow: v1
name: castle
version: 1.2.0
params:
  prompt:   {type: string, default: "a castle"}
  negative: {type: string, default: "lowres"}
  seed:     {type: seed,  default: 18446744073709551615}
  steps:    {type: int,   default: 50, min: 1, max: 1000}
  sag:      {type: float, default: 1e-3, min: 0}
  size:     {type: int,   default: 1024, multipleOf: 8}
models:
  sdxl:   {path: models/stable-diffusion-xl-base-1.0}
  vae:    {path: models/sdxl-vae-fp16-fix, variant: fp16}
files:
  reference: {path: inputs/german-castle.jpg}
numerics: {precision: bf16, device: cpu, edition: refiners}
nodes:
  base:    {kind: load-model, weights: $models.sdxl, vae: $models.vae}
  tokens:  {kind: encode-image, image: $files.reference, weights: $models.sdxl}
  adapted: {kind: ip-adapter, model: $base.model, images: [{from: $tokens, weight: 1.0}], scale: {down: 1, mid: .5}}
  text:
    kind: encode-prompt@1
    model: $adapted.model
    prompt: "${params.prompt}, best quality, $${literal}"
    negative: $params.negative
    price: $$5
  noise:   {kind: noise, seed: $params.seed, width: $params.size, height: $params.size}
  latents:
    kind: denoise
    latents: $noise.latents
    conditioning: $text.conditioning
    solver: {name: ddim, steps: $params.steps}
    guidance: {scale: 5.0, self-attention: {scale: $params.sag, blur-sigma: 1.0}}
  image:   {kind: decode, model: $base.model, latents: $latents.latents}
outputs:
  picture: {from: $image.image, path: "out/${name}-${params.seed}-sag${params.sag}.png"}
`

func TestGuide(t *testing.T) {
	d, list := Parse("guide.yaml", []byte(guide))
	if len(list) != 0 {
		t.Fatalf("diagnostics:\n%s", text(list, []byte(guide)))
	}
	if list := d.Bind(nil); len(list) != 0 {
		t.Fatalf("diagnostics:\n%s", text(list, []byte(guide)))
	}
	if got := d.Expand(d.Outputs[0].Path.Text); got != "out/castle-18446744073709551615-sag1e-3.png" {
		t.Errorf("path %q", got)
	}
	prompt := d.Node("text").Args[1].Value
	if got := d.Expand(prompt.Text); got != "a castle, best quality, ${literal}" {
		t.Errorf("prompt %q", got)
	}
	if got := d.Node("text").Args[3].Value.Text; got != "$5" {
		t.Errorf("literal %q", got)
	}
	if n := d.Node("text"); n.Version != 1 || n.Kind.Text != "encode-prompt" {
		t.Errorf("kind %+v", n.Kind)
	}
	if v := d.Substitute(d.Node("noise").Args[0].Value); v.Kind != Int || v.Text != "18446744073709551615" || v.Pos.Line != 28 {
		t.Errorf("seed %+v", v)
	}
	if d.Edition.Text != "refiners" || d.Models[1].Variant.Text != "fp16" {
		t.Errorf("numerics %+v", d.Numerics)
	}
}

func TestOverrides(t *testing.T) {
	for _, c := range []struct{ override, want string }{
		{"seed=43", ""}, {"sag=0", ""}, {"prompt=true", ""}, {"prompt=", ""}, {"prompt=a=b", ""}, {"steps=1000", ""},
		{"sed=1", `did you mean "seed"?`}, {"steps=0", "below the minimum 1"}, {"steps=1001", "above the maximum"}, {"steps=1.5", "whole number"},
		{"size=100", "multiple of 8"}, {"seed=-1", "seed"}, {"seed=1e3", "seed"}, {"steps=010", "leading zero"}, {"seed=18446744073709551616", "seed"},
		{"sag=nan", "finite"}, {"sag=1e999", "too large"},
	} {
		d, _ := Parse("guide.yaml", []byte(guide))
		o, problem := ParseOverride(c.override)
		if problem != nil {
			t.Fatal(problem)
		}
		got := text(d.Bind([]Override{o}), nil)
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("-p %s: %q, want %q", c.override, got, c.want)
		}
	}
	for _, bad := range []string{"seed", "=5", "se ed=5"} {
		if _, problem := ParseOverride(bad); problem == nil {
			t.Errorf("-p %s is accepted", bad)
		}
	}
}

func TestParamsFile(t *testing.T) {
	list, diags := ParseParams("p.json", []byte(`{"seed": 18446744073709551615, "prompt": "x"}`))
	if len(diags) != 0 || len(list) != 2 || list[0].Value.Text != "18446744073709551615" {
		t.Errorf("%v %v", list, diags)
	}
	d, _ := Parse("guide.yaml", []byte(guide))
	list, _ = ParseParams("p.yaml", []byte("steps: many\nsedd: 1\n"))
	got := text(d.Bind(list), nil)
	if !strings.Contains(got, "p.yaml:1:8") || !strings.Contains(got, `p.yaml:2:1`) {
		t.Errorf("positions in the file of parameters:\n%s", got)
	}
}

func TestFormats(t *testing.T) {
	src, err := os.ReadFile("testdata/cycle.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, list := Parse("a,b:c%.yaml", src)
	list = append(list, Diagnostic{File: "x", Code: "F0999", Message: "two\nlines ::error::\x1b[2J"})
	for _, format := range Formats {
		var b bytes.Buffer
		if err := Render(&b, format, list, nil, 0, "v0"); err != nil {
			t.Fatal(err)
		}
		out := b.String()
		if strings.Contains(out, "\x1b") && format != "github" {
			t.Errorf("%s lets an escape through", format)
		}
		switch format {
		case "json", "sarif":
			var v map[string]any
			if err := json.Unmarshal(b.Bytes(), &v); err != nil {
				t.Errorf("%s: %v", format, err)
			}
		case "github":
			if n := strings.Count(out, "\n"); n != len(list) {
				t.Errorf("%d lines for %d annotations:\n%s", n, len(list), out)
			}
			if !strings.Contains(out, "file=a%2Cb%3Ac%25.yaml,line=") {
				t.Errorf("file is not escaped:\n%s", out)
			}
		}
	}
	if err := Render(&bytes.Buffer{}, "xml", nil, nil, 0, ""); err == nil {
		t.Error("an unknown format is accepted")
	}
}

func TestNarrowTerminal(t *testing.T) {
	src := []byte("flow: v1\nnodes:\n  a: {kind: k, prompt: \"" + strings.Repeat("word ", 60) + "\", in: $nowhere.out}\n")
	_, list := Parse("w.yaml", src)
	var b bytes.Buffer
	if err := Render(&b, "text", list, map[string][]byte{"w.yaml": src}, 60, ""); err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(b.String(), "\n") {
		if strings.Contains(line, "| ") && !strings.Contains(line, "outputs: {") && len([]rune(line)) > 60 {
			t.Errorf("%d columns: %s", len([]rune(line)), line)
		}
	}
	if !strings.Contains(b.String(), "nowhere.out") || !strings.Contains(b.String(), "^^^^^^^") {
		t.Errorf("the mark is not in the window:\n%s", b.String())
	}
}

// hostile texts must be answered within a second and little memory.
func hostile() map[string][]byte {
	bomb := "flow: v1\na0: &a0 [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 1; i < 12; i++ {
		p := string(rune('0' + (i-1)%10))
		if i > 10 {
			p = "10"
		}
		n := string(rune('0' + i%10))
		if i == 10 || i == 11 {
			n = "1" + string(rune('0'+i-10))
		}
		bomb += "a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+",", 10), ",") + "]\n"
	}
	return map[string][]byte{
		"aliases":       []byte(bomb + "nodes: {a: {kind: k, x: *a11}}\n"),
		"self alias":    []byte("flow: v1\nnodes: &n {a: *n}\n"),
		"brackets":      []byte("flow: v1\nnodes: " + strings.Repeat("[", 500_000)),
		"braces":        []byte("nodes: " + strings.Repeat("{a: ", 200_000)),
		"dashes":        []byte(strings.Repeat("- ", 400_000)),
		"indent":        []byte(deepIndent(2000)),
		"questions":     []byte(strings.Repeat("? ", 400_000)),
		"duplicates":    []byte("flow: v1\n" + strings.Repeat("name: x\n", 100_000)),
		"keys":          []byte("flow: v1\nnodes:\n" + manyNodes(30_000)),
		"nul":           []byte("flow: v1\nname: \x00\n"),
		"binary":        bytes.Repeat([]byte{0x89, 'P', 'N', 'G', 0xff, 1}, 100_000),
		"utf-16":        []byte("\xff\xfef\x00l\x00"),
		"large":         bytes.Repeat([]byte("# comment\n"), 200_000),
		"long line":     []byte("flow: v1\nname: \"" + strings.Repeat("é", 400_000) + "\"\n"),
		"colons":        []byte(strings.Repeat("a: ", 300_000)),
		"quotes":        []byte("flow: \"" + strings.Repeat("\\x41", 200_000)),
		"anchors":       []byte("flow: v1\nx: [" + strings.Repeat("&a x, ", 150_000) + "]\n"),
		"tags":          []byte("flow: v1\nx: [" + strings.Repeat("!!t x, ", 140_000) + "]\n"),
		"cycle of 5000": []byte("flow: v1\nnodes:\n" + ring(5000)),
	}
}

func deepIndent(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i%500) + "a:\n")
	}
	return b.String()
}

func manyNodes(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("  n" + string(rune('a'+i%26)) + strings.Repeat("x", i%7) + ": {kind: k, in: $q.o}\n")
	}
	return b.String()
}

func ring(n int) string {
	var b strings.Builder
	name := func(i int) string {
		return "n" + strings.Repeat("a", i/1000) + string(rune('a'+i/100%10)) + string(rune('a'+i/10%10)) + string(rune('a'+i%10))
	}
	for i := range n {
		b.WriteString("  " + name(i) + ": {kind: k, in: $" + name((i+1)%n) + ".o}\n")
	}
	return b.String()
}

func TestHostileTextsAreAnsweredQuickly(t *testing.T) {
	for name, src := range hostile() {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := cpuTime()
			_, list := Parse("h.yaml", src)
			took := cpuTime() - start
			runtime.ReadMemStats(&after)
			if !Failed(list) {
				t.Error("accepted")
			}
			if len(list) > 2*maxDiagnostics {
				t.Errorf("%d diagnostics", len(list))
			}
			if took > time.Second {
				t.Errorf("took %v", took)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 200<<20 {
				t.Errorf("allocated %d MB", used>>20)
			}
			for _, d := range list {
				checkPosition(t, d, src)
			}
		})
	}
}

// checkPosition demands that a diagnostic lies inside the file.
func checkPosition(t *testing.T, d Diagnostic, src []byte) {
	t.Helper()
	if !d.Pos.Known() {
		return
	}
	lines := bytes.Split(src, []byte("\n"))
	if d.Pos.Line > len(lines)+1 || d.Pos.Col < 1 || d.Pos.Line <= len(lines) && d.Pos.Col > len(lines[d.Pos.Line-1])+2 {
		t.Errorf("%v lies outside the file", d)
	}
	if known := func() bool {
		for _, c := range Codes {
			if c.ID == d.Code {
				return true
			}
		}
		return false
	}(); !known {
		t.Errorf("code %s is not listed", d.Code)
	}
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	huge := filepath.Join(dir, "huge.yaml")
	if err := os.WriteFile(huge, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(huge, 1<<30); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{huge: "at most", dir: "folder", filepath.Join(dir, "none.yaml"): "no such file"} {
		start := time.Now()
		_, list := Load(path)
		if !Failed(list) || !strings.Contains(list[0].Message, want) {
			t.Errorf("%s: %v, want %q", path, list, want)
		}
		if time.Since(start) > time.Second {
			t.Errorf("%s took %v", path, time.Since(start))
		}
	}
}

func TestScalars(t *testing.T) {
	for s, want := range map[string]Kind{
		"1": Int, "-1": Int, "+1": Int, "0": Int, "-0": Int, "18446744073709551615": Int, "1e-3": Float, "1.": Float, ".5": Float, "1E5": Float,
		"010": String, "0x1f": String, "1_000": String, "12:30": String, ".inf": String, "NaN": String, "yes": String, "off": String, "2024-01-01": String,
		"true": Bool, "FALSE": Bool, "~": Null, "": Null, "null": Null, "1e": String, "--1": String,
	} {
		if got := classify(s); got != want {
			t.Errorf("%q is %v, want %v", s, got, want)
		}
	}
	for in, want := range map[string]string{"+1": "1", ".5": "0.5", "1.": "1.0", "-.5e+3": "-0.5e+3", "1E5": "1e5", "00.5": "0.5"} {
		if got := jsonNumber(in); got != want || !json.Valid([]byte(got)) {
			t.Errorf("jsonNumber(%q) = %q, want %q", in, got, want)
		}
	}
}
