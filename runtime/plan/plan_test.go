package plan

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/internal/program"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

func names(steps []*Step) (out []string) {
	for _, s := range steps {
		out = append(out, s.Name)
	}
	return out
}

func TestBuild(t *testing.T) {
	p := mustBuild(t, castle, nil)
	if got := names(p.Steps); !slices.Equal(got, []string{"base", "text", "noise", "latents", "image"}) {
		t.Errorf("steps %v", got)
	}
	if p.Precision != program.BF16 || p.Edition != "diffusers" || p.Device != "cpu" {
		t.Errorf("numerics %v %v %v", p.Precision, p.Edition, p.Device)
	}
	if len(p.Outputs) != 1 || p.Outputs[0].Path != "out/castle-42.png" || p.Outputs[0].From.Name != "image" || p.Outputs[0].Port != "image" {
		t.Errorf("outputs %+v", p.Outputs)
	}
	in := p.step("latents").Inputs
	if len(in) != 3 || in[0].From.Name != "base" || in[1].From.Name != "noise" || in[1].Path != "latents" || in[2].Port != "conditioning" {
		t.Errorf("inputs %+v", in)
	}
	for i, s := range p.Steps {
		if s.Index != i || !s.Needed || s.Op == nil {
			t.Errorf("step %+v", s)
		}
	}
	over := mustBuild(t, castle, func(o *Options) { o.Precision, o.Edition, o.Device = "fp32", "refiners", "auto" })
	if over.Precision != program.F32 || over.Edition != "refiners" || over.Device != "cpu" {
		t.Errorf("overridden numerics %v %v %v", over.Precision, over.Edition, over.Device)
	}
	mustBuild(t, castle, func(o *Options) {
		o.Auto = func() string { t.Error("a device was looked for that nobody asked for"); return "cuda" }
	})
	if there := mustBuild(t, castle, func(o *Options) { o.Device, o.Auto = "auto", func() string { return "cuda" } }); there.Device != "cuda" {
		t.Errorf("auto became %s", there.Device)
	}
}

func TestMistakes(t *testing.T) {
	n := nodesOnly
	for name, tt := range map[string]struct{ text, code, message, hint string }{
		"kind":     {n("a: {kind: noize}"), "F0401", `there is no kind "noize"`, `did you mean "noise"?`},
		"no kind":  {n("a: {kind: xxxxxxxxx}"), "F0401", `there is no kind "xxxxxxxxx"`, "kinds are denoise, image, load, noise, text, two"},
		"version":  {n("a: {kind: noise@3}"), "F0401", "there is no noise@3", "newer flow"},
		"output":   {n("a: {kind: noise}", "b: {kind: image, latents: $a.latent}"), "F0203", `node "a" has no output "latent"`, `did you mean "latents"?`},
		"outputs":  {n("a: {kind: two}", "b: {kind: image, images: [$a]}"), "F0203", `node "a" has several outputs; name one`, "it has image, mask"},
		"type":     {n("a: {kind: load}", "b: {kind: image, latents: $a.model}", "c: {kind: noise}"), "F0204", `latents of node "b" takes latents, and $a.model is model`, "$c.latents is one"},
		"in list":  {n("c: {kind: noise}", "d: {kind: image, images: [$c]}"), "F0204", `images.0 of node "d" takes image, and $c.latents is latents`, "$d.image is one"},
		"no image": {n("c: {kind: noise}") + "outputs: {o: {from: $c, path: a.png}}", "F0204", `output "o" takes image, and $c.latents is latents`, ""},
		"new":      {n("c: {kind: noise, seed: 13}"), "F0402", `node "c": seed 13 is unlucky`, ""},
		"file":     {"models: {m: {path: modle}}\n" + n("c: {kind: load, weights: $models.m}"), "F0602", `there is no "modle"`, "--models DIR"},
		"cycle":    {n("c: {kind: image, images: [$d]}", "d: {kind: image, images: [$c]}"), "F0501", "c -> d -> c", ""},
		"itself":   {n("c: {kind: image, images: [$c]}"), "F0501", "c -> c", ""},
	} {
		p, diags := build(t, tt.text, nil)
		var errs []spec.Diagnostic
		for _, d := range diags {
			if d.Severity == spec.Error {
				errs = append(errs, d)
			}
		}
		if p != nil || len(errs) != 1 {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		if d := errs[0]; d.Code != tt.code || !strings.Contains(d.Message, tt.message) || !strings.Contains(d.Hint, tt.hint) || !d.Pos.Known() || d.File == "" {
			t.Errorf("%s: %v", name, d)
		}
	}
}

// TestWrongTypeShowsBothPlaces: the reference and the node that it names.
func TestWrongTypeShowsBothPlaces(t *testing.T) {
	_, diags := build(t, nodesOnly("a: {kind: load}", "b: {kind: image, latents: $a.model}"), nil)
	i := slices.IndexFunc(diags, func(d spec.Diagnostic) bool { return d.Code == "F0204" })
	if i < 0 || diags[i].Pos.Line != 5 || len(diags[i].Related) != 1 || diags[i].Related[0].Pos.Line != 4 || diags[i].Related[0].Message != `node "a" is of kind load` {
		t.Errorf("%+v", diags)
	}
}

// TestAllMistakesInOnePass: of parameters, kinds, arguments, types and paths.
func TestAllMistakesInOnePass(t *testing.T) {
	_, diags := build(t, `flow: v1
params: {n: {type: int}}
nodes:
  a: {kind: load, weight: 3}
  b: {kind: image, latents: $a.model}
  c: {kind: nose}
  d: {kind: noise, seed: -1}
  e: {kind: image, latents: $d.latent}
outputs:
  o: {from: $e, path: ../a.png}
  p: {from: $a, path: a.png}
`, func(o *Options) {
		o.Overrides = []spec.Override{{Name: "m", Value: &spec.Value{Kind: spec.Int, Text: "3"}, From: "-p m"}}
	})
	var codes []string
	for _, d := range diags {
		if d.Severity == spec.Error {
			codes = append(codes, d.Code)
		}
	}
	if !slices.Equal(codes, []string{"F0702", "F0107", "F0106", "F0204", "F0401", "F0302", "F0203", "F0601", "F0204"}) {
		t.Errorf("%v\n%v", codes, diags)
	}
}

// TestOrder: of the steps that can run, the first in the file comes first.
func TestOrder(t *testing.T) {
	p := mustBuild(t, nodesOnly(
		"z: {kind: image, latents: $c}",
		"b: {kind: noise, seed: 1}",
		"y: {kind: image, images: [$x]}",
		"c: {kind: noise, seed: 2}",
		"x: {kind: image, latents: $b}",
		"a: {kind: noise, seed: 3}"), nil)
	if got := names(p.Steps); !slices.Equal(got, []string{"b", "c", "z", "x", "y", "a"}) {
		t.Errorf("order %v", got)
	}
}

// TestOrderAgainstTheSlowOne: the definition, searched step by step.
func TestOrderAgainstTheSlowOne(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		steps := make([]*Step, 1+r.IntN(30))
		place := r.Perm(len(steps)) // topological position of each
		for i := range steps {
			steps[i] = &Step{Name: fmt.Sprint(i)}
		}
		for i, s := range steps {
			for range r.IntN(4) {
				if j := r.IntN(len(steps)); place[j] < place[i] {
					s.Inputs = append(s.Inputs, Input{From: steps[j]})
				}
			}
		}
		var want []*Step
		done := make(map[*Step]bool)
		for len(want) < len(steps) {
			i := slices.IndexFunc(steps, func(s *Step) bool {
				return !done[s] && !slices.ContainsFunc(s.Inputs, func(in Input) bool { return !done[in.From] })
			})
			done[steps[i]] = true
			want = append(want, steps[i])
		}
		if got := order(steps); !slices.Equal(got, want) {
			t.Fatalf("%v, want %v", names(got), names(want))
		}
	}
}

func TestNeeded(t *testing.T) {
	lines := nodesOnly("a: {kind: noise}", "b: {kind: image, latents: $a}", "spare: {kind: load, fail: true}", "c: {kind: image, images: [$b]}", "d: {kind: image, images: [$b]}")
	needed := func(p *Plan) (out []string) {
		for _, s := range p.Steps {
			if s.Needed {
				out = append(out, s.Name)
			}
		}
		return out
	}
	p := mustBuild(t, lines+"outputs: {o: {from: $c, path: a.png}}\n", nil) // what is not needed is not opened either
	if got := needed(p); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("needed %v", got)
	}
	p, diags := build(t, lines, nil)
	if p == nil {
		t.Fatal(diags)
	}
	if got := needed(p); len(got) != 5 {
		t.Errorf("without outputs everything runs, not %v", got)
	}
}

func TestNotesAndBrokenNodes(t *testing.T) {
	closed := 0
	p, diags := build(t, nodesOnly(
		"a: {kind: load}", "bad: {kind: load, fail: true}",
		"t: {kind: text, model: $a, note: was cut}", "u: {kind: text, model: $bad}",
		"n: {kind: noise}", "d: {kind: denoise, model: $bad, latents: $n, conditioning: $u}", "two: {kind: two}"), func(o *Options) { o.Registry = toys(&closed) })
	if p == nil {
		t.Fatal(diags)
	}
	diags = p.Inspect(t.Context(), &nodes.Env{})
	var got []string
	for _, d := range diags {
		got = append(got, fmt.Sprintf("%s %d %s", d.Severity, d.Pos.Line, d.Message))
	}
	want := []string{`error 5 node "bad": cannot be opened`, `warning 6 node "t": was cut`, `error 10 node "two": kind two@1 has an operation of type string`}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	p.Close()
	p.Close()
	if closed != 1 {
		t.Errorf("closed %d models, one was opened", closed)
	}
}

// TestShapeMistakesBecomeDiagnostics; other panics go on.
func TestShapeMistakesBecomeDiagnostics(t *testing.T) {
	with := func(what any) *Plan {
		p, diags := build(t, nodesOnly("n: {kind: noise}"), nil)
		if p == nil {
			t.Fatal(diags)
		}
		p.Steps[0].Op = stored{func() (nodes.Plan, error) { panic(what) }}
		return p
	}
	diags := with(fmt.Errorf("wrapped: %w", &program.ShapeError{Scope: "unet.down.0", Msg: "4 channels, not 8"})).Inspect(t.Context(), &nodes.Env{})
	if len(diags) != 1 || !strings.Contains(diags[0].Message, `node "n": `) || !strings.Contains(diags[0].Message, "4 channels, not 8") || diags[0].Pos.Line != 4 {
		t.Errorf("%+v", diags)
	}
	defer func() {
		if v := recover(); v != "a bug" {
			t.Errorf("recovered %v", v)
		}
	}()
	with("a bug").Inspect(t.Context(), &nodes.Env{})
	t.Error("a bug was swallowed")
}

func TestOutputPaths(t *testing.T) {
	long := strings.Repeat("x", 252)
	for path, want := range map[string]string{
		"a.png": "a.png", "./out//a.PNG": "out/a.PNG", `out\b.png`: "out/b.png", "a/../b.png": "b.png", "ä ö.png": "ä ö.png", "a..png": "a..png", "...png": "...png",
		long[:251] + ".png": long[:251] + ".png",
		"":                  "!names no file", ".": "!names no file", "a/": "!names no file", "/a.png": "!absolute", `\a.png`: "!absolute", `C:\a.png`: "!absolute", "c:a.png": "!absolute", `\\host\a.png`: "!absolute",
		"../a.png": "!leaves", "a/../../b.png": "!leaves", `..\b.png`: "!leaves", "..": "!leaves", "a.jpg": "!.png", "png": "!.png",
		"a\x00.png": "!control", "a\n.png": "!control",
		long + ".png": "!256 bytes",
	} {
		got, problem := outputPath(path)
		if fail, ok := strings.CutPrefix(want, "!"); ok {
			if problem == nil || !strings.Contains(problem.problem, fail) {
				t.Errorf("%q: %q, %v; want %q", path, got, problem, fail)
			}
		} else if problem != nil || got != want {
			t.Errorf("%q: %q, %v", path, got, problem)
		}
	}
}

func TestNamesThatWindowsRefuses(t *testing.T) {
	for name, want := range map[string]string{
		"a.png": "", "conx.png": "", "com.png": "", "com10.png": "", "a b.png": "", ".png": "", "ab:c.png": "refuses", "a?.png": "refuses", `a".png`: "refuses",
		"con.png": "device", "NUL.x.png": "device", "com1": "device", "LPT9 .png": "device", "a.": "drops", "a ": "drops",
	} {
		if got := refusedByWindows(name); !strings.Contains(got, want) || want == "" && got != "" {
			t.Errorf("%q: %q", name, got)
		}
	}
}

func TestOutputsThatClash(t *testing.T) {
	for _, tt := range []struct{ a, b, message string }{
		{"a.png", "./a.png", `outputs "x" and "y" are written to one path, a.png`},
		{"out/A.png", "out/a.png", "are written to one path, out/a.png"},
		{"a.png", "A.PNG/b.png", `output "x" is the file a.png, and output "y" lies in a folder of that name`},
		{"A.PNG/c/b.png", "a.png", `output "y" is the file a.png, and output "x" lies in a folder of that name`},
	} {
		_, diags := build(t, nodesOnly("n: {kind: image}")+fmt.Sprintf("outputs:\n  x: {from: $n, path: %s}\n  y: {from: $n, path: %s}\n", tt.a, tt.b), nil)
		if len(diags) != 1 || diags[0].Code != "F0601" || !strings.Contains(diags[0].Message, tt.message) || diags[0].Pos.Line != 7 || len(diags[0].Related) != 1 || diags[0].Related[0].Pos.Line != 6 {
			t.Errorf("%s %s: %+v", tt.a, tt.b, diags)
		}
	}
	if _, diags := build(t, nodesOnly("n: {kind: image}")+"outputs:\n  x: {from: $n, path: a/b.png}\n  y: {from: $n, path: a/c.png}\n  z: {from: $n, path: a.png}\n", nil); len(diags) != 0 {
		t.Errorf("%v", diags)
	}
}

// TestAThousandNodes are planned within 50 ms on an idle machine; the file's order is the worst there is for a naive sort.
func TestAThousandNodes(t *testing.T) {
	var lines []string
	for i := range 1000 {
		switch {
		case i == 999:
			lines = append(lines, "n999: {kind: image}")
		case i%3 == 0:
			lines = append(lines, fmt.Sprintf("n%d: {kind: image, images: [$n%d, $n%d]}", i, i+1, 999))
		default:
			lines = append(lines, fmt.Sprintf("n%d: {kind: image, images: [$n%d]}", i, i+1))
		}
	}
	text := nodesOnly(lines...)
	best := time.Hour
	for range 5 {
		began := time.Now()
		p := mustBuild(t, text, nil)
		best = min(best, time.Since(began))
		if len(p.Steps) != 1000 || p.Steps[0].Name != "n999" || p.Steps[999].Name != "n0" {
			t.Fatal("the order is wrong")
		}
	}
	t.Logf("%v", best)
	if best > limitOfPlan {
		t.Errorf("%v for 1,000 nodes", best)
	}
}
