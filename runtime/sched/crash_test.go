package sched

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/nodes"
)

// TestBugsCrash: a panic that is no mistake in shapes ends the process, with the trace of where it came from.
func TestBugsCrash(t *testing.T) {
	if os.Getenv("FLOW_SCHED_TEST_CRASH") != "" {
		r := newRig()
		r.hooks[3] = func(context.Context, *nodes.Env) error { aBugInANode(nil); return nil }
		r.run(t, t.Context(), castle)
		return
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run=^TestBugsCrash$")
	cmd.Env = append(os.Environ(), "FLOW_SCHED_TEST_CRASH=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("a bug was swallowed: %v\n%s", err, out)
	}
	for _, want := range []string{"nil map", "aBugInANode", "goroutine "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

//go:noinline
func aBugInANode(m map[string]int) { m["x"] = 1 }
