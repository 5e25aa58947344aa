package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	castle "github.com/seed-8af8f8e1/flow/examples/castle"
)

// What docs/why.md shows is what the commands print, but for the dates. With -update it is written anew.
func TestWhyInDocuments(t *testing.T) {
	doc, err := filepath.Abs("../../docs/why.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := fenced(t, doc, "console")
	if len(blocks) != 1 {
		t.Fatalf("%d blocks", len(blocks))
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, castle.Files()); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("FLOW_CACHE_DIR", filepath.Join(t.TempDir(), "cache"))
	var got strings.Builder
	for line := range strings.Lines(blocks[0]) {
		command, ok := strings.CutPrefix(line, "$ flow ")
		if !ok {
			continue
		}
		var out, said bytes.Buffer
		a := &app{out: &out, err: &said}
		c := root(a)
		c.SetArgs(strings.Fields(command))
		err := c.ExecuteContext(t.Context())
		a.close()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, said.String())
		}
		got.WriteString(line + regexp.MustCompile(`made [0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:]{5}`).ReplaceAllString(out.String(), "made DATE"))
	}
	if got.String() == blocks[0] {
		return
	}
	if !*update {
		t.Fatalf("docs/why.md shows something else than\n%s", got.String())
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(doc, bytes.Replace(text, []byte(blocks[0]), []byte(got.String()), 1), 0o666); err != nil {
		t.Fatal(err)
	}
}
