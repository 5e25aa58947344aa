package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// pull is a pull request against a copy of this module in a git repository of its own.
type pull struct {
	t    *testing.T
	dir  string
	env  []string
	flow string // the command that the branch builds; empty for that of this test
}

// command runs a program in the repository and gives what it said, and its exit code.
func (p *pull) command(name string, args ...string) (out string, code int) {
	p.t.Helper()
	c := exec.Command(name, args...)
	if name == os.Args[0] {
		c.Args[0] = "flow" // the test binary is the command under this name
	}
	c.Dir, c.Env = p.dir, append(os.Environ(), p.env...)
	said, err := c.CombinedOutput()
	if c.ProcessState == nil {
		p.t.Fatal(err)
	}
	return string(said), c.ProcessState.ExitCode()
}

// must is command for what has to end well.
func (p *pull) must(name string, args ...string) string {
	p.t.Helper()
	out, code := p.command(name, args...)
	if code != 0 {
		p.t.Fatalf("%s %v: exit code %d\n%s", name, args, code, out)
	}
	return out
}

// test runs flow test on the castle and demands an exit code and texts.
func (p *pull) test(code int, says []string, args ...string) {
	p.t.Helper()
	flow := p.flow
	if flow == "" {
		flow = os.Args[0]
	}
	out, got := p.command(flow, append([]string{"test", "examples/castle/..."}, args...)...)
	if got != code {
		p.t.Fatalf("flow test %v: exit code %d, want %d\n%s", args, got, code, out)
	}
	for _, s := range says {
		if !strings.Contains(out, s) {
			p.t.Errorf("flow test %v does not say %q:\n%s", args, s, out)
		}
	}
}

// copyModule copies what the command is built from, and the castle.
func copyModule(t *testing.T, to string) {
	t.Helper()
	root := os.DirFS("../..")
	err := fs.WalkDir(root, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := e.Name()
		if name != "." && strings.HasPrefix(base, ".") { // .git above all, which may be a file that names another folder
			if e.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if e.IsDir() {
			if base == "testdata" || base == "docs" || base == "out" {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, name), 0o777)
		}
		if !e.Type().IsRegular() || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), data, 0o666)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPullRequest: a branch changes one constant of a kernel. flow test fails, names the node and the step, and says that nothing was asked otherwise; the
// page shows the difference. The goldens of the branch are staged, looked at, accepted and committed; then it passes there, and on main no more.
func TestPullRequest(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the command a second time")
	}
	for _, tool := range []string{"git", "go"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(err)
		}
	}
	t.Parallel()
	// The constant is that of the plain Go kernel, which is what every other tier is held to.
	p := &pull{t: t, dir: t.TempDir(), env: []string{"FLOW_CPU=off:all", "FLOW_CACHE_DIR=" + t.TempDir(), "FLOW_MODELS=", "CI=", "GITHUB_ACTIONS=", "GITHUB_STEP_SUMMARY=",
		"CGO_ENABLED=0", "GOFLAGS=-mod=readonly", "GOWORK=off", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@example.org", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@example.org"}}
	copyModule(t, p.dir)
	p.env = append(p.env, "GIT_DIR="+filepath.Join(p.dir, ".git"), "GIT_WORK_TREE="+p.dir) // whatever lies around it
	p.must("git", "init", "-q", "-b", "main")
	p.must("git", "add", "-A")
	p.must("git", "commit", "-q", "-m", "main")
	p.test(exitOK, []string{"1 passed"})

	p.must("git", "checkout", "-q", "-b", "another-silu")
	kernel := filepath.Join(p.dir, "internal", "numeric", "functions.go")
	src, err := os.ReadFile(kernel)
	if err != nil {
		t.Fatal(err)
	}
	const was, is = "func SiLU(x float32) float32 { return x / (1 + Exp(-x)) }", "func SiLU(x float32) float32 { return x / (1.25 + Exp(-x)) }"
	if strings.Count(string(src), was) != 1 {
		t.Fatal("the constant is not there: the test does not test")
	}
	if err := os.WriteFile(kernel, []byte(strings.Replace(string(src), was, is, 1)), 0o666); err != nil {
		t.Fatal(err)
	}
	p.must("git", "commit", "-q", "-a", "-m", "numeric: a quicker SiLU")
	p.flow = filepath.Join(t.TempDir(), "flow")
	if runtime.GOOS == "windows" {
		p.flow += ".exe"
	}
	p.must("go", "build", "-trimpath", "-buildvcs=false", "-o", p.flow, "./cmd/flow")

	const engine = `first divergence: node "latents" (denoise@1), step 1 of 4: asked the same, it made something else: the engine changed`
	page := filepath.Join(t.TempDir(), "tests.html")
	p.test(exitTest, []string{"FAIL    ", "1 failed", engine, "image.image against goldens/castle.png: ssim "}, "--report", page)
	html, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`class="slide"`, `first divergence: node &#34;latents&#34; \(denoise@1\), step 1 of 4`, `elements that differ`, `alt="difference"`, `ssim`} {
		if !regexp.MustCompile(want).Match(html) {
			t.Errorf("the page has no %s", want)
		}
	}
	if out := p.must("git", "status", "--porcelain"); out != "" {
		t.Errorf("a test that failed wrote:\n%s", out)
	}

	p.test(exitTest, []string{"staged goldens/castle.png.new"}, "--update=stage")
	p.test(exitTest, []string{"staged  examples/castle/goldens/castle.png"})
	if out := p.must(p.flow, "test", "accept", "examples/castle/..."); !strings.Contains(out, "castle.png") {
		t.Errorf("accepting says %s", out)
	}
	if out := p.must("git", "status", "--porcelain"); strings.Contains(out, "??") || strings.Count(out, " M examples/castle/goldens/castle.") != 6 {
		t.Errorf("accepting changed:\n%s", out)
	}
	p.test(exitOK, []string{"1 passed"})
	p.must("git", "commit", "-q", "-a", "-m", "examples: the goldens of the quicker SiLU")
	p.flow = ""
	p.test(exitTest, []string{engine})
	p.must("git", "checkout", "-q", "main")
	p.test(exitOK, []string{"1 passed"})
}
