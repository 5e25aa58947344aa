package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/internal/provenance"
	"github.com/seed-8af8f8e1/flow/runtime/lock"
)

// Hostile texts: markup, commands of GitHub, control sequences of terminals, turns of direction, ends of sections, and length.
const (
	evilMarkup = `<img src=x onerror=alert(1)>`
	evilText   = `\n::error::pwn\n##[error]pwn\n` + evilMarkup + `<script>alert('EVIL')</script></script></style></svg></text>\"'` + "`" + `|\\ ]]> --> [a](javascript:1) @user %0A\e[2J\e]0;EVIL\a\r\u202e\u2066\u0085\u2028 $$x`
	evilFile   = "EVIL\x1b[2J\n::error::pwn" + evilMarkup + "\u202e'\"&.flow.yaml"
)

// evilWorkflow has hostile text wherever the language takes free text. Names it takes letters for alone.
func evilWorkflow(prompt string) string {
	return `flow: v1
name: evil
version: "1` + evilMarkup + `\e[2J"
params:
  prompt: {type: string, doc: "` + evilText + `", default: "` + prompt + `"}
models:
  small: {path: "` + evilMarkup + `/model"}
nodes:
  base:    {kind: load-model, weights: $models.small}
  text:    {kind: encode-prompt, model: $base, prompt: $params.prompt, negative: "` + evilText + strings.Repeat(" w", 2000) + `"}
  noise:   {kind: noise, seed: 42, width: 64, height: 64}
  latents: {kind: denoise, model: $base, latents: $noise, conditioning: $text, solver: 2, guidance: 5}
  image:   {kind: decode, model: $base, latents: $latents}
outputs:
  picture: {from: $image, path: "out/` + evilMarkup + `.png"}
tests:
  render:
    doc: "` + evilText + `"
    expect: {image: {golden: "goldens/` + evilMarkup + `.png", ssim: 1}}
`
}

// evil is a folder with the hostile workflow.
type evil struct {
	t   *testing.T
	dir string
}

// run runs the command and looks at what it says.
func (e *evil) run(code int, args ...string) (stdout, stderr string) {
	e.t.Helper()
	c := exec.Command(os.Args[0], args...)
	c.Args[0] = "flow"
	c.Dir = e.dir
	c.Env = append(os.Environ(), "FLOW_CACHE_DIR="+filepath.Join(e.dir, "cache"), "FLOW_MODELS=", "CI=", "GITHUB_ACTIONS=true", "GITHUB_STEP_SUMMARY="+filepath.Join(e.dir, "summary.md"))
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || c.ProcessState.ExitCode() != code {
		e.t.Fatalf("flow %q: %v, want exit code %d\n%s%s", args, err, code, out.String(), errs.String())
	}
	e.plain(strings.Join(args[:1], " "), out.String()+"\n"+errs.String())
	return out.String(), errs.String()
}

// obeyed finds what a terminal, or a reader of plain text, would obey.
var obeyed = regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f\u0080-\u009f\u202a-\u202e\u2066-\u2069]")

// plain demands that a text commands nobody: no control characters, and no line that GitHub takes for a command but flow's own.
func (e *evil) plain(what, text string) {
	e.t.Helper()
	e.harmless(what, text)
	for line := range strings.Lines(text) {
		trimmed := strings.TrimSpace(line)
		if strings.HasPrefix(trimmed, "##[") || strings.HasPrefix(trimmed, "::") && !strings.HasPrefix(trimmed, "::error file=") && !strings.HasPrefix(trimmed, "::warning file=") {
			e.t.Errorf("%s: GitHub would obey %q", what, line)
		}
	}
}

// harmless demands that a text holds no control characters.
func (e *evil) harmless(what, text string) {
	e.t.Helper()
	if at := obeyed.FindStringIndex(text); at != nil {
		e.t.Errorf("%s: control character %q in %q", what, text[at[0]:at[1]], text[max(0, at[0]-60):min(len(text), at[1]+20)])
	}
}

// documents demands JSON, one document after the other, and gives how many.
func (e *evil) documents(what, text string) int {
	e.t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	for n := 0; ; n++ {
		var v any
		switch err := d.Decode(&v); {
		case err == io.EOF:
			return n
		case err != nil:
			e.t.Errorf("%s: %v", what, err)
			return n
		}
	}
}

// elements demands XML and gives its elements. No attribute may be a script.
func (e *evil) elements(what, text string) map[string]int {
	e.t.Helper()
	seen := make(map[string]int)
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		token, err := d.Token()
		if err == io.EOF {
			return seen
		}
		if err != nil {
			e.t.Fatalf("%s: %v", what, err)
		}
		if x, ok := token.(xml.StartElement); ok {
			seen[x.Name.Local]++
			for _, a := range x.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || strings.HasPrefix(a.Value, "javascript:") {
					e.t.Errorf("%s: <%s %s=%q>", what, x.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

// tags finds what a browser takes for the beginning of an element.
var tags = regexp.MustCompile(`<[a-zA-Z!/?][^>]*>`)

// page demands a page that runs no script but its own and loads nothing.
func (e *evil) page(name string) {
	e.t.Helper()
	data, err := os.ReadFile(filepath.Join(e.dir, name))
	if err != nil {
		e.t.Fatal(err)
	}
	text := string(data)
	e.harmless(name, text)
	if !strings.Contains(text, "EVIL") {
		e.t.Errorf("%s shows nothing of the hostile text: the test does not test", name)
	}
	if n := strings.Count(text, "<script"); n != 1 {
		e.t.Errorf("%s has %d scripts", name, n)
	}
	policy := regexp.MustCompile(`http-equiv="Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(text)
	if policy == nil || !strings.Contains(strings.ReplaceAll(policy[1], "&#39;", "'"), "default-src 'none'") || strings.Contains(policy[1], "unsafe") {
		e.t.Errorf("%s has the policy %q", name, policy)
	}
	for _, tag := range tags.FindAllString(text, -1) {
		if strings.Contains(tag, "onerror") && !strings.Contains(tag, "&lt;") || strings.HasPrefix(tag, "<img src=x") || strings.Contains(tag, "javascript:") && strings.Contains(tag, "href") {
			e.t.Errorf("%s has the tag %.200s", name, tag)
		}
	}
}

// TestHostileWorkflowThroughEveryOutput sends one workflow file through every output of the command.
func TestHostileWorkflowThroughEveryOutput(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("such names of files cannot be there")
	}
	t.Parallel()
	e := &evil{t: t, dir: t.TempDir()}
	if err := os.CopyFS(filepath.Join(e.dir, evilMarkup), castle.Model()); err != nil {
		t.Fatal(err)
	}
	e.write(evilFile, evilWorkflow(evilText))
	other := "other-" + evilFile
	e.write(other, evilWorkflow("another "+evilText))

	t.Run("reading", func(t *testing.T) { e.t = t; e.reading() })
	t.Run("running", func(t *testing.T) { e.t = t; e.running() })
	t.Run("testing", func(t *testing.T) { e.t = t; e.testing() })
	t.Run("bisecting", func(t *testing.T) {
		e.t = t
		if out, _ := e.run(exitTest, "bisect", evilFile, other); !strings.Contains(out, "args.prompt") {
			t.Error(out)
		}
		out, _ := e.run(exitTest, "bisect", evilFile, other, "--json")
		e.documents("bisect --json", out)
	})
	t.Run("wrong", func(t *testing.T) { e.t = t; e.wrong() })
	t.Run("terminal", func(t *testing.T) { e.t = t; e.onTerminal() })
}

func (e *evil) write(name, text string) {
	e.t.Helper()
	if err := os.WriteFile(filepath.Join(e.dir, name), []byte(text), 0o666); err != nil {
		e.t.Fatal(err)
	}
}

// reading are the commands that compute nothing.
func (e *evil) reading() {
	e.run(exitOK, "validate", evilFile)
	e.run(exitOK, "plan", evilFile)
	out, _ := e.run(exitOK, "plan", evilFile, "--json")
	e.documents("plan --json", out)
	e.run(exitOK, "lock", evilFile)
	e.run(exitOK, "lock", "--check", evilFile)
	if data, err := os.ReadFile(filepath.Join(e.dir, lock.Path(evilFile))); err != nil {
		e.t.Error(err)
	} else {
		e.plain("the lock", string(data))
	}
	svg, _ := e.run(exitOK, "graph", evilFile, "--as", "svg")
	if seen := e.elements("svg", svg); seen["svg"] != 1 || seen["script"]+seen["img"]+seen["foreignObject"]+seen["a"] != 0 {
		e.t.Errorf("svg: %v", seen)
	}
	dot, _ := e.run(exitOK, "graph", evilFile, "--as", "dot")
	if rest := regexp.MustCompile(`"(?:[^"\\]|\\.)*"`).ReplaceAllString(dot, ""); strings.Contains(rest, `"`) || strings.ContainsAny(rest, "<>'`") && strings.Contains(rest, "EVIL") {
		e.t.Errorf("dot, outside quotes: %s", rest)
	}
	mermaid, _ := e.run(exitOK, "graph", evilFile, "--as", "mermaid")
	if strings.Contains(mermaid, "<script") || strings.Contains(mermaid, "<img") {
		e.t.Errorf("mermaid: %s", mermaid)
	}
	if child(root(&app{}), "why") != nil {
		e.run(exitOK, "why", evilFile)
		out, _ := e.run(exitOK, "why", evilFile, "--json")
		e.documents("why --json", out)
	}
}

// running renders the picture, and looks at what it says of itself.
func (e *evil) running() {
	events, _ := e.run(exitOK, "run", evilFile, "--json")
	if n := e.documents("run --json", events); n != strings.Count(events, "\n") || n < 5 {
		e.t.Errorf("%d events on %d lines", n, strings.Count(events, "\n"))
	}
	e.run(exitOK, "run", evilFile, "--report", "run.html")
	e.page("run.html")
	picture := filepath.Join("out", evilMarkup+".png")
	data, err := os.ReadFile(filepath.Join(e.dir, picture))
	if err != nil {
		e.t.Fatal(err)
	}
	texts, err := provenance.Texts(bytes.NewReader(data))
	if err != nil || len(texts) == 0 {
		e.t.Fatal(texts, err)
	}
	record, err := provenance.Find(texts)
	if err != nil || !strings.Contains(record.Workflow, "EVIL") {
		e.t.Errorf("the picture says %+v, %v", record, err)
	}
	for _, x := range texts {
		e.plain("the picture's "+x.Key, x.Key+x.Value)
	}
	e.run(exitOK, "show", picture)
	e.run(exitOK, "show", picture, "--workflow")
	for _, flag := range []string{"--json", "--statement"} {
		out, _ := e.run(exitOK, "show", picture, flag)
		e.documents("show "+flag, out)
	}
	e.run(exitOK, "verify", picture)
	out, _ := e.run(exitOK, "verify", picture, "--json")
	e.documents("verify --json", out)
}

// testing writes a golden and then fails it by another prompt.
func (e *evil) testing() {
	e.run(exitOK, "test", evilFile, "--update")
	side, err := os.ReadFile(filepath.Join(e.dir, "goldens", evilMarkup+".png.json"))
	if err != nil {
		e.t.Fatal(err)
	}
	e.plain("the sidecar", string(side))
	e.documents("the sidecar", string(side))
	e.write(evilFile, evilWorkflow("another "+evilText))
	out, _ := e.run(exitTest, "test", evilFile, "--junit", "junit.xml", "--report", "test.html", "--update=stage")
	if !strings.Contains(out, "first divergence: node \"text\"") || strings.Count(out, "\n::error file=") != 1 {
		e.t.Errorf("flow test says\n%s", out)
	}
	e.page("test.html")
	junit, err := os.ReadFile(filepath.Join(e.dir, "junit.xml"))
	if err != nil {
		e.t.Fatal(err)
	}
	e.plain("JUnit", string(junit))
	if seen := e.elements("JUnit", string(junit)); seen["testcase"] != 1 || seen["failure"] != 1 || seen["script"]+seen["img"] != 0 {
		e.t.Errorf("JUnit: %v", seen)
	}
	summary, err := os.ReadFile(filepath.Join(e.dir, "summary.md"))
	if err != nil {
		e.t.Fatal(err)
	}
	e.plain("the summary", string(summary))
	for _, tag := range tags.FindAllString(string(summary), -1) {
		if tag != "<br>" {
			e.t.Errorf("the summary has the tag %s", tag)
		}
	}
	e.run(exitOK, "test", "accept", evilFile)
	e.write(evilFile, evilWorkflow(evilText))
}

// wrong is the file with mistakes, in every form of diagnostics.
func (e *evil) wrong() {
	wrong := "wrong-" + evilFile
	e.write(wrong, strings.NewReplacer("kind: noise", `kind: "`+evilText+`"`, "seed: 42", `seed: "`+evilText+`", "`+evilText+`": 1`, "path: \"out", "path: \"../"+evilText).Replace(evilWorkflow(evilText)))
	for _, format := range []string{"text", "json", "sarif", "github"} {
		out, _ := e.run(exitFile, "validate", wrong, "--format", format)
		if format == "json" || format == "sarif" {
			e.documents(format, out)
		}
		if format == "github" && !strings.HasPrefix(out, "::error file=") {
			e.t.Errorf("%s", out)
		}
		e.run(exitFile, "run", wrong, "--format", format)
	}
	e.run(exitFile, "run", evilFile+"-missing")
	e.run(exitFile, "run", evilFile, "-p", "prompt", "-p", evilFile+"="+evilMarkup)
}

// own are the sequences of the live line: it is erased, and the cursor is hidden and shown.
var own = regexp.MustCompile("\x1b\\[(K|\\?25[lh])|\r")

// onTerminal runs it on a terminal, where control sequences would be obeyed.
func (e *evil) onTerminal() {
	if _, err := exec.LookPath("script"); err != nil || runtime.GOOS != "linux" {
		e.t.Skip("no pseudo-terminal")
	}
	for _, args := range []string{`run "$FILE" --force -p prompt="$TEXT"`, `plan "$FILE"`, `test "$FILE"`, `bisect "$FILE" "$OTHER"`, `show "$PICTURE"`} {
		c := exec.Command("script", "-qec", `"$FLOW" `+args, "/dev/null")
		link := filepath.Join(e.t.TempDir(), "flow")
		if err := os.Symlink(os.Args[0], link); err != nil {
			e.t.Fatal(err)
		}
		c.Dir = e.dir
		c.Env = append(os.Environ(), "SHELL=/bin/sh", "TERM=xterm", "FLOW="+link, "FILE="+evilFile, "OTHER=other-"+evilFile, "PICTURE="+filepath.Join("out", evilMarkup+".png"),
			"TEXT=\x1b]0;EVIL\a\n::error::pwn\u202e", "FLOW_CACHE_DIR="+filepath.Join(e.dir, "cache"), "FLOW_MODELS=", "CI=", "GITHUB_ACTIONS=")
		out, err := c.CombinedOutput()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			e.t.Fatal(err)
		}
		if len(out) == 0 {
			e.t.Errorf("%s says nothing on a terminal", args)
		}
		e.plain(args+" on a terminal", own.ReplaceAllString(string(out), ""))
	}
}
