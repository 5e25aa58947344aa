package weights_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/internal/weights"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/spec"
)

// render runs a workflow with a store and gives its picture and how many nodes were answered from the store.
func render(t *testing.T, file, store string) (picture []byte, hits int) {
	t.Helper()
	disk, err := cache.Open(store, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = disk.Close() }()
	var overrides []spec.Override
	for _, p := range []string{"size=64", "steps=2"} {
		o, problem := spec.ParseOverride(p)
		if problem != nil {
			t.Fatal(problem)
		}
		overrides = append(overrides, o)
	}
	w, diags := flowruntime.Read(t.Context(), file, flowruntime.Options{
		Options: plan.Options{Registry: kinds.Registry(), Overrides: overrides, Files: flowruntime.FinderFor(file, nil, nil)},
		Env:     nodes.Env{Executor: cpu.New()}, Store: disk, Sink: event.Discard, Folder: filepath.Dir(file),
	})
	if w == nil {
		t.Fatal(diags)
	}
	defer w.Close()
	res, err := w.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if res.Err != nil || len(res.Written) != 1 {
		t.Fatal(res.Err, res.Written)
	}
	for _, s := range res.Steps {
		if s.State == sched.Hit {
			hits++
		}
	}
	if picture, err = os.ReadFile(res.Written[0]); err != nil {
		t.Fatal(err)
	}
	return picture, hits
}

// TestLayoutsRenderOnePicture renders the castle from the folder and from every other layout of the same weights: to the same
// bytes when all is computed, and from the folder's cache when there is one.
func TestLayoutsRenderOnePicture(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, castle.Files()); err != nil {
		t.Fatal(err)
	}
	weights.WriteCastleLayouts(t, dir)
	fast := filepath.Join(dir, "fast") // as transformers 5 saves tokenizers
	if err := os.CopyFS(fast, os.DirFS(filepath.Join(dir, "model"))); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"tokenizer", "tokenizer_2"} {
		from := os.DirFS(filepath.Join("..", "sdxl", "tokenizer", "testdata", "fast", "castle", name))
		if err := errors.Join(os.RemoveAll(filepath.Join(fast, name)), os.CopyFS(filepath.Join(fast, name), from)); err != nil {
			t.Fatal(err)
		}
	}
	source, err := os.ReadFile(filepath.Join(dir, castle.Workflow))
	if err != nil {
		t.Fatal(err)
	}
	shared := t.TempDir()
	want, hits := render(t, filepath.Join(dir, castle.Workflow), shared)
	if hits != 0 {
		t.Fatalf("%d hits in an empty store", hits)
	}
	for name, layout := range map[string]struct {
		model string
		hits  int
	}{
		"sharded": {"{path: sharded}", 4}, "variant": {"{path: variant, variant: fp16}", 4}, "names": {"{path: names}", 4},
		"single": {"{path: single.safetensors, config: model}", 4},
		"fast":   {"{path: fast}", 4}, // other files of tokenizers, which say the same
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(string(source), "{path: model}", layout.model, 1)
			file := filepath.Join(dir, name+".flow.yaml")
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil || text == string(source) {
				t.Fatal("no other workflow written", err)
			}
			if got, hits := render(t, file, t.TempDir()); hits != 0 || !bytes.Equal(got, want) {
				t.Errorf("%d hits in an empty store; a picture of %d bytes differs from the folder's %d", hits, len(got), len(want))
			}
			if got, hits := render(t, file, shared); hits != layout.hits || !bytes.Equal(got, want) {
				t.Errorf("%d nodes from the folder's cache, want %d; the same picture: %v", hits, layout.hits, bytes.Equal(got, want))
			}
		})
	}
}
