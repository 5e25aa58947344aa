package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/provenance"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/spec"
)

// flowIn runs the command in the current folder.
func flowIn(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	a := &app{in: strings.NewReader(""), out: &out, err: &errs}
	defer a.close()
	c := root(a)
	c.SetArgs(args)
	err := c.ExecuteContext(context.Background())
	var e *exitError
	switch {
	case err == nil:
		return exitOK, out.String(), errs.String()
	case errors.As(err, &e):
		return e.code, out.String(), errs.String() + e.message
	}
	return exitFile, out.String(), errs.String() + err.Error()
}

// withRecord writes a picture with a record into the current folder.
func withRecord(t *testing.T, name string, m *nodes.Image, r provenance.Record) {
	t.Helper()
	data, err := nodes.EncodePNG(m)
	if err != nil {
		t.Fatal(err)
	}
	chunk, err := r.Chunk()
	if err != nil {
		t.Fatal(err)
	}
	const head = 8 + 25
	data = append(data[:head:head], append(chunk, data[head:]...)...)
	if err := os.WriteFile(name, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// inFolder gives a test a current folder, a cache and the small model of its own.
func inFolder(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("FLOW_CACHE_DIR", filepath.Join(t.TempDir(), "cache"))
	t.Setenv("FLOW_MODELS", smallModels)
}

// smallModels is the folder of the small model.
var smallModels, _ = filepath.Abs("../../examples/castle")

const hostile = `flow: v1
name: "n"
models: {m: {path: model}}
params: {where: {type: string, default: "../../../../tmp/flow-escape"}}
nodes:
  b: {kind: load-model, weights: $models.m}
  n: {kind: noise, seed: 1, width: 64, height: 64}
  p: {kind: decode, model: $b, latents: $n}
outputs:
  a: {from: $p, path: "PATH"}
  b: {from: $p, path: other.png}
`

func TestPicturesChooseNoFolder(t *testing.T) {
	m := &nodes.Image{Width: 1, Height: 1, Pix: make([]byte, 3)}
	for path, want := range map[string]int{"deep/er/x.png": exitOK, "../x.png": exitFile, "/tmp/flow-escape.png": exitFile, "${params.where}/x.png": exitFile} {
		inFolder(t)
		withRecord(t, "in.png", m, provenance.Record{Output: "a", Workflow: strings.Replace(hostile, "PATH", path, 1)})
		code, out, errs := flowIn(t, "run", "in.png")
		if code != want || want == exitOK && out != "x.png\n" {
			t.Errorf("%s: %d, %q, %s", path, code, out, errs)
		}
		entries, err := os.ReadDir(".")
		if err != nil || want == exitOK && len(entries) != 2 || want != exitOK && len(entries) != 1 {
			t.Errorf("%s: the folder has %v, %v", path, entries, err)
		}
	}
}

func TestPicturesAreShownHarmless(t *testing.T) {
	inFolder(t)
	m := &nodes.Image{Width: 1, Height: 1, Pix: make([]byte, 3)}
	evil := "\x1b[2J\x1b]0;title\a\u202e\rx"
	withRecord(t, "in.png", m, provenance.Record{Output: evil, Release: evil, Numerics: evil, Pixels: evil, Lock: evil, Workflow: "flow: v1\n# " + evil, Actions: []provenance.Action{{Node: evil, Key: evil, Action: []byte("{}")}}})
	for _, args := range [][]string{{"show", "in.png"}, {"show", "in.png", "--workflow"}, {"show", "in.png", "--json"}, {"show", "in.png", "--statement"}, {"run", "in.png"}, {"verify", "in.png"}} {
		_, out, errs := flowIn(t, args...)
		if strings.ContainsAny(out+errs, "\x1b\a\r\u202e") {
			t.Errorf("%v: %q %q", args, out, errs)
		}
	}
}

// A picture names its lock by digest: a path in its place is not read, and what lies beside it under a lock's name and is none neither stops nor ends a run.
func TestPicturesNameLocksByDigest(t *testing.T) {
	m := &nodes.Image{Width: 1, Height: 1, Pix: make([]byte, 3)}
	for _, name := range []string{"secret", "../secret", "./secret", strings.Repeat("0", 64), digest(nil)} {
		inFolder(t)
		if err := errors.Join(os.WriteFile("secret", []byte("lock: 1\nsecret: text\n"), 0o666), os.Mkdir("folder.lock", 0o777), os.Symlink("/dev/zero", "endless.lock"), os.Symlink("/dev/stdin", "in.lock"),
			os.WriteFile("large.lock", make([]byte, spec.MaxSize+1), 0o666)); err != nil {
			t.Fatal(err)
		}
		withRecord(t, "in.png", m, provenance.Record{Output: "a", Lock: name, Workflow: strings.Replace(hostile, "PATH", "x.png", 1)})
		code, _, errs := flowIn(t, "run", "in.png", "--locked")
		if code != exitDiffers || !strings.Contains(errs, "the lock that in.png was made with") || strings.Contains(errs, "secret: text") {
			t.Errorf("%s, locked: %d, %s", name, code, errs)
		}
		if code, _, errs = flowIn(t, "run", "in.png"); code != exitOK || !strings.Contains(errs, "note: the lock that in.png was made with") {
			t.Errorf("%s: %d, %s", name, code, errs)
		}
	}
}

// Before a picture from elsewhere takes more than a minute its plan is shown, by verify too; of a short run verify shows none.
func TestVerifyShowsLongPlans(t *testing.T) {
	const long = `flow: v1
name: "n"
models: {m: {path: model}}
nodes:
  b: {kind: load-model, weights: $models.m}
  t: {kind: encode-prompt, model: $b, prompt: a castle}
  n: {kind: noise, seed: 1, width: SIZE, height: SIZE}
  l: {kind: denoise, model: $b, latents: $n, conditioning: $t, solver: STEPS}
  p: {kind: decode, model: $b, latents: $l}
outputs: {a: {from: $p, path: x.png}}
`
	m := &nodes.Image{Width: 1, Height: 1, Pix: make([]byte, 3)}
	for _, x := range []struct {
		size, steps string
		shown       bool
	}{{"64", "1", false}, {"1024", "900", true}} {
		for _, args := range [][]string{{"verify", "in.png"}, {"verify", "in.png", "--json"}} {
			inFolder(t)
			withRecord(t, "in.png", m, provenance.Record{Output: "a", Workflow: strings.NewReplacer("SIZE", x.size, "STEPS", x.steps).Replace(long)})
			ctx, cancel := context.WithCancel(t.Context())
			errs := &watched{text: "multiplies a second", seen: cancel}
			a := &app{in: strings.NewReader(""), out: io.Discard, err: errs}
			c := root(a)
			c.SetArgs(args)
			_ = c.ExecuteContext(ctx)
			a.close()
			if shown := ctx.Err() != nil; shown != x.shown {
				t.Errorf("%v of %s steps: the plan is shown: %v\n%s", args, x.steps, shown, errs.String())
			}
			cancel()
		}
	}
}

// watched is a text that is looked for as it is written.
type watched struct {
	mu sync.Mutex
	bytes.Buffer
	text string
	seen func()
}

// Write implements io.Writer.
func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.Buffer.Write(p)
	if strings.Contains(w.Buffer.String(), w.text) {
		w.seen()
	}
	return n, err
}

// TestVerifyTellsWhatChanged: pixels changed after the run, a record of other actions, another workflow.
func TestVerifyTellsWhatChanged(t *testing.T) {
	inFolder(t)
	workflow := strings.Replace(hostile, "PATH", "x.png", 1)
	withRecord(t, "in.png", &nodes.Image{Width: 1, Height: 1, Pix: make([]byte, 3)}, provenance.Record{Output: "a", Workflow: workflow})
	if code, _, errs := flowIn(t, "run", "in.png"); code != exitOK {
		t.Fatal(errs)
	}
	p, err := recorded("x.png")
	if err != nil {
		t.Fatal(err)
	}
	m, err := p.pixels()
	if err != nil {
		t.Fatal(err)
	}
	check := func(name string, m *nodes.Image, r provenance.Record, code int, want string) {
		t.Helper()
		withRecord(t, name, m, r)
		got, out, errs := flowIn(t, "verify", name)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("%s: %d %q %s, want %d %q", name, got, out, errs, code, want)
		}
	}
	check("same.png", m, *p.record, exitOK, "the same, pixel by pixel (bf16@1)")
	changed := &nodes.Image{Width: m.Width, Height: m.Height, Pix: append([]byte{m.Pix[0] ^ 1}, m.Pix[1:]...)}
	check("changed.png", changed, *p.record, exitTest, "the file's pixels were changed after flow wrote it")
	other := *p.record
	other.Pixels = changed.Digest().String()
	check("release.png", changed, other, exitTest, "another picture, by the same actions")
	other.Actions = append([]provenance.Action(nil), p.record.Actions...)
	other.Actions[1].Key = strings.Repeat("0", 64)
	check("weights.png", changed, other, exitTest, `node "`+other.Actions[1].Node+`" did something else`)
	check("luck.png", m, other, exitOK, "did something else")
}
