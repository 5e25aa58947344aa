package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/seed-8af8f8e1/flow/examples/castle"
)

// githubRecipe is what the test reads of a workflow of GitHub Actions.
type githubRecipe struct {
	Jobs map[string]struct {
		Env   map[string]string
		Steps []struct {
			Uses, Run, If string
			With          map[string]string
		}
	}
}

// gitlabRecipe is what the test reads of a job of GitLab.
type gitlabRecipe struct {
	Image        string
	Variables    map[string]string
	Cache        struct{ Paths []string }
	BeforeScript []string `yaml:"before_script"`
	Script       []string
	AfterScript  []string `yaml:"after_script"`
	Artifacts    struct {
		When    string
		Paths   []string
		Reports map[string]string
	}
}

// recipe is what a service does with a checkout.
type recipe struct {
	env                []string
	script, afterwards []string // lines for a shell; those afterwards run whatever became of the others
	cache, published   []string // below the checkout
}

// knownActions are those that the recipe may use: of their majors it is known that they exist.
var knownActions = []string{"actions/checkout@v4", "actions/setup-go@v5", "actions/cache@v4", "actions/upload-artifact@v4"}

func github(t *testing.T, text, checkout, home string) recipe {
	var doc githubRecipe
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	job := doc.Jobs["test"]
	r := recipe{env: []string{"CI=true", "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY=" + filepath.Join(home, "summary.md"), "GITHUB_WORKSPACE=" + checkout}}
	for k, v := range job.Env {
		r.env = append(r.env, k+"="+strings.ReplaceAll(v, "${{ github.workspace }}", checkout))
	}
	for _, s := range job.Steps {
		switch {
		case s.Uses != "" && !slices.Contains(knownActions, s.Uses):
			t.Errorf("the recipe uses %s", s.Uses)
		case strings.HasPrefix(s.Uses, "actions/cache@"):
			r.cache = strings.Fields(s.With["path"])
		case strings.HasPrefix(s.Uses, "actions/upload-artifact@"):
			r.published = strings.Fields(s.With["path"])
			if s.If != "always()" {
				t.Error("the report of tests that failed is not published")
			}
		case s.If == "always()":
			r.afterwards = append(r.afterwards, s.Run)
		case s.Run != "":
			r.script = append(r.script, s.Run)
		}
	}
	return r
}

func gitlab(t *testing.T, text, checkout, home string) recipe {
	var doc map[string]gitlabRecipe
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	job := doc["flow"]
	r := recipe{env: []string{"CI=true", "GITLAB_CI=true", "CI_PROJECT_DIR=" + checkout}, script: append(job.BeforeScript, job.Script...), afterwards: job.AfterScript,
		cache: job.Cache.Paths, published: append(job.Artifacts.Paths, job.Artifacts.Reports["junit"])}
	for k, v := range job.Variables {
		if k == "GOBIN" { // a folder of the container
			v = filepath.Join(home, "go", "bin")
		}
		r.env = append(r.env, k+"="+strings.ReplaceAll(v, "$CI_PROJECT_DIR", checkout))
	}
	if job.Artifacts.When != "always" {
		t.Error("the report of tests that failed is not published")
	}
	return r
}

// toolbox is a folder with a go command that knows one thing: to install flow, which here is that of this test.
func toolbox(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := `#!/bin/sh
[ "$CGO_ENABLED $*" = "0 install github.com/seed-8af8f8e1/flow/cmd/flow@latest" ] || { echo "go $*?" >&2; exit 64; }
mkdir -p "${GOBIN:-$HOME/go/bin}" && ln -sf "` + self + `" "${GOBIN:-$HOME/go/bin}/flow"
`
	if err := os.WriteFile(filepath.Join(dir, "go"), []byte(script), 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestRecipes runs what docs/ci.md has services do, in an empty home with nothing of this process's environment: twice, then with a change that fails.
func TestRecipes(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip(err)
	}
	blocks := fenced(t, "../../docs/ci.md", "yaml")
	if len(blocks) != 2 {
		t.Fatalf("%d recipes", len(blocks))
	}
	for i, service := range []func(t *testing.T, text, checkout, home string) recipe{github, gitlab} {
		t.Run([]string{"GitHub", "GitLab"}[i], func(t *testing.T) {
			t.Parallel()
			checkout, home, tools := t.TempDir(), t.TempDir(), toolbox(t)
			if err := os.CopyFS(filepath.Join(checkout, "castle"), castle.Files()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2100 * time.Millisecond) // digests of files are remembered that were left alone for two seconds, in the first run as in the second
			r := service(t, blocks[i], checkout, home)
			run := func(script string) (string, int) {
				c := exec.Command(bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", script)
				c.Dir = checkout
				c.Env = append([]string{"HOME=" + home, "TMPDIR=" + t.TempDir(), "PATH=" + filepath.Join(home, "go", "bin") + ":" + tools + ":/usr/bin:/bin"}, r.env...)
				out, err := c.CombinedOutput()
				if c.ProcessState == nil {
					t.Fatal(err)
				}
				return string(out), c.ProcessState.ExitCode()
			}
			whole := func(want int, says ...string) {
				t.Helper()
				out, code := run(strings.Join(r.script, "\n"))
				for _, s := range says {
					if !regexp.MustCompile(s).MatchString(out) {
						code = -1
					}
				}
				if code != want {
					t.Fatalf("exit code %d, want %d and %q:\n%s", code, want, says, out)
				}
				if out, code := run(strings.Join(r.afterwards, "\n")); code != 0 {
					t.Errorf("afterwards exit code %d:\n%s", code, out)
				}
				r.kept(t, checkout, home)
			}
			whole(exitOK, `(?m)^ok      castle/castle.flow.yaml: render`, `(?m)^1 passed$`)
			before := count(t, filepath.Join(checkout, r.cache[0]))
			whole(exitOK, `(?m)^1 passed$`)
			if after := count(t, filepath.Join(checkout, r.cache[0])); after != before {
				t.Errorf("the second run kept more: %d files, then %d", before, after)
			}
			if got := matches(t, checkout, "**/*.new"); got != 0 {
				t.Errorf("%d goldens are staged", got)
			}
			file := filepath.Join(checkout, "castle", castle.Workflow)
			text, err := os.ReadFile(file)
			if err == nil {
				err = os.WriteFile(file, []byte(strings.Replace(string(text), "scale: 5.0", "scale: 9", 1)), 0o666)
			}
			if err != nil {
				t.Fatal(err)
			}
			whole(exitTest, `(?m)^FAIL `, `args.guidance.scale: 5 -> 9`)
			if got := matches(t, checkout, "**/*.new"); got != 6 {
				t.Errorf("%d files of two goldens are staged, want 6", got)
			}
			if i == 0 {
				whole(exitTest, `(?m)^::error file=castle/castle.flow.yaml,line=\d+,col=7,title=`)
				summary, err := os.ReadFile(filepath.Join(home, "summary.md"))
				if err != nil || !strings.Contains(string(summary), "1 failed") {
					t.Errorf("the summary: %s, %v", summary, err)
				}
			}
		})
	}
}

// kept demands that what the service keeps and publishes is there, and that nothing went into the home but flow itself and GitHub's summary.
func (r *recipe) kept(t *testing.T, checkout, home string) {
	t.Helper()
	for _, pattern := range append(slices.Clone(r.published), r.cache...) {
		if !strings.Contains(pattern, "*") && matches(t, checkout, pattern) != 1 {
			t.Errorf("there is no %s", pattern)
		}
	}
	err := filepath.WalkDir(home, func(name string, e fs.DirEntry, err error) error {
		if base := filepath.Base(name); err == nil && !e.IsDir() && base != "flow" && base != "summary.md" {
			t.Errorf("%s was written", name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// matches counts what a pattern of the recipes finds below a folder: a name, or **/*.SUFFIX.
func matches(t *testing.T, dir, pattern string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		suffix, all := strings.CutPrefix(pattern, "**/*")
		if filepath.ToSlash(rel) == pattern || all && strings.HasSuffix(name, suffix) && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// count counts the files below a folder.
func count(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
