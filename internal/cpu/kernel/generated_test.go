package kernel

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestGenerated checks that the committed assembly is what the generator writes.
func TestGenerated(t *testing.T) {
	tool, err := exec.LookPath("go")
	if err != nil {
		t.Skip("there is no go command to run the generator with")
	}
	dir := t.TempDir()
	generate := exec.Command(tool, "run", "./_gen", dir)
	generate.Env = append(os.Environ(), "GOOS=", "GOARCH=") // for the machine that the go command is for: the test may run under emulation
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	made, err := filepath.Glob(filepath.Join(dir, "*.s"))
	if err != nil || len(made) == 0 {
		t.Fatalf("nothing was generated: %v", err)
	}
	committed, _ := filepath.Glob("*.s")
	if len(committed) != len(made) {
		t.Errorf("%d files of assembly, %d generated", len(committed), len(made))
	}
	for _, path := range made {
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Base(path))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the generator writes: run go generate", filepath.Base(path))
		}
	}
}
