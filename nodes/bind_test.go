package nodes

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/spec"
)

func least(v float64) *float64 { return &v }

// every is a kind with an argument of each sort.
func every() *Kind {
	return &Kind{Name: "every", Version: 1, Args: []Arg{
		{Name: "count", Type: IntArg, Default: int64(3), Min: least(1), Max: least(100), MultipleOf: 1},
		{Name: "wide", Type: IntArg},
		{Name: "ratio", Type: FloatArg, Default: 0.5, Min: least(-2)},
		{Name: "on", Type: BoolArg, Default: true},
		{Name: "text", Type: StringArg, Required: true, Template: true},
		{Name: "plain", Type: StringArg},
		{Name: "seed", Type: SeedArg, Default: uint64(7)},
		{Name: "mode", Type: EnumArg, Enum: []string{"fast", "exact"}, Default: "exact"},
		{Name: "model", Type: PortArg, Port: ModelType},
		{Name: "weights", Type: WeightsArg},
		{Name: "file", Type: FileArg},
		{Name: "guide", Type: ObjectArg, Shorthand: "scale", Fields: []Arg{
			{Name: "scale", Type: FloatArg, Default: 5.0, Max: least(10)},
			{Name: "word", Type: StringArg, Template: true},
			{Name: "deep", Type: ObjectArg, Fields: []Arg{{Name: "n", Type: IntArg, Default: int64(9)}}},
		}},
		{Name: "must", Type: ObjectArg, Fields: []Arg{{Name: "n", Type: IntArg, Required: true}}},
		{Name: "pair", Type: ListArg, Item: &Arg{Type: IntArg, Min: least(0)}},
		{Name: "images", Type: ListArg, Item: &Arg{Type: ObjectArg, Fields: []Arg{
			{Name: "from", Type: PortArg, Port: ImageType, Required: true},
			{Name: "weight", Type: FloatArg, Default: 1.0},
		}}},
	}}
}

const head = `flow: v1
name: toy
params:
  count: {type: int, default: 8}
  ratio: {type: float, default: 1e-3}
  on: {type: bool, default: false}
  word: {type: string, default: "a ${params.count} b"}
  digits: {type: string, default: "12"}
  seed: {type: seed, default: 18446744073709551615}
  mode: {type: string, default: fast}
models: {m: {path: weights, variant: fp16}}
files: {f: {path: in.png}}
nodes:
  other: {kind: other}
  n: {kind: every, `

// bind binds node n whose arguments are written in YAML flow style.
func bind(t *testing.T, args string, overrides ...spec.Override) (*Args, []Input, []spec.Diagnostic) {
	t.Helper()
	doc, diags := spec.Parse("toy.flow.yaml", []byte(head+args+"}\noutputs: {o: {from: $n, path: a.png}}\n"))
	for _, d := range diags {
		if d.Severity == spec.Error {
			t.Fatal(d)
		}
	}
	if diags := doc.Bind(overrides); diags != nil {
		t.Fatal(diags)
	}
	return Bind(doc, doc.Node("n"), every(), func(root spec.Root, name spec.Word) (File, *spec.Diagnostic) {
		return File{Name: name.Text, Path: fmt.Sprintf("/%d/%s", root, name.Text), Variant: "fp16"}, nil
	})
}

func TestBindDefaults(t *testing.T) {
	a, inputs, diags := bind(t, `text: x`)
	if diags != nil || inputs != nil {
		t.Fatal(diags, inputs)
	}
	want := map[string]any{"count": int64(3), "ratio": 0.5, "on": true, "text": "x", "seed": uint64(7), "mode": "exact", "guide.scale": 5.0, "guide.deep.n": int64(9)}
	if !reflect.DeepEqual(a.values, want) || len(a.lists) != 0 {
		t.Errorf("values %v, lists %v", a.values, a.lists)
	}
	if a.Int("count") != 3 || a.Float("guide.scale") != 5 || !a.Bool("on") || a.String("mode") != "exact" || a.Seed("seed") != 7 || a.Int("guide.deep.n") != 9 {
		t.Error("a default is not read back")
	}
	if a.Has("plain") || a.String("plain") != "" || a.Int("wide") != 0 || a.Len("pair") != 0 {
		t.Error("an absent argument has a value")
	}
}

func TestBindEverySort(t *testing.T) {
	a, inputs, diags := bind(t, `count: 42, wide: -9007199254740993, ratio: -1.5e-3, on: false, text: "a ${params.word}, ${name}", plain: 12,
    seed: 9007199254740993, mode: fast, model: $other.model, weights: $models.m, file: $files.f,
    guide: {scale: 2, word: "$${x} ${params.digits}", deep: {n: 1}}, must: {n: 4}, pair: [5, 6],
    images: [{from: $other.image}, {from: $other, weight: 0.25}]`)
	if diags != nil {
		t.Fatal(diags)
	}
	want := map[string]any{"count": int64(42), "wide": int64(-9007199254740993), "ratio": -1.5e-3, "on": false, "text": "a a ${params.count} b, toy", "plain": "12",
		"seed": uint64(9007199254740993), "mode": "fast", "guide.scale": 2.0, "guide.word": "${x} 12", "guide.deep.n": int64(1), "must.n": int64(4),
		"pair.0": int64(5), "pair.1": int64(6), "images.0.weight": 1.0, "images.1.weight": 0.25,
		"weights": File{Name: "m", Path: fmt.Sprintf("/%d/m", spec.ModelsRoot), Variant: "fp16"}, "file": File{Name: "f", Path: fmt.Sprintf("/%d/f", spec.FilesRoot), Variant: "fp16"}}
	if !reflect.DeepEqual(a.values, want) {
		t.Errorf("values\n%v, want\n%v", a.values, want)
	}
	if a.Len("pair") != 2 || a.Len("images") != 2 {
		t.Errorf("lists %v", a.lists)
	}
	var got []string
	for _, in := range inputs {
		got = append(got, fmt.Sprintf("%s %s %s.%s %v", in.Path, in.Type, in.Ref.Name.Text, in.Ref.Output.Text, in.Pos.Known()))
	}
	if !slices.Equal(got, []string{"model model other.model true", "images.0.from image other.image true", "images.1.from image other. true"}) {
		t.Errorf("inputs %q", got)
	}
	if files := a.Files(); len(files) != 2 || files["weights"].Name != "m" {
		t.Errorf("files %v", files)
	}
	if paths := a.Paths(); len(paths) != len(want) || !slices.IsSorted(paths) {
		t.Errorf("paths %v", paths)
	}
}

func TestBindParametersAndShorthand(t *testing.T) {
	a, _, diags := bind(t, `count: $params.count, ratio: $params.ratio, on: $params.on, text: $params.word, plain: $params.word, seed: $params.seed, mode: $params.mode,
    guide: $params.ratio, pair: [$params.count]`)
	if diags != nil {
		t.Fatal(diags)
	}
	// a parameter's text is not a template, whatever it holds
	want := map[string]any{"count": int64(8), "ratio": 1e-3, "on": false, "text": "a ${params.count} b", "plain": "a ${params.count} b",
		"seed": uint64(math.MaxUint64), "mode": "fast", "guide.scale": 1e-3, "guide.deep.n": int64(9), "pair.0": int64(8)}
	if !reflect.DeepEqual(a.values, want) {
		t.Errorf("values\n%v, want\n%v", a.values, want)
	}
	o, problem := spec.ParseOverride("word=$other.image ${params.seed}")
	if problem != nil {
		t.Fatal(problem)
	}
	a, inputs, diags := bind(t, `text: $params.word, guide: 7`, o)
	if diags != nil || inputs != nil || a.String("text") != "$other.image ${params.seed}" || a.Float("guide.scale") != 7 {
		t.Errorf("%v %v %v", a.values, inputs, diags)
	}
}

func TestBindMistakes(t *testing.T) {
	for _, tt := range []struct{ args, code, message, hint string }{
		{`text: x, cuont: 3`, "F0106", `every (node "n") has no argument "cuont"`, `did you mean "count"?`},
		{`text: x, zzzzzzzz: 3`, "F0106", `has no argument "zzzzzzzz"`, "it takes count, wide, ratio"},
		{`text: x, guide: {scal: 3}`, "F0106", `guide has no argument "scal"`, `did you mean "scale"?`},
		{`count: 3`, "F0107", `every (node "n") lacks the argument "text"`, "text: a text"},
		{`text: x, must: {}`, "F0107", `must lacks the argument "n"`, "n: a whole number"},
		{`text: x, images: [{weight: 1}]`, "F0107", `images.0 lacks the argument "from"`, "from: $NODE.image"},
		{`text: x, count: 1.5`, "F0301", "count: want a whole number", ""},
		{`text: x, count: 010`, "F0301", "count: want a whole number", "leading zero"},
		{`text: x, count: "3"`, "F0301", "count: want a whole number", ""},
		{`text: x, count: 0`, "F0302", "count: 0 is below the minimum 1", ""},
		{`text: x, count: 101`, "F0302", "count: 101 is above the maximum 100", ""},
		{`text: x, wide: 9223372036854775808`, "F0302", "wide: 9223372036854775808 is too large", ""},
		{`text: x, ratio: -2.0000001`, "F0302", "ratio: -2.0000001 is below the minimum -2", ""},
		{`text: x, ratio: 1e999`, "F0302", "ratio: 1e999 is too large", ""},
		{`text: x, ratio: .inf`, "F0301", "ratio: want a number", "finite"},
		{`text: x, on: yes`, "F0301", "on: want true or false", "write true"},
		{`text: true`, "F0301", "text: want text", "quotes"},
		{`text: `, "F0301", "text: want text, this is nothing", ""},
		{`text: [a]`, "F0301", "text: want text, this is a list", ""},
		{`text: $other.image`, "F0205", "text: want a value of type string", ""},
		{`text: x, seed: -1`, "F0302", "seed: -1 is no seed", "18446744073709551615"},
		{`text: x, seed: 18446744073709551616`, "F0302", "is no seed", ""},
		{`text: x, seed: 1e3`, "F0301", "seed: want a seed", ""},
		{`text: x, mode: fats`, "F0302", `mode: "fats" is not one of fast, exact`, `did you mean "fast"?`},
		{`text: x, plain: "${params.word}"`, "F0201", "plain is no template", "$${"},
		{`text: x, model: 3`, "F0205", "model is a reference", "write $NODE.model"},
		{`text: x, model: $models.m`, "F0205", "this is the reference $models.m", "write $NODE.model"},
		{`text: x, weights: $files.f`, "F0205", "weights is a model reference", "write $models.NAME"},
		{`text: x, file: in.png`, "F0205", "file is a file reference", "write $files.NAME"},
		{`text: x, guide: [1]`, "F0301", "guide is a map, this is a list", "it has scale, word, deep"},
		{`text: x, guide: `, "F0301", "guide is a map, this is nothing", ""},
		{`text: x, guide: $other.image`, "F0301", "guide is a map", ""},
		{`text: x, guide: 11`, "F0302", "guide.scale: 11 is above the maximum 10", ""},
		{`text: x, must: 3`, "F0301", "must is a map", ""},
		{`text: x, pair: 3`, "F0301", "pair is a list", ""},
		{`text: x, pair: [1, -1]`, "F0302", "pair.1: -1 is below the minimum 0", ""},
	} {
		_, _, diags := bind(t, tt.args)
		if len(diags) != 1 {
			t.Errorf("%s: %v", tt.args, diags)
			continue
		}
		d := diags[0]
		if d.Code != tt.code || !strings.Contains(d.Message, tt.message) || !strings.Contains(d.Hint, tt.hint) {
			t.Errorf("%s: %v", tt.args, d)
		}
		if d.File != "toy.flow.yaml" || !d.Pos.Known() {
			t.Errorf("%s: no place: %+v", tt.args, d)
		}
	}
}

// TestBindReportsAll mistakes of a node together.
func TestBindReportsAll(t *testing.T) {
	_, _, diags := bind(t, `count: 0, ratio: x, guide: {scale: 99, bad: 1}, pair: [a, b]`)
	if len(diags) != 7 {
		t.Errorf("%d: %v", len(diags), diags)
	}
}

func TestBindRefusesTextThatIsNotUTF8(t *testing.T) {
	for _, args := range []string{`text: $params.word`, `text: "${params.word}"`} {
		o := spec.Override{Name: "word", Value: &spec.Value{Kind: spec.String, Text: "a\xff", Plain: true}, From: "-p word"}
		_, _, diags := bind(t, args, o)
		if len(diags) != 1 || !strings.Contains(diags[0].Message, "not UTF-8") {
			t.Errorf("%s: %v", args, diags)
		}
	}
}

func TestArgsOfAnotherSortPanic(t *testing.T) {
	defer func() {
		if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), `"n" is a int64`) {
			t.Errorf("recovered %v", v)
		}
	}()
	NewArgs(map[string]any{"n": int64(1)}).Float("n")
}
