package trial

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
)

// stopAt ends a run after a step of its loop, and notes where a loop goes on.
type stopAt struct {
	step    int
	stop    context.CancelFunc
	resumed int
}

// Emit implements event.Sink.
func (s *stopAt) Emit(e event.Event) {
	switch {
	case e.Type == event.NodeResumed:
		s.resumed = e.Done
	case e.Type == event.NodeProgress && e.Node == "latents" && e.Done == s.step && s.stop != nil:
		s.stop()
	}
}

// TestResumedTests: a test whose run was stopped goes on in the next one, names the step that an engine has made otherwise before it was
// stopped, and writes goldens as a whole run does.
func TestResumedTests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	steps := filepath.Join(filepath.Dir(r.file), "goldens", "five.safetensors.steps")
	r.run(Rewrite, "five")
	whole, err := os.ReadFile(steps)
	if err != nil {
		t.Fatal(err)
	}
	store, err := cache.Open(t.TempDir(), cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	sink := new(stopAt)
	r.opt.Runtime = func(file string) (flowruntime.Options, error) {
		o, err := r.runtime(file)
		o.Store, o.Sink, o.Checkpoint = store, sink, time.Nanosecond
		return o, err
	}
	cut := func(step int) {
		t.Helper()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		*sink = stopAt{step: step, stop: cancel}
		opt := r.opt
		opt.Asked = func(name string) bool { return name == "five" }
		if _, err := Run(ctx, []string{r.file}, opt); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		*sink = stopAt{}
	}

	r.broken = flaw{step: 2}
	cut(4)
	got := r.run(Compare, "five")["five"]
	if want := `node "latents" (denoise@1), step 2 of 5`; sink.resumed == 0 || got.State != Fail || !strings.Contains(where(got), want) {
		t.Errorf("resumed at step %d: %s\n%s", sink.resumed, got.State, where(got))
	}

	if err := store.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(steps)); err != nil {
		t.Fatal(err)
	}
	r.broken = flaw{}
	cut(4)
	if got := r.run(Rewrite, "five")["five"]; sink.resumed == 0 || got.State != Updated {
		t.Errorf("resumed at step %d: %s %s", sink.resumed, got.State, got.Message)
	}
	if now, err := os.ReadFile(steps); err != nil || !bytes.Equal(now, whole) {
		t.Errorf("the golden of a resumed run keeps other steps: %v", err)
	}
}
