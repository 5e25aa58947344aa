package digests

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/internal/cpu/kernel"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/spec"
)

// Two steps of the castle at 32x32 have latents and pixels, the same on all tiers, other ones in another class.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, castle.Files()); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, castle.Workflow)
	d, err := Run(context.Background(), Options{
		Workflows: []Workflow{{"castle", file}}, Precisions: []string{"fp32", "bf16"}, Size: 32, Steps: 2, Makers: Makers("test", 0),
		Open: func(file string) flowruntime.Options {
			return flowruntime.Options{Options: plan.Options{Registry: kinds.Registry(), Files: flowruntime.FinderFor(file, nil, nil)}, Env: nodes.Env{}}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Rows) != 2 || d.Differing() != nil || len(d.Rows[0].Made) != len(kernel.Tiers())+2 {
		t.Errorf("%+v", d)
	}
	a, b := d.Rows[0].Made["test go"], d.Rows[1].Made["test go"]
	if len(a.Latents) != 64 || len(a.Pixels) != 64 || a.Latents == a.Pixels || a.Latents == b.Latents || a.Pixels == b.Pixels {
		t.Errorf("fp32 %+v, bf16 %+v", a, b)
	}
	if d.Rows[0].Class == d.Rows[1].Class {
		t.Errorf("both rows are %s", d.Rows[0].Class)
	}
}

func sample() *Document {
	return &Document{Form: form, Release: "v1", Rows: []Row{
		{Workflow: "a", Size: 64, Steps: 2, Class: "bf16@1", Made: map[string]Digest{"amd64 go": {"11", "22"}, "amd64 avx2": {"11", "22"}}},
		{Workflow: "b", Class: "fp32@1", Made: map[string]Digest{"amd64 go": {"33", "44"}}},
	}}
}

// What is written is read, and what is no such document is refused.
func TestDocument(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Write(&b); err != nil {
		t.Fatal(err)
	}
	got, err := Read(&b)
	if err != nil || !reflect.DeepEqual(got, sample()) {
		t.Errorf("%+v, %v", got, err)
	}
	for _, text := range []string{"", "{}", "[]", `{"flow-digests": 2}`, "null"} {
		if d, err := Read(strings.NewReader(text)); err == nil {
			t.Errorf("%q is %+v", text, d)
		}
	}
}

// Makers that differ, changes since an earlier document, and rows that it lacks are told.
func TestDiffering(t *testing.T) {
	d, earlier := sample(), sample()
	d.Rows[0].Made = map[string]Digest{"arm64 neon": {"11", "23"}, "amd64 go": {"11", "22"}}
	d.Rows[1].Made["amd64 go"] = Digest{"35", "44"}
	d.Rows = append(d.Rows, Row{Workflow: "c", Class: "fp32@1", Made: map[string]Digest{"amd64 go": {"5", "6"}}})
	changed, missing := d.Changes(earlier)
	if want := []string{"b (fp32@1) by amd64 go: latents 35, were 33"}; !reflect.DeepEqual(changed, want) {
		t.Errorf("changed %q", changed)
	}
	if want := []string{"c (fp32@1)"}; !reflect.DeepEqual(missing, want) {
		t.Errorf("missing %q", missing)
	}
	if got := d.Merge(earlier); !reflect.DeepEqual(got, []string{"amd64 avx2"}) {
		t.Errorf("recorded %q", got)
	}
	if got := d.Differing(); !reflect.DeepEqual(got, []string{"a (bf16@1, 64x64, 2 steps)"}) {
		t.Errorf("differing %q", got)
	}
	var b strings.Builder
	if err := Table(&b, d, []string{"amd64 avx2"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"read:     amd64 avx2\n", "11  23  arm64 neon\n", "all 1 the same\n", "1 of 3 rows differ\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if b.Reset(); Table(&b, sample(), nil) != nil || !strings.Contains(b.String(), "all equal: 2 rows") {
		t.Error(b.String())
	}
}

var update = flag.Bool("update", false, "write the table of docs/digests.md anew")

// The table of the documentation is that of the document beside it, in which all makers agree.
func TestTableOfDocs(t *testing.T) {
	f, err := os.Open("../../docs/digests.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	d, err := Read(f)
	if err != nil {
		t.Fatal(err)
	}
	if list := d.Differing(); list != nil {
		t.Errorf("makers differ in %q", list)
	}
	var table strings.Builder
	if err := Table(&table, d, d.Makers()); err != nil {
		t.Fatal(err)
	}
	const page, begin, end = "../../docs/digests.md", "```text\n", "```\n"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatalf("%s has no table", page)
	}
	want := before + begin + table.String() + end + after
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o666); err != nil {
			t.Fatal(err)
		}
	} else if want != string(text) {
		t.Errorf("%s does not have the table of digests.json: go test ./internal/digests -run Table -update", page)
	}
}

// Of a matrix one row of cells runs: its first axis has one value, beside size and steps where the workflow has them.
func TestMatrixHasOneRow(t *testing.T) {
	doc, diags := spec.Parse("grid.flow.yaml", []byte(`flow: v1
name: grid
params: {seed: {type: seed, default: 7}, scale: {type: float, default: 5}, size: {type: int, default: 64}}
models: {m: {path: model}}
nodes:
  b: {kind: load-model, weights: $models.m}
  n: {kind: noise, seed: $params.seed, width: $params.size, height: 64}
  p: {kind: decode, model: $b, latents: $n}
outputs: {p: {from: $p, path: "${params.seed}-${params.scale}.png"}}
matrix: {seed: [42, 43], scale: [1, 5]}
`))
	if spec.Failed(diags) {
		t.Fatal(diags)
	}
	var got []string
	for _, o := range overrides(doc, &Options{Size: 32, Steps: 2}) {
		got = append(got, o.Name+"="+o.Value.Text)
	}
	if !slices.Equal(got, []string{"size=32", "seed=42"}) {
		t.Errorf("%q", got)
	}
}
