package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "rewrite the golden files and the scripts' expected texts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"flow": main})
}

// TestScripts runs the command as a user does: each script in a folder of its own, with a cache of its own, no HOME, the
// small model below $FLOW_MODELS and the workflow tiny.flow.yaml with its lock.
func TestScripts(t *testing.T) {
	models, err := filepath.Abs("../../examples/castle")
	if err != nil {
		t.Fatal(err)
	}
	tiny, err := os.ReadFile("testdata/tiny.flow.yaml")
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := os.ReadFile("testdata/tiny.flow.lock")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "interrupts": interrupts, "plain": plain, "truncate": truncate, "replace": replace,
		},
		Condition: func(name string) (bool, error) {
			if name == "root" {
				return os.Geteuid() == 0, nil
			}
			return false, errors.New("no such condition")
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("FLOW_CACHE_DIR", filepath.Join(e.WorkDir, ".flow-cache"))
			e.Setenv("FLOW_MODELS", models)
			e.Setenv("MODELS", models)
			return errors.Join(os.WriteFile(filepath.Join(e.WorkDir, "tiny.flow.yaml"), tiny, 0o666), os.WriteFile(filepath.Join(e.WorkDir, "tiny.flow.lock"), pinned, 0o666))
		},
	})
}

// exits CODE COMMAND... demands an exit code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	code := 0
	var exit *exec.ExitError
	err := ts.Exec(args[1], args[2:]...)
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// interrupts COMMAND... sends an interrupt at the second step of the node "latents", or of a cell's. It must end within a
// second, with code 130.
func interrupts(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: interrupts COMMAND...")
	}
	c := exec.Command(args[0], args[1:]...)
	c.Dir = ts.MkAbs(".")
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "FLOW_CACHE_DIR", "FLOW_MODELS", "FLOW_CHECKPOINT"} {
		c.Env = append(c.Env, name+"="+ts.Getenv(name))
	}
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.StdoutPipe()
	ts.Check(err)
	c.Path, err = exec.LookPath(args[0])
	ts.Check(err)
	c.Err = nil
	ts.Check(c.Start())
	var sent time.Time
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), `"node-progress","node":"latents`) && strings.Contains(lines.Text(), `"done":2`) && sent.IsZero() {
			sent = time.Now()
			ts.Check(c.Process.Signal(os.Interrupt))
		}
	}
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		ts.Fatalf("ended with %v, want exit code 130; it said:\n%s", err, said.String())
	}
	if took := time.Since(sent); took > time.Second {
		ts.Fatalf("stopped %v after the interrupt", took)
	}
	ts.Logf("%s", said.String())
}

// plain FILE... demands text without control characters: stdout, stderr or files.
func plain(ts *testscript.TestScript, neg bool, args []string) {
	for _, name := range args {
		i := strings.IndexFunc(ts.ReadFile(name), func(r rune) bool {
			return r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
		})
		if (i >= 0) != neg {
			ts.Fatalf("%s: control character at %d: %q", name, i, ts.ReadFile(name))
		}
	}
}

// truncate SIZE FILE makes a file of that size, without taking room on the disk.
func truncate(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.ParseInt(args[0], 10, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[1]), os.O_CREATE|os.O_WRONLY, 0o666)
	ts.Check(err)
	ts.Check(f.Truncate(size))
	ts.Check(f.Close())
}

// replace OLD NEW FILE replaces a text that has to be there.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s has no %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.ReplaceAll(text, args[0], args[1])), 0o666))
}
