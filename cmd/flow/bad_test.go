package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// flow runs a command line inside this process; it gives what it wrote and its exit code.
func flow(t *testing.T, args ...string) (out, said string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	a := &app{out: &stdout, err: &stderr}
	defer a.close()
	c := root(a)
	c.SetArgs(args)
	err := c.ExecuteContext(context.Background())
	var e *exitError
	switch {
	case errors.As(err, &e):
		code = e.code
	case err != nil:
		code = exitFile
	}
	return stdout.String(), stderr.String(), code
}

// TestBadWorkflows holds the diagnostics of workflows with one mistake each against their golden texts; -update rewrites
// these. The small model stands for every model.
func TestBadWorkflows(t *testing.T) {
	models, err := filepath.Abs("../../examples/castle")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("FLOW_MODELS", models)
	t.Setenv("FLOW_CACHE_DIR", t.TempDir())
	t.Chdir("testdata/bad")
	files, err := filepath.Glob("*.yaml")
	if err != nil || len(files) < 30 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(file, ".yaml"), func(t *testing.T) {
			got, said, code := flow(t, "validate", file)
			if said != "" {
				t.Errorf("on standard error: %s", said)
			}
			if want := strings.Contains(got, ": error: "); want != (code == exitFile) || !want && code != exitOK {
				t.Errorf("exit code %d", code)
			}
			got = strings.ReplaceAll(got, models, "$MODELS")
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}
