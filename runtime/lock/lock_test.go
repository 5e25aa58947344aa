package lock_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/lock"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

const workflow = `flow: v1
name: pinned
numerics: {device: auto}
models: {m: {path: model}}
nodes:
  b: {kind: load-model, weights: $models.m}
  n: {kind: noise, seed: 1, width: 64, height: 64}
  p: {kind: decode, model: $b, latents: $n}
outputs: {p: {from: $p, path: p.png}}
`

// two has two outputs; the first needs less of the model "other" than the second.
const two = `flow: v1
name: two
models: {m: {path: model}, other: {path: model}}
nodes:
  b: {kind: load-model, weights: $models.m, vae: $models.other}
  c: {kind: load-model, weights: $models.other}
  n: {kind: noise, seed: 1, width: 64, height: 64}
  p: {kind: decode, model: $b, latents: $n}
  q: {kind: decode, model: $c, latents: $n}
outputs: {p: {from: $p, path: p.png}, q: {from: $q, path: q.png}}
`

// read plans the workflow on a machine where the device auto is what auto says.
func read(t *testing.T, auto string) *flowruntime.Workflow {
	t.Helper()
	return readText(t, workflow, auto)
}

func readText(t *testing.T, text, auto string) *flowruntime.Workflow {
	t.Helper()
	file := filepath.Join(t.TempDir(), "w.flow.yaml")
	if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	models, err := filepath.Abs("../../examples/castle")
	if err != nil {
		t.Fatal(err)
	}
	w, diags := flowruntime.Read(t.Context(), file, flowruntime.Options{Options: plan.Options{Registry: kinds.Registry(), Auto: func() string { return auto },
		Files: flowruntime.FinderFor(file, []string{models}, nil)}})
	if w == nil {
		t.Fatal(diags)
	}
	t.Cleanup(w.Close)
	return w
}

// The device auto is pinned as what it became: where it would become another, the lock says so.
func TestAutoIsPinned(t *testing.T) {
	l := lock.Of(read(t, "").Plan)
	if err := l.Fill(t.Context(), nil, true); err != nil {
		t.Fatal(err)
	}
	pinned, diags := lock.Parse("w.flow.lock", l.Encode())
	if pinned == nil {
		t.Fatal(diags)
	}
	if diags, err := pinned.Check(t.Context(), read(t, "").Plan, nil); err != nil || len(diags) > 0 {
		t.Errorf("the same machine: %v, %v", diags, err)
	}
	diags, err := pinned.Check(t.Context(), read(t, "cuda").Plan, nil)
	if err != nil || len(diags) != 1 || !strings.Contains(diags[0].Message, "the lock pins the device cpu, and this run has cuda") {
		t.Errorf("another machine: %v, %v", diags, err)
	}
}

// A workflow that is cut to one of its outputs reads less than its lock pins, of a model too, and differs in nothing.
func TestOneOutputOfTwo(t *testing.T) {
	l := lock.Of(readText(t, two, "").Plan)
	if err := l.Fill(t.Context(), nil, true); err != nil {
		t.Fatal(err)
	}
	text := l.Encode()
	pinned, diags := lock.Parse("w.flow.lock", text)
	if pinned == nil {
		t.Fatal(diags)
	}
	for _, cut := range []string{`, q: {from: $q, path: q.png}`, `p: {from: $p, path: p.png}, `} {
		w := readText(t, strings.Replace(two, cut, "", 1), "")
		if diags, err := pinned.Check(t.Context(), w.Plan, nil); err != nil || len(diags) > 0 {
			t.Errorf("without %q: %v, %v", cut, diags, err)
		}
	}
	// The control: a model that is needed whole lacks a file that is pinned.
	more := strings.Replace(string(text), "  m:\n", "  m:\n    \"unet/more.json\":\n      size: 1\n      sha256: \""+strings.Repeat("0", 64)+"\"\n", 1)
	if pinned, diags = lock.Parse("w.flow.lock", []byte(more)); pinned == nil {
		t.Fatal(diags)
	}
	w := readText(t, strings.Replace(two, `, q: {from: $q, path: q.png}`, "", 1), "")
	if diags, err := pinned.Check(t.Context(), w.Plan, nil); err != nil || len(diags) != 1 || !strings.Contains(diags[0].Message, `the lock pins "unet/more.json" of model "m", which is not read`) {
		t.Errorf("a file less: %v, %v", diags, err)
	}
}
