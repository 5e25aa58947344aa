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

// read plans the workflow on a machine where the device auto is what auto says.
func read(t *testing.T, auto string) *flowruntime.Workflow {
	t.Helper()
	file := filepath.Join(t.TempDir(), "w.flow.yaml")
	if err := os.WriteFile(file, []byte(workflow), 0o666); err != nil {
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
