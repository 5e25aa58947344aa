package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/lock"

	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
)

// lockOf gives a workflow's lock.
func lockOf(t *testing.T, file string, roots ...string) []byte {
	t.Helper()
	w, diags := flowruntime.Read(t.Context(), file, flowruntime.Options{Options: plan.Options{Registry: kinds.Registry(), Files: flowruntime.FinderFor(file, roots, nil)}})
	if w == nil {
		t.Fatal(diags)
	}
	defer w.Close()
	l := lock.Of(w.Plan)
	if err := l.Fill(t.Context(), nil, true); err != nil {
		t.Fatal(err)
	}
	return l.Encode()
}

// TestLocks: the locks of the embedded examples, and of the workflow of the scripts, are what flow lock writes. -update writes them anew.
func TestLocks(t *testing.T) {
	seen := 0
	compare := func(file string, got []byte) {
		seen++
		if *update {
			if err := os.WriteFile(file, got, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if want, err := os.ReadFile(file); err != nil || !bytes.Equal(want, got) {
			t.Errorf("%s is not what flow lock writes (%v); go test ./cmd/flow -run TestLocks -update writes it", file, err)
		}
	}
	for name, x := range examples {
		if name == "sdxl" { // without weights
			continue
		}
		dir := t.TempDir()
		if err := writeExample(x.parts, dir); err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.flow.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatal(name, err)
		}
		for _, file := range files {
			compare(lock.Path(filepath.Join("../../examples", name, filepath.Base(file))), lockOf(t, file))
		}
	}
	models, err := filepath.Abs("../../examples/castle")
	if err != nil {
		t.Fatal(err)
	}
	compare("testdata/tiny.flow.lock", lockOf(t, "testdata/tiny.flow.yaml", models))
	if seen < 9 {
		t.Errorf("%d locks", seen)
	}
}

// A lock is read back as it was written, and a text that is none is refused without a panic.
func FuzzLock(f *testing.F) {
	text, err := os.ReadFile("testdata/tiny.flow.lock")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	for _, s := range []string{"", "lock: 1", "lock: 2", "lock: 1\nnumerics: {class: a, device: b, edition: c}\nkinds: [x]\nmodels: {m: {f: {size: -1, sha256: 0}}}",
		"a: &a [*a]", "lock: 1\nmodels: &m {a: *m}", strings.Repeat("[", 10000)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, diags := lock.Parse("x.lock", []byte(text))
		if l == nil {
			if len(diags) == 0 {
				t.Fatal("nothing is said")
			}
			return
		}
		again, diags := lock.Parse("x.lock", l.Encode())
		if again == nil {
			t.Fatalf("%v\n%s", diags, l.Encode())
		}
		if !bytes.Equal(again.Encode(), l.Encode()) {
			t.Fatalf("written twice:\n%s\n%s", l.Encode(), again.Encode())
		}
	})
}
