package runtime_test

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	castleexample "github.com/seed-8af8f8e1/flow/examples/castle"
	"github.com/seed-8af8f8e1/flow/internal/cpu"
	"github.com/seed-8af8f8e1/flow/nodes"
	"github.com/seed-8af8f8e1/flow/nodes/kinds"
	flowruntime "github.com/seed-8af8f8e1/flow/runtime"
	"github.com/seed-8af8f8e1/flow/runtime/cache"
	"github.com/seed-8af8f8e1/flow/runtime/event"
	"github.com/seed-8af8f8e1/flow/runtime/plan"
	"github.com/seed-8af8f8e1/flow/runtime/sched"
	"github.com/seed-8af8f8e1/flow/spec"
)

// studio is a folder with the castle and a store, in which workflows are run.
type studio struct {
	t     testing.TB
	dir   string // of the workflow
	store string // folder of the store
	open  func() cache.Store
	hook  func(event.Event) // sees every event
}

// newStudio writes the example out. Its files are old enough for the store to remember their digests.
func newStudio(t testing.TB) *studio {
	t.Helper()
	s := &studio{t: t, dir: filepath.Join(t.TempDir(), "castle"), store: filepath.Join(t.TempDir(), "store")}
	s.open = func() cache.Store {
		d, err := cache.Open(s.store, cache.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	if err := os.CopyFS(s.dir, castleexample.Files()); err != nil {
		t.Fatal(err)
	}
	s.settle()
	return s
}

// settle makes all files look as if they were written an hour ago; what remains new is the time of the inodes' change.
func (s *studio) settle() {
	s.t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Chtimes(path, old, old)
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *studio) file(name ...string) string {
	return filepath.Join(append([]string{s.dir}, name...)...)
}

// small are parameters that make the castle quick.
var small = []string{"size=64", "steps=2"}

// options are those of a run with parameters NAME=VALUE.
func (s *studio) options(store cache.Store, params ...string) flowruntime.Options {
	s.t.Helper()
	var overrides []spec.Override
	for _, p := range params {
		o, problem := spec.ParseOverride(p)
		if problem != nil {
			s.t.Fatal(problem)
		}
		overrides = append(overrides, o)
	}
	return flowruntime.Options{
		Options: plan.Options{Registry: kinds.Registry(), Overrides: overrides, Files: flowruntime.FinderFor(s.file(castleexample.Workflow), nil, nil)},
		Env:     nodes.Env{Executor: cpu.New()},
		Store:   store,
		Sink:    event.Discard,
		Folder:  s.dir,
	}
}

// outcome is what a run did.
type outcome struct {
	*sched.Result
	events  *event.Recorder
	states  string // of the stored nodes, in the order of the plan
	picture []byte
}

// sinks passes events on.
type sinks struct {
	rec  *event.Recorder
	hook func(event.Event)
	mu   sync.Mutex
}

// Emit implements event.Sink.
func (s *sinks) Emit(e event.Event) {
	s.rec.Emit(e)
	if s.hook != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.hook(e)
	}
}

// try runs the castle, or another workflow in the same folder.
func (s *studio) try(ctx context.Context, workflow string, params ...string) (*outcome, error) {
	s.t.Helper()
	store := s.open()
	defer func() {
		if err := store.Close(); err != nil {
			s.t.Error(err)
		}
	}()
	opt := s.options(store, params...)
	rec := &event.Recorder{}
	opt.Sink = &sinks{rec: rec, hook: s.hook}
	w, diags := flowruntime.Read(ctx, s.file(workflow), opt)
	if w == nil {
		s.t.Fatal(diags)
	}
	defer w.Close()
	res, err := w.Run(ctx)
	if err != nil {
		return nil, err
	}
	out := &outcome{Result: res, events: rec}
	for _, x := range res.Steps {
		if x.State != sched.Live {
			out.states += fmt.Sprintf("%s:%s ", x.Name, x.State)
		}
	}
	for _, path := range res.Written {
		if out.picture, err = os.ReadFile(path); err != nil {
			s.t.Fatal(err)
		}
	}
	return out, nil
}

// run runs the small castle and demands that it is done.
func (s *studio) run(params ...string) *outcome {
	s.t.Helper()
	return s.runFile(castleexample.Workflow, params...)
}

func (s *studio) runFile(workflow string, params ...string) *outcome {
	s.t.Helper()
	out, err := s.try(s.t.Context(), workflow, append(append([]string{}, small...), params...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	if out.Err != nil || len(out.picture) == 0 {
		s.t.Fatalf("ended with %v, wrote %v", out.Err, out.Written)
	}
	return out
}

// edit writes a changed workflow.
func (s *studio) edit(name string, replace ...string) {
	s.t.Helper()
	data, err := os.ReadFile(s.file(castleexample.Workflow))
	if err != nil {
		s.t.Fatal(err)
	}
	text := strings.NewReplacer(replace...).Replace(string(data))
	if text == string(data) {
		s.t.Fatalf("nothing to replace in %q", replace)
	}
	if err := os.WriteFile(s.file(name), []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
}
