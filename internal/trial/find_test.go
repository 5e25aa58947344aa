package trial

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/spec"
)

// tree writes files into an empty folder, which becomes the current one.
func tree(t *testing.T, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
}

func TestFind(t *testing.T) {
	tree(t, map[string]string{"b/two.flow.yaml": "", "b/one.flow.yml": "", "a/deep/three.flow.yaml": "", "a/notes.yaml": "", ".git/four.flow.yaml": "",
		"a/_draft/five.flow.yaml": "", "empty/x.txt": "", "six.flow.yaml/x": ""})
	for _, tt := range []struct {
		args, want, roots, says string
	}{
		{"./...", "a/deep/three.flow.yaml b/one.flow.yml b/two.flow.yaml", ". a/deep b", ""},
		{"...", "a/deep/three.flow.yaml b/one.flow.yml b/two.flow.yaml", ". a/deep b", ""},
		{"b/... a/...", "b/one.flow.yml b/two.flow.yaml a/deep/three.flow.yaml", "b a a/deep", ""},
		{"b/one.flow.yml b/... ./b/one.flow.yml", "b/one.flow.yml b/two.flow.yaml", "b", ""},
		{"a/_draft/five.flow.yaml missing.flow.yaml", "a/_draft/five.flow.yaml missing.flow.yaml", "", ""},
		{"empty/...", "", "", "there is no workflow (*.flow.yaml) in empty/..."},
		{"missing/...", "", "", "no such file"},
		{"b/", "", "", "b/ is a folder; write b/... for all workflows in it"},
	} {
		args := strings.Fields(tt.args)
		got, err := Find(args)
		if tt.says != "" {
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%s: %v", tt.args, err)
			}
			continue
		}
		roots, rootsErr := Roots(args)
		if err != nil || rootsErr != nil || !slices.Equal(slashes(got), strings.Fields(tt.want)) || !slices.Equal(slashes(roots), strings.Fields(tt.roots)) {
			t.Errorf("%s: %v, roots %v, %v %v", tt.args, got, roots, err, rootsErr)
		}
	}
}

func slashes(list []string) []string {
	out := []string{}
	for _, s := range list {
		out = append(out, filepath.ToSlash(s))
	}
	return out
}

// workflow is one whose test expects a golden of noise.
func workflow(golden string) string {
	return "flow: v1\nnodes: {noise: {kind: noise, seed: 1, width: 8, height: 8}}\ntests: {one: {expect: {noise: {golden: " + golden + "}}}}\n"
}

// TestSharedGoldens: a golden of two workflows is a mistake of the second, whatever the names say.
func TestSharedGoldens(t *testing.T) {
	tree(t, map[string]string{"a.flow.yaml": workflow("goldens/x.safetensors"), "goldens/b.flow.yaml": workflow("./X.safetensors"), "c.flow.yaml": workflow("goldens/y.safetensors")})
	var s sharing
	for file, want := range map[string]string{"a.flow.yaml": "", "c.flow.yaml": ""} {
		doc, _ := spec.Load(file)
		if got := s.add(doc); len(got) != 0 {
			t.Errorf("%s: %v%s", file, got, want)
		}
	}
	doc, _ := spec.Load("goldens/b.flow.yaml")
	got := s.add(doc)
	if len(got) != 1 || got[0].Message != `"X.safetensors" is a golden of a.flow.yaml:3:40 too` || got[0].File != "goldens/b.flow.yaml" || got[0].Pos.Line != 3 || got[0].Code != "F0703" {
		t.Errorf("%+v", got)
	}
}

// sidecar is that of a golden of a workflow.
func sidecar(workflow string) string {
	return `{"flow-golden": 1, "workflow": "` + workflow + `", "trail": {"flow-trail": 1}}`
}

func TestLookAndAccept(t *testing.T) {
	tree(t, map[string]string{
		"a.flow.yaml":                     workflow("goldens/a.safetensors"),
		"goldens/a.safetensors.json":      sidecar("../a.flow.yaml"),
		"goldens/old.safetensors.json":    sidecar("../a.flow.yaml"),     // the workflow expects it no more
		"goldens/gone.png.json":           sidecar("../gone.flow.yaml"),  // its workflow is gone
		"goldens/torn.png.json":           sidecar("../torn.flow.yaml"),  // its workflow cannot be read
		"torn.flow.yaml":                  "flow: [",                     //
		"elsewhere/b.flow.yaml":           workflow("here.safetensors"),  //
		"elsewhere/here.safetensors.json": sidecar("b.flow.yaml"),        //
		"elsewhere/odd.png.json":          sidecar("../gone.flow.yaml"),  //
		"goldens/a.safetensors.new":       "value",                       // staged
		"goldens/a.safetensors.json.new":  sidecar("../a.flow.yaml"),     //
		"lonely/goldens/c.png.json":       sidecar("../c.flow.yaml"),     // in no tree of a file, but in that of all
		".git/goldens/d.png.json":         sidecar("../gone.flow.yaml"),  // not looked at
		"_old/goldens/e.png.json":         sidecar("../gone2.flow.yaml"), //
	})
	for _, tt := range []struct{ args, orphans string }{
		{"a.flow.yaml", "goldens/gone.png goldens/old.safetensors"},
		{"elsewhere/b.flow.yaml", "elsewhere/odd.png"},
		{"./...", "elsewhere/odd.png goldens/gone.png goldens/old.safetensors lonely/goldens/c.png"},
	} {
		files, err := Find([]string{tt.args})
		if err != nil {
			t.Fatal(err)
		}
		got, err := Look([]string{tt.args}, files)
		if err != nil || !slices.Equal(slashes(got.Orphans), strings.Fields(tt.orphans)) {
			t.Errorf("%s: orphans %v, %v", tt.args, got, err)
			continue
		}
		if staged := len(got.Staged) == 1 && filepath.ToSlash(got.Staged[0]) == "goldens/a.safetensors"; staged == (tt.args == "elsewhere/b.flow.yaml") {
			t.Errorf("%s: staged %v", tt.args, got.Staged)
		}
	}
	if err := Accept([]string{filepath.FromSlash("goldens/a.safetensors")}); err != nil {
		t.Fatal(err)
	}
	if data, err := os.ReadFile("goldens/a.safetensors"); err != nil || string(data) != "value" {
		t.Errorf("%q, %v", data, err)
	}
	if err := Accept([]string{filepath.FromSlash("goldens/a.safetensors")}); err == nil || !strings.Contains(err.Error(), "nothing is staged for a.safetensors") {
		t.Error(err)
	}
}

// TestWorst: the states have an order, and files that are wrong count as the worst.
func TestWorst(t *testing.T) {
	of := func(states ...State) []*File {
		f := &File{}
		for _, s := range states {
			f.Tests = append(f.Tests, &Test{State: s})
		}
		return []*File{f}
	}
	for want, states := range map[State][]State{Left: {}, Pass: {Left, Pass}, Updated: {Pass, Updated}, Differs: {Differs, Pass}, Fail: {Differs, Fail}, Broken: {Fail, Broken}, Wrong: {Wrong, Broken}} {
		if got := Worst(of(states...)); got != want {
			t.Errorf("of %v the worst is %s", states, got)
		}
	}
	bad := of(Pass)
	bad[0].Diagnostics = []spec.Diagnostic{{Severity: spec.Error}}
	if Worst(bad) != Wrong {
		t.Error("a wrong file is not the worst")
	}
	if n := Counts(of(Pass, Pass, Fail)); n[Pass] != 2 || n[Fail] != 1 {
		t.Error(n)
	}
}
