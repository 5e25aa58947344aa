package golden

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/trail"
	"github.com/seed-8af8f8e1/flow/nodes"
)

// sample is a golden of latents with two kept steps.
func sample() *Golden {
	return &Golden{Value: latents(0.1, -2), Sidecar: Sidecar{Workflow: "../a.flow.yaml", Test: "render", Output: "latents.latents", Class: "bf16@1", Key: "k",
		Release: "devel", Loop: "latents", Kept: []int{1, 3}, Trail: &trail.Trail{Form: 1, Class: "bf16@1"}},
		Steps: map[int]map[string]nodes.Tensor{1: latents(1, 0.5).List, 3: latents(2, 0.25).List}}
}

// folder is an empty folder, with its path.
func folder(t *testing.T) (*os.Root, string) {
	t.Helper()
	dir := t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = root.Close() })
	return root, dir
}

// files lists what a folder holds.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, name)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, root *os.Root, g *Golden, name string, staged bool) {
	t.Helper()
	if err := g.Write(root, name, staged); err != nil {
		t.Fatal(err)
	}
}

func TestWriteAndRead(t *testing.T) {
	root, dir := folder(t)
	g := sample()
	write(t, root, g, "goldens/a.safetensors", false)
	want := []string{"goldens/a.safetensors", "goldens/a.safetensors.json", "goldens/a.safetensors.steps"}
	if got := files(t, dir); !slices.Equal(got, want) {
		t.Errorf("it wrote %v", got)
	}
	back, err := Read(root, "goldens/a.safetensors", nodes.LatentsType)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back.Sidecar, g.Sidecar) || back.Value.Digest() != g.Value.Digest() || !reflect.DeepEqual(back.Steps, g.Steps) {
		t.Errorf("it reads %+v", back)
	}
	// without a loop there are no steps, and those of an older golden go
	g.Loop, g.Kept, g.Steps = "", nil, nil
	write(t, root, g, "goldens/a.safetensors", false)
	if got := files(t, dir); !slices.Equal(got, want[:2]) {
		t.Errorf("it left %v", got)
	}
}

// TestDamage: whatever is not as it was written is said, and never compared with.
func TestDamage(t *testing.T) {
	const name = "a.safetensors"
	for what, tt := range map[string]struct {
		do      func(dir string) error
		says    string
		missing bool
	}{
		"no golden":      {func(dir string) error { return os.Remove(filepath.Join(dir, name)) }, "there is no golden a.safetensors", true},
		"no sidecar":     {func(dir string) error { return os.Remove(filepath.Join(dir, name+".json")) }, "has no sidecar a.safetensors.json", true},
		"no steps":       {func(dir string) error { return os.Remove(filepath.Join(dir, name+".steps")) }, "has lost its kept steps", false},
		"torn value":     {func(dir string) error { return os.Truncate(filepath.Join(dir, name), 20) }, "cannot be read", false},
		"torn sidecar":   {func(dir string) error { return os.Truncate(filepath.Join(dir, name+".json"), 20) }, "is no sidecar that this release reads", false},
		"torn steps":     {func(dir string) error { return os.Truncate(filepath.Join(dir, name+".steps"), 20) }, "cannot be read", false},
		"another form":   {edit(name+".json", `"flow-golden": 1`, `"flow-golden": 2`), "is no sidecar that this release reads", false},
		"no trail":       {edit(name+".json", `"trail": {`, `"track": {`), "is no sidecar that this release reads", false},
		"another digest": {edit(name+".json", `"digest": "`, `"digest": "0`), "is not what its sidecar says", false},
		"another value": {func(dir string) error {
			root, err := os.OpenRoot(dir)
			if err != nil {
				return err
			}
			defer func() { _ = root.Close() }()
			g := sample()
			g.Value = latents(0.1, -2.5)
			return errors.Join(g.Write(root, "b.safetensors", false), root.Rename("b.safetensors", name))
		}, "it was changed by hand, or one of the two is older", false},
	} {
		root, dir := folder(t)
		write(t, root, sample(), name, false)
		if err := tt.do(dir); err != nil {
			t.Fatal(what, err)
		}
		_, err := Read(root, name, nodes.LatentsType)
		var p *Problem
		if !errors.As(err, &p) || p.Missing != tt.missing || !strings.Contains(p.Message, tt.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// edit replaces a text in a file.
func edit(name, from, to string) func(dir string) error {
	return func(dir string) error {
		path := filepath.Join(dir, name)
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(data), from) {
			return errors.New("no " + from)
		}
		return os.WriteFile(path, []byte(strings.Replace(string(data), from, to, 1)), 0o666)
	}
}

// TestLinksOutOfTheFolder are not followed, neither to read nor to write.
func TestLinksOutOfTheFolder(t *testing.T) {
	root, dir := folder(t)
	other, elsewhere := folder(t)
	write(t, other, sample(), "a.safetensors", false)
	if err := os.Symlink(elsewhere, filepath.Join(dir, "goldens")); err != nil {
		t.Skip(err)
	}
	if _, err := Read(root, "goldens/a.safetensors", nodes.LatentsType); err == nil {
		t.Error("a golden outside was read")
	}
	before := files(t, elsewhere)
	if err := sample().Write(root, "goldens/b.safetensors", false); err == nil || !slices.Equal(before, files(t, elsewhere)) {
		t.Errorf("a golden was written outside: %v", err)
	}
}

func TestStageAndAccept(t *testing.T) {
	const name = "goldens/a.safetensors"
	root, dir := folder(t)
	write(t, root, sample(), name, false)
	if Staged(root, name) || Accept(root, name) == nil {
		t.Error("something is staged")
	}
	next := sample()
	next.Value = latents(7, 8)
	write(t, root, next, name, true)
	if back, err := Read(root, name, nodes.LatentsType); err != nil || back.Value.Digest() == next.Value.Digest() || !Staged(root, name) {
		t.Errorf("staging changed the golden: %v", err)
	}
	// a halt in the middle of accepting: the value and the steps are there, the sidecar is not
	for _, suffix := range []string{"", stepsSuffix} {
		if err := root.Rename(name+suffix+stagedSuffix, name+suffix); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Read(root, name, nodes.LatentsType); err == nil {
		t.Error("half a golden was read")
	}
	write(t, root, next, name, true)
	if err := root.Rename(name+stagedSuffix, name); err != nil {
		t.Fatal(err)
	}
	if err := Accept(root, name); err != nil {
		t.Fatal(err)
	}
	if back, err := Read(root, name, nodes.LatentsType); err != nil || back.Value.Digest() != next.Value.Digest() {
		t.Errorf("accepting again: %v", err)
	}
	// without steps the old ones go
	last := sample()
	last.Loop, last.Kept, last.Steps = "", nil, nil
	write(t, root, last, name, true)
	if err := Accept(root, name); err != nil {
		t.Fatal(err)
	}
	if got := files(t, dir); len(got) != 2 {
		t.Errorf("it left %v", got)
	}
	write(t, root, next, name, true)
	if err := Discard(root, name); err != nil || len(files(t, dir)) != 2 {
		t.Errorf("discarding left %v: %v", files(t, dir), err)
	}
	if err := Discard(root, name); err != nil {
		t.Error("discarding nothing:", err)
	}
}

// TestWritersInOneFolder do not take each other's files.
func TestWritersInOneFolder(t *testing.T) {
	root, dir := folder(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			g := sample()
			g.Value = latents(float32(i), 1)
			for range 8 {
				if err := g.Write(root, string(rune('a'+i))+".safetensors", false); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i := range 16 {
		g, err := Read(root, string(rune('a'+i))+".safetensors", nodes.LatentsType)
		if err != nil || g.Value.Digest() != latents(float32(i), 1).Digest() {
			t.Errorf("golden %d: %v", i, err)
		}
	}
	if got := files(t, dir); len(got) != 3*16 {
		t.Errorf("%v", got)
	}
}

func TestSurvey(t *testing.T) {
	root, dir := folder(t)
	for _, name := range []string{"kept.safetensors", "orphan.safetensors"} {
		write(t, root, sample(), name, false)
	}
	write(t, root, sample(), "staged.safetensors", true)
	write(t, root, sample(), "lost.safetensors", false)
	for name, text := range map[string]string{"notes.json": "{}", "kept.png.json": `{"title": "not a golden's"}`, "run.steps": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"lost.safetensors", "lost.safetensors.json"} {
		if err := root.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	orphans, staged, err := Survey(root, func(name string, s *Sidecar) bool {
		return name == "kept.safetensors" && s.Workflow == "../a.flow.yaml"
	})
	if err != nil || !slices.Equal(orphans, []string{"lost.safetensors.steps", "orphan.safetensors"}) || !slices.Equal(staged, []string{"staged.safetensors"}) {
		t.Errorf("orphans %v, staged %v, %v", orphans, staged, err)
	}
}
