package plan

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/spec"
)

// cells is the toy castle with a path that tells all cells apart, and a matrix.
func cells(matrix string) string {
	return strings.Replace(castle, "${name}-${params.seed}", "${params.seed}-${params.word}", 1) + "matrix:\n  " + matrix + "\n"
}

func TestCellsShareSteps(t *testing.T) {
	p := mustBuild(t, cells("seed: [1, 2]\n  word: [a, b]"), nil)
	want := []string{"base", "text[word=a]", "noise[seed=1]", "latents[seed=1,word=a]", "image[seed=1,word=a]", "text[word=b]", "latents[seed=1,word=b]", "image[seed=1,word=b]",
		"noise[seed=2]", "latents[seed=2,word=a]", "image[seed=2,word=a]", "latents[seed=2,word=b]", "image[seed=2,word=b]"}
	if got := names(p.Steps); !slices.Equal(got, want) {
		t.Errorf("steps %q", got)
	}
	for name, n := range map[string]int{"base": 4, "text[word=a]": 2, "noise[seed=2]": 2, "image[seed=2,word=b]": 1} {
		if p.step(name).Cells != n {
			t.Errorf("%s is of %d cells, want %d", name, p.step(name).Cells, n)
		}
	}
	for i, o := range p.Outputs {
		c := p.Cells[i]
		if o.Node != "picture" || o.Name != "picture["+c.Label+"]" || !slices.Equal(o.Cells, []*Cell{c}) || o.From.Node != "image" {
			t.Errorf("output %+v of cell %s", o, c.Label)
		}
	}
	if got := p.Outputs[3].Path; got != "out/2-b.png" {
		t.Error(got)
	}
}

func TestCellsOfChoice(t *testing.T) {
	const matrix = "seed: [1, 2]\n  word: [a, b]\n  exclude: [{seed: 2, word: b}]\n  include: [{seed: 9, word: z}]"
	for _, tt := range []struct {
		params, choices []string
		want            string
	}{
		{nil, nil, "1-a 1-b 2-a 9-z"},
		{[]string{"seed=2"}, nil, "2-a"},
		{[]string{"seed=5"}, nil, "5-a 5-b"},
		{[]string{"seed=2", "word=b"}, nil, "2-b"}, // asked for, whatever is excluded
		{[]string{"word=c"}, nil, "1-c 2-c"},
		{nil, []string{"seed=1"}, "1-a 1-b"},
		{nil, []string{"seed=+1,word=b", "seed=9"}, "1-b 9-z"},
		{[]string{"word=b, c=d"}, []string{"seed=1"}, "1-b, c=d"},
		{[]string{"word=c"}, []string{"seed=2"}, "2-c"},
	} {
		p := mustBuild(t, cells(matrix), func(o *Options) {
			o.Cells = tt.choices
			for _, s := range tt.params {
				over, problem := spec.ParseOverride(s)
				if problem != nil {
					t.Fatal(problem)
				}
				o.Overrides = append(o.Overrides, over)
			}
		})
		var got []string
		for _, o := range p.Outputs {
			got = append(got, strings.TrimSuffix(strings.TrimPrefix(o.Path, "out/"), ".png"))
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%v %v: %v, want %s", tt.params, tt.choices, got, tt.want)
		}
	}
}

// One cell alone is planned as if there were no matrix.
func TestOneCellIsPlain(t *testing.T) {
	p := mustBuild(t, cells("seed: [1, 2]\n  word: [a, b]"), func(o *Options) { o.Cells = []string{"seed=2,word=b"} })
	if got := names(p.Steps); !slices.Equal(got, []string{"base", "text", "noise", "latents", "image"}) || p.Outputs[0].Name != "picture" {
		t.Errorf("%q, output %q", got, p.Outputs[0].Name)
	}
}

func TestChoicesThatFindNothing(t *testing.T) {
	const matrix = "seed: [1, 2]\n  word: [a, b]\n  exclude: [{seed: 2, word: b}]"
	for choice, want := range map[string]string{
		"":              "it names no cell  [F0705] (write --cell NAME=VALUE,NAME=VALUE)",
		"seed":          "it names no cell",
		"sed=1":         `no cell gives "sed" a value  [F0705] (did you mean "seed"?)`,
		"size=1":        `no cell gives "size" a value  [F0705] (the matrix gives values to seed, word)`,
		"seed=7":        "no cell of those has seed=7  [F0705] (there seed is 1, 2)",
		"seed=x":        "no cell of those has seed=x",
		"seed=2,word=b": "no cell of those has word=b  [F0705] (there word is a)",
	} {
		_, diags := build(t, cells(matrix), func(o *Options) { o.Cells = []string{choice} })
		if len(diags) != 1 || diags[0].Code != "F0705" || !strings.Contains(diags[0].Error(), want) {
			t.Errorf("%q: %v", choice, diags)
		}
	}
	_, diags := build(t, castle, func(o *Options) { o.Cells = []string{"seed=1"} })
	if len(diags) != 1 || !strings.Contains(diags[0].Error(), "the workflow has no matrix") {
		t.Error(diags)
	}
	_, diags = build(t, cells("seed: [1, 2]\n  word: [a, b]\n  exclude: [{seed: 1}]"), func(o *Options) {
		o.Overrides = []spec.Override{{Name: "word", Value: &spec.Value{Kind: spec.String, Text: "c"}}, {Name: "seed", Value: &spec.Value{Kind: spec.Int, Text: "1"}}}
	})
	if len(diags) != 0 {
		t.Error(diags)
	}
	_, diags = build(t, cells("seed: [1, 2]\n  word: [a, b]\n  exclude: [{seed: 1, word: a}, {seed: 1, word: b}]"), func(o *Options) {
		o.Overrides = []spec.Override{{Name: "seed", Value: &spec.Value{Kind: spec.Int, Text: "1"}}}
	})
	if len(diags) != 1 || !strings.Contains(diags[0].Error(), "the matrix has no cell left") {
		t.Error(diags)
	}
}

func TestMistakesOfCells(t *testing.T) {
	for name, tt := range map[string]struct{ text, message, hint, place string }{
		"one file": {castle + "matrix:\n  word: [a, b]\n  seed: [1]\n", "the cells word=a,seed=1 and word=b,seed=1 write one file, out/castle-1.png", "put ${params.word} into the path", "16:10 16:13"},
		"a value":  {cells("seed: [1, 13]"), `node "noise": seed 13 is unlucky`, "", "16:13"},
		"folders":  {strings.Replace(castle, "out/${name}-${params.seed}.png", "${params.word}.png", 1) + "matrix: {word: [a, a.png/b]}\n", "in a folder of that name", "another path", ""},
	} {
		p, diags := build(t, tt.text, nil)
		if p != nil || len(diags) != 1 || !strings.Contains(diags[0].Message, tt.message) || !strings.Contains(diags[0].Hint, tt.hint) {
			t.Errorf("%s: %v", name, diags)
			continue
		}
		var at []string
		for _, r := range diags[0].Related {
			at = append(at, fmt.Sprintf("%d:%d", r.Pos.Line, r.Pos.Col))
		}
		if tt.place != "" && strings.Join(at, " ") != tt.place {
			t.Errorf("%s: related places %v, want %s", name, at, tt.place)
		}
	}
}

// A picture that does not depend on what differs is written once.
func TestPictureOfAllCells(t *testing.T) {
	text := strings.Replace(cells("seed: [1, 2, 3]"), "outputs:", "  still: {kind: noise, seed: 5}\n  same: {kind: image, latents: $still}\noutputs:\n  still: {from: $same, path: still.png}", 1)
	p := mustBuild(t, text, nil)
	if len(p.Outputs) != 4 || p.Outputs[0].Path != "still.png" || len(p.Outputs[0].Cells) != 3 || len(p.Outputs[1].Cells) != 1 {
		t.Errorf("%+v", p.Outputs)
	}
}

func TestCellsAreBounded(t *testing.T) {
	var nodes strings.Builder
	for i := range 80 {
		fmt.Fprintf(&nodes, "  n%d: {kind: noise, seed: $params.seed}\n", i)
	}
	var seeds []string
	for i := range 1000 {
		seeds = append(seeds, fmt.Sprint(i))
	}
	text := strings.Replace(castle, "outputs:", nodes.String()+"outputs:", 1) + "matrix: {seed: [" + strings.Join(seeds, ", ") + "]}\n"
	_, diags := build(t, text, nil)
	if !slices.ContainsFunc(diags, func(d spec.Diagnostic) bool {
		return strings.Contains(d.Message, "1000 cells of 85 nodes are more than 65536 steps")
	}) {
		t.Error(diags)
	}
}

// A thousand cells are planned in a moment, and a mistake that all have is told once.
func TestManyCells(t *testing.T) {
	var seeds []string
	for i := range 1000 {
		seeds = append(seeds, fmt.Sprint(100+i))
	}
	matrix := "seed: [" + strings.Join(seeds, ", ") + "]"
	if p := mustBuild(t, cells(matrix), nil); len(p.Steps) != 3002 || len(p.Outputs) != 1000 {
		t.Errorf("%d steps, %d outputs", len(p.Steps), len(p.Outputs))
	}
	_, diags := build(t, strings.Replace(cells(matrix), "kind: noise,", "kind: noise, sed: 1,", 1), nil)
	if len(diags) != 1 || diags[0].Code != "F0106" {
		t.Error(len(diags), diags[0])
	}
}
