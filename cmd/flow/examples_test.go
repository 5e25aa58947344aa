package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// flowAt runs the command in a process of its own and gives what it said, and its exit code.
func flowAt(t *testing.T, dir string, env []string, args ...string) (out string, code int) {
	t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Args[0] = "flow" // the test binary is the command under this name
	c.Dir = dir
	c.Env = append(os.Environ(), env...)
	said, err := c.CombinedOutput()
	if err != nil && c.ProcessState == nil {
		t.Fatal(err)
	}
	return string(said), c.ProcessState.ExitCode()
}

// TestShippedExamples renders every test of the examples, as they lie in the repository, on the best tier that FLOW_CPU leaves: the goldens are those of
// every machine. Each of them is of the class that its workflow says, so equal bits are demanded, not bounds.
func TestShippedExamples(t *testing.T) {
	t.Parallel()
	env := []string{"FLOW_CACHE_DIR=" + t.TempDir(), "FLOW_MODELS=", "GITHUB_ACTIONS=", "GITHUB_STEP_SUMMARY="}
	out, code := flowAt(t, "../..", env, "test", "examples/...", "--tier", "all")
	if code != exitOK {
		t.Fatalf("exit code %d:\n%s", code, out)
	}
	files, err := filepath.Glob("../../examples/*/*.flow.yaml")
	if err != nil || len(files) < 8 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		rel, _ := filepath.Rel("../..", file)
		if !strings.Contains(out, "ok      "+rel+": ") {
			t.Errorf("%s has no test that passes:\n%s", rel, out)
		}
	}
	if strings.Contains(out, "other bits") || strings.Contains(out, "orphan") {
		t.Errorf("the goldens are not those of this build:\n%s", out)
	}
}
