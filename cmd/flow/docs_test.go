package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/schema"
	"github.com/seed-8af8f8e1/flow/spec"
)

// fenced finds the blocks of a language in a markdown file.
func fenced(t *testing.T, file, language string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllSubmatch(text, -1) {
		out = append(out, string(m[1]))
	}
	return out
}

// Every workflow in the documents is right, in code and by the schema.
func TestWorkflowsInDocuments(t *testing.T) {
	files, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, file := range append(files, "../../README.md") {
		for i, block := range fenced(t, file, "yaml") {
			if !strings.Contains(block, "flow: v1") {
				continue // a part of a workflow
			}
			seen++
			name := fmt.Sprintf("%s, block %d", filepath.Base(file), i+1)
			doc, diags := spec.Parse(name, []byte(block))
			if doc == nil {
				t.Errorf("%s: %v", name, diags)
				continue
			}
			folder := t.TempDir()
			place := func(path string) {
				if err := os.MkdirAll(filepath.Join(folder, path), 0o777); err != nil {
					t.Fatal(err)
				}
			}
			for _, m := range doc.Models {
				place(m.Path.Text)
			}
			for _, f := range doc.Files {
				place(f.Path.Text)
			}
			_, diags = plan.Build(doc, diags, plan.Options{Registry: kinds.Registry(), Files: &plan.Finder{Folder: folder}})
			if diags = append(diags, schema.Validate(doc)...); len(diags) > 0 {
				t.Errorf("%s: %v", name, diags)
			}
		}
	}
	if seen < 3 {
		t.Errorf("only %d workflows in the documents", seen)
	}
}

// docs/cli.md has one example line of every type of event, with the fields that events have.
func TestEventsInDocuments(t *testing.T) {
	blocks := fenced(t, "../../docs/cli.md", "json")
	if len(blocks) != 1 {
		t.Fatalf("%d blocks", len(blocks))
	}
	seen := make(map[event.Type]bool)
	for _, line := range strings.Split(strings.TrimSpace(blocks[0]), "\n") {
		var e event.Event
		d := json.NewDecoder(strings.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(&e); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		if back, err := json.Marshal(e); err != nil || !bytes.Equal(back, []byte(line)) {
			t.Errorf("an event is written otherwise:\n%s\n%s", line, back)
		}
		seen[e.Type] = true
	}
	for _, want := range []event.Type{event.RunStarted, event.NodeHashing, event.NodeStarted, event.NodeProgress, event.NodeHit, event.NodeDone,
		event.NodeFailed, event.NodeSkipped, event.OutputDone, event.Warning, event.RunDone} {
		if !seen[want] {
			t.Errorf("no example of %s", want)
		}
	}
}

// docs/language.md lists every sort of diagnostic, and docs/cli.md every command and flag.
func TestTablesInDocuments(t *testing.T) {
	language, err := os.ReadFile("../../docs/language.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range spec.Codes {
		if row := fmt.Sprintf("| %s | %s: %s |\n", c.ID, c.Title, c.Explanation); !bytes.Contains(language, []byte(row)) {
			t.Errorf("docs/language.md lacks %s", row)
		}
	}
	cli, err := os.ReadFile("../../docs/cli.md")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{out: &bytes.Buffer{}, err: &bytes.Buffer{}}
	for _, c := range root(a).Commands() {
		if c.Name() != "help" && c.Runnable() && !bytes.Contains(cli, []byte("`flow "+c.Name())) {
			t.Errorf("docs/cli.md lacks flow %s", c.Name())
		}
		eachCommand(c, func(c *cobra.Command) {
			c.LocalFlags().VisitAll(func(f *pflag.Flag) {
				if name := "--" + f.Name; f.Name != "help" && f.Name != "param" && c.Parent().Name() == "flow" && !bytes.Contains(cli, []byte(name)) {
					t.Errorf("docs/cli.md lacks %s of %s", name, c.CommandPath())
				}
			})
		})
	}
}

func eachCommand(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, visit)
	}
}
