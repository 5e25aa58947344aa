package runtime_test

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	castleexample "github.com/seed-8af8f8e1/flow/examples/castle"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

const (
	allRan = "text:ran noise:ran latents:ran image:ran "
	allHit = "text:hit noise:hit latents:hit image:hit "
)

func (o *outcome) want(t testing.TB, what, states string) {
	t.Helper()
	if o.states != states {
		t.Errorf("%s: %s", what, o.states)
	}
}

// remembered waits until the store remembers digests of files that were written now: they count as settled after two seconds.
func (s *studio) remembered() { time.Sleep(2100 * time.Millisecond) }

// TestSecondRunDoesNoWork: it answers from the store, reads no weights - their data are gone but for the headers - and
// gives the same picture.
func TestSecondRunDoesNoWork(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.remembered()
	first := s.run()
	first.want(t, "the first run", allRan)
	second := s.run()
	second.want(t, "the second run", allHit)
	if !bytes.Equal(first.picture, second.picture) {
		t.Error("another picture")
	}
	for _, what := range []event.Type{event.NodeStarted, event.NodeProgress, event.NodeHashing, event.Warning} {
		if e := second.events.Of(what); len(e) > 0 {
			t.Errorf("%s in the second run: %v", what, e)
		}
	}
}

// TestSecondRunLoadsNoWeights: with mapped files whose pages after the header cannot be read, everything that hits is a hit.
func TestSecondRunLoadsNoWeights(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts the pages of mapped files by /proc/self/smaps")
	}
	s := newStudio(t)
	s.remembered()
	s.run()
	resident := func() (kb int) {
		data, err := os.ReadFile("/proc/self/smaps")
		if err != nil {
			t.Fatal(err)
		}
		in := false
		for line := range strings.Lines(string(data)) {
			fields := strings.Fields(line)
			switch {
			case fields[0] == "Rss:":
				n, err := strconv.Atoi(fields[1])
				if in && err == nil {
					kb += n
				}
			case !strings.HasSuffix(fields[0], ":"): // the first line of a mapping
				in = len(fields) > 5 && strings.HasPrefix(fields[5], s.dir) && strings.HasSuffix(fields[5], ".safetensors")
			}
		}
		return kb
	}
	var most int
	mapped := false
	s.hook = func(e event.Event) {
		if e.Type == event.NodeHit || e.Type == event.NodeProgress || e.Type == event.NodeDone || e.Type == event.OutputDone {
			data, err := os.ReadFile("/proc/self/maps")
			mapped = mapped || err == nil && strings.Contains(string(data), s.file("model", "unet"))
			most = max(most, resident())
		}
	}
	s.run().want(t, "the second run", allHit)
	if !mapped || most != 0 {
		t.Errorf("weights are mapped: %v; %d kB of them were read", mapped, most)
	}
	most = 0
	s.run("seed=43").want(t, "another seed", "text:hit noise:ran latents:ran image:ran ")
	if most < 1000 { // the control
		t.Errorf("a run that computes read only %d kB of weights", most)
	}
}

func TestWhatRunsAgain(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.remembered()
	first := s.run()
	again := func(what, states string, params ...string) *outcome {
		t.Helper()
		out := s.run(params...)
		out.want(t, what, states)
		return out
	}
	if out := again("a new seed", "text:hit noise:ran latents:ran image:ran ", "seed=43"); bytes.Equal(out.picture, first.picture) {
		t.Error("a new seed gives the same picture")
	}
	again("a new prompt", "text:ran noise:hit latents:ran image:ran ", "prompt=a golden castle on a beach")
	again("more steps", "text:hit noise:hit latents:ran image:ran ", "steps=3")
	again("back to the first", allHit)

	s.edit("renamed.flow.yaml", "  noise:", "  grain:", "$noise", "$grain", "  base:", "  model-of-the-castle:", "$base", "$model-of-the-castle")
	s.runFile("renamed.flow.yaml").want(t, "renamed nodes", "text:hit grain:hit latents:hit image:hit ")
	s.edit("reordered.flow.yaml", "{kind: noise, seed: $params.seed, width: $params.size, height: $params.size, rng: torch-cpu, dtype: fp32}",
		"{dtype: fp32, rng: torch-cpu, height: $params.size, width: $params.size, seed: $params.seed, kind: noise} # as before")
	s.runFile("reordered.flow.yaml").want(t, "reordered keys", allHit)
	s.edit("version.flow.yaml", "version: 1.0.0", "version: 9.9.9")
	s.runFile("version.flow.yaml").want(t, "the author's version", allHit)
	s.edit("precise.flow.yaml", "precision: bf16", "precision: fp32")
	s.runFile("precise.flow.yaml").want(t, "another precision", "text:ran noise:hit latents:ran image:ran ")
	s.edit("edition.flow.yaml", "edition: diffusers", "edition: refiners")
	s.runFile("edition.flow.yaml").want(t, "another edition", "text:ran noise:hit latents:ran image:ran ")

	moved := filepath.Join(filepath.Dir(s.dir), "moved")
	if err := os.Rename(s.dir, moved); err != nil {
		t.Fatal(err)
	}
	s.dir = moved
	if out := again("a moved folder", allHit); !bytes.Equal(out.picture, first.picture) {
		t.Error("another picture")
	}
}

// rewrite changes one byte after some quarters of a weight file, in another file under the same name.
func (s *studio) rewrite(quarters int, name ...string) (undo func()) {
	s.t.Helper()
	path := s.file(append([]string{"model"}, name...)...)
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	old := bytes.Clone(data)
	data[len(data)*quarters/4] ^= 1 // the lowest bit of a number, or the one eight above
	write := func(data []byte) {
		s.t.Helper()
		temp := path + ".new"
		if err := os.WriteFile(temp, data, 0o644); err != nil {
			s.t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			s.t.Fatal(err)
		}
		if err := os.Chtimes(temp, info.ModTime(), info.ModTime()); err != nil { // same size, same time
			s.t.Fatal(err)
		}
		if err := os.Rename(temp, path); err != nil {
			s.t.Fatal(err)
		}
	}
	write(data)
	return func() { write(old) }
}

// TestAnotherFileOfTheSameName re-runs what reads it, and nothing else.
func TestAnotherFileOfTheSameName(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.remembered()
	first := s.run()
	for _, tt := range []struct {
		part     string
		quarters int
		file     string
		states   string
	}{
		{"unet", 3, "diffusion_pytorch_model.safetensors", "text:hit noise:hit latents:ran image:"},
		{"vae", 1, "diffusion_pytorch_model.safetensors", "text:hit noise:hit latents:hit image:ran "},
		{"vae", 3, "diffusion_pytorch_model.safetensors", allHit}, // its encoder, which nothing reads
		{"text_encoder", 1, "model.safetensors", "text:ran noise:hit latents:"},
		{"text_encoder_2", 3, "model.safetensors", "text:ran noise:hit latents:"},
	} {
		undo := s.rewrite(tt.quarters, tt.part, tt.file)
		if out := s.run(); !strings.HasPrefix(out.states, tt.states) {
			t.Errorf("another %s: %s", tt.part, out.states)
		}
		undo()
		out := s.run()
		out.want(t, tt.part+" as before", allHit) // another inode with the old content
		if !bytes.Equal(out.picture, first.picture) {
			t.Errorf("%s as before gives another picture", tt.part)
		}
	}
	// configurations and tokenizers are in the keys of those that read them, by what they say
	undo := s.replaceText([]string{"model", "scheduler", "scheduler_config.json"}, `"scaled_linear"`, `"linear"`)
	s.run().want(t, "another schedule", "text:hit noise:hit latents:ran image:ran ")
	undo()
	undo = s.replaceText([]string{"model", "unet", "config.json"}, `"norm_eps": 1e-05`, `"norm_eps":   0.00001`)
	s.run().want(t, "another spelling of a configuration", allHit)
	undo()
}

// replaceText edits a file in place.
func (s *studio) replaceText(name []string, from, to string) (undo func()) {
	s.t.Helper()
	path := s.file(name...)
	data, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if !strings.Contains(string(data), from) {
		s.t.Fatalf("no %s in %s", from, path)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(data), from, to)), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return func() {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestFilesThatAreNotSettledAreHashedAgain: a model that was written a moment ago may change within the clock's resolution.
func TestFilesThatAreNotSettledAreHashedAgain(t *testing.T) {
	t.Parallel()
	s := newStudio(t)
	s.run()
	out := s.run()
	out.want(t, "the second run", allHit)
	if len(out.events.Of(event.NodeHashing)) == 0 {
		t.Error("digests of files that are a moment old were remembered")
	}
}

// TestOutputsOfOthersAreNotOverwritten, and that is said before anything is computed.
func TestOutputsOfOthersAreNotOverwritten(t *testing.T) {
	s := newStudio(t)
	path := s.file("out", "castle-42.png")
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("my only copy"), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := s.try(t.Context(), castleexample.Workflow, small...)
	if err == nil || !strings.Contains(err.Error(), "exists and flow did not write it") {
		t.Fatalf("%v, %v", out, err)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "my only copy" {
		t.Errorf("it is %q now, %v", data, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	s.run().want(t, "with the file out of the way", allRan)
	s.run("steps=3") // what flow wrote is overwritten
}

// TestPlanAndMemory: a run that does not fit says so before it begins, and says what to do.
func TestRunThatDoesNotFit(t *testing.T) {
	s := newStudio(t)
	store := s.open()
	defer func() { _ = store.Close() }()
	opt := s.options(store, "size=4096")
	opt.Memory = 1 << 30
	rec := &event.Recorder{}
	opt.Sink = rec
	w, diags := flowruntime.Read(t.Context(), s.file(castleexample.Workflow), opt)
	if w == nil {
		t.Fatal(diags)
	}
	defer w.Close()
	began := time.Now()
	res, err := w.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "of memory and the run may use 1.1 GB") || !strings.Contains(err.Error(), "--memory") {
		t.Errorf("%v, %v", res, err)
	}
	if time.Since(began) > 2*time.Second || len(rec.Events()) != 0 {
		t.Errorf("it began: %v", rec.Events())
	}
}

// TestStoresThatCannotBeWritten cost a warning, never the picture.
func TestStoresThatCannotBeWritten(t *testing.T) {
	s := newStudio(t)
	want := s.run().picture
	blocked := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, dir := range map[string]string{"no folder": "", "in a file": filepath.Join(blocked, "x"), "not ours": s.dir} {
		t.Run(name, func(t *testing.T) {
			if dir == "" { // no HOME, no FLOW_CACHE_DIR
				for _, v := range []string{"FLOW_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "LocalAppData"} {
					t.Setenv(v, "")
				}
			}
			var warning error
			s.open = func() (store cache.Store) {
				store, warning = cache.OpenOrMemory(dir, cache.Options{})
				return store
			}
			if out := s.run(); !bytes.Equal(out.picture, want) {
				t.Error("another picture")
			}
			if warning == nil || !strings.Contains(warning.Error(), "nothing will be kept for the next run") {
				t.Errorf("warning %v", warning)
			}
		})
	}
}
