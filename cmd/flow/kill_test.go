//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/seed-8af8f8e1/flow/runtime/cache"
)

// workplace is a folder in which real flow processes run.
type workplace struct {
	t          *testing.T
	flow       string // the executable
	dir, store string
}

func newWorkplace(t *testing.T) *workplace {
	t.Helper()
	tiny, err := os.ReadFile("testdata/tiny.flow.yaml")
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := &workplace{t: t, flow: filepath.Join(t.TempDir(), "flow"), dir: t.TempDir(), store: filepath.Join(t.TempDir(), "store")}
	if err := os.Symlink(exe, w.flow); err != nil { // the test's binary is flow if it is called so
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "tiny.flow.yaml"), tiny, 0o666); err != nil {
		t.Fatal(err)
	}
	return w
}

// command is a flow process.
func (w *workplace) command(out string, args ...string) *exec.Cmd {
	w.t.Helper()
	models, err := filepath.Abs("../../examples/castle")
	if err != nil {
		w.t.Fatal(err)
	}
	c := exec.Command(w.flow, append(args, "--models", models, "--out", filepath.Join(w.dir, out))...)
	c.Dir = w.dir
	c.Env = append(os.Environ(), "FLOW_CACHE_DIR="+w.store, "FLOW_MODELS=")
	c.Stderr = new(bytes.Buffer)
	return c
}

// picture runs the workflow to its end and gives the picture.
func (w *workplace) picture(out string, seed int) []byte {
	w.t.Helper()
	c := w.command(out, "run", "tiny.flow.yaml", "-p", "seed="+strconv.Itoa(seed))
	if err := c.Run(); err != nil {
		w.t.Fatalf("seed %d: %v: %s", seed, err, c.Stderr)
	}
	data, err := os.ReadFile(w.path(out, seed))
	if err != nil {
		w.t.Fatal(err)
	}
	return data
}

func (w *workplace) path(out string, seed int) string {
	return filepath.Join(w.dir, out, "out", fmt.Sprintf("tiny-%d.png", seed))
}

// verify demands that nothing in the store is damaged, and that it is not empty.
func (w *workplace) verify() {
	w.t.Helper()
	d, err := cache.Open(w.store, cache.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	v, err := d.VerifyAll(w.t.Context())
	if err != nil || len(v.Damaged) != 0 || v.Records == 0 {
		w.t.Fatalf("verify: %+v, %v", v, err)
	}
}

// kills is the number of processes that are killed; FLOW_TEST_KILLS=500 makes it a long test.
func kills(t *testing.T) int {
	if text := os.Getenv("FLOW_TEST_KILLS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if testing.Short() {
		return 6
	}
	return 18
}

// TestKilled: kill -9 at random moments. A file that is there is whole, the next run gives the picture of a clean store, and nothing
// that a run would believe is damaged.
func TestKilled(t *testing.T) {
	clean, w := newWorkplace(t), newWorkplace(t)
	const seeds = 6
	var want [seeds][]byte
	took := time.Hour
	for seed := range seeds {
		began := time.Now()
		want[seed] = clean.picture("clean", seed)
		took = min(took, time.Since(began))
	}
	rnd := rand.New(rand.NewPCG(uint64(kills(t)), 11))
	killed, finished, found, litter := 0, 0, 0, 0
	for i := 0; killed < kills(t); i++ {
		if i > 5*kills(t) {
			t.Fatalf("of %d processes only %d were killed before they had finished", i, killed)
		}
		if i%seeds == 0 { // what is stored already is not stored again
			w.store = filepath.Join(t.TempDir(), "store")
		}
		out, seed := fmt.Sprint("killed", i), i%seeds
		c := w.command(out, "run", "tiny.flow.yaml", "-p", "seed="+strconv.Itoa(seed))
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rnd.Int64N(int64(took) * 5 / 4)))
		_ = c.Process.Kill() // it may have ended
		if err := c.Wait(); err == nil {
			finished++
		} else {
			killed++
		}
		if data, err := os.ReadFile(w.path(out, seed)); err == nil {
			if found++; !bytes.Equal(data, want[seed]) {
				t.Fatalf("kill %d left a picture that is not whole", i)
			}
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		litter += len(temps(t, w.store))
		if got := w.picture("after", seed); !bytes.Equal(got, want[seed]) {
			t.Fatalf("after kill %d the run gives another picture", i)
		}
		w.verify()
		if left := temps(t, w.store); len(left) != 0 {
			t.Fatalf("kill %d left %v, and the next run did not remove it", i, left)
		}
	}
	t.Logf("%d killed, %d had finished, %d had written the picture; %d files were left half-written and removed; a run takes %v", killed, finished, found, litter, took)
}

// temps lists unfinished files of a store.
func temps(t *testing.T, store string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(store, "v1", "tmp", "*"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestProcessesAtOnce on one store, of which some ask for the same and write the same file.
func TestProcessesAtOnce(t *testing.T) {
	clean, w := newWorkplace(t), newWorkplace(t)
	want := [][]byte{clean.picture("clean", 0), clean.picture("clean", 1)}
	var wg sync.WaitGroup
	for i := range 6 {
		c := w.command("shared", "run", "tiny.flow.yaml", "-p", "seed="+strconv.Itoa(i%2))
		wg.Go(func() {
			if err := c.Run(); err != nil {
				t.Errorf("process %d: %v: %s", i, err, c.Stderr)
			}
		})
	}
	wg.Wait()
	for seed := range want {
		if got, err := os.ReadFile(w.path("shared", seed)); err != nil || !bytes.Equal(got, want[seed]) {
			t.Errorf("seed %d: another picture, %v", seed, err)
		}
	}
	entries, err := os.ReadDir(filepath.Dir(w.path("shared", 0)))
	if err != nil || len(entries) != 2 {
		t.Errorf("%v, %v", entries, err)
	}
	w.verify()
	if got := w.picture("later", 1); !bytes.Equal(got, want[1]) {
		t.Error("a later run gives another picture")
	}
}

// TestFullDisk: files beyond a size cannot be written, as if the disk were full. The picture is small enough; the cache is not.
func TestFullDisk(t *testing.T) {
	clean, w := newWorkplace(t), newWorkplace(t)
	want := clean.picture("clean", 3)
	c := w.command("out", "run", "tiny.flow.yaml", "-p", "seed=3")
	limit := exec.Command("sh", append([]string{"-c", `ulimit -f 100 && exec "$0" "$@"`, c.Path}, c.Args[1:]...)...) // blocks of 512 or 1024 bytes
	limit.Dir, limit.Env = c.Dir, c.Env
	var said bytes.Buffer
	limit.Stderr = &said
	if err := limit.Run(); err != nil {
		t.Fatalf("%v: %s", err, said.String())
	}
	if !strings.Contains(said.String(), "warning: the cache does not keep this run: ") {
		t.Errorf("no warning in %s", said.String())
	}
	if got, err := os.ReadFile(w.path("out", 3)); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another picture, %v", err)
	}
	if left := temps(t, w.store); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	if got := w.picture("later", 3); !bytes.Equal(got, want) {
		t.Error("with room again: another picture")
	}
	w.verify()
}

// TestInterruptsAtRandom: Ctrl-C and SIGTERM at random moments end a process within a second with code 130, with no file half-written and no lock behind.
func TestInterruptsAtRandom(t *testing.T) {
	w := newWorkplace(t)
	rnd := rand.New(rand.NewPCG(4, 5))
	interrupted := 0
	for i := range max(4, kills(t)/4) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		out := fmt.Sprint("stopped", i)
		c := w.command(out, "run", "tiny.flow.yaml", "-p", "seed="+strconv.Itoa(i), "-p", "steps=900")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		stop := context.AfterFunc(ctx, func() { _ = c.Process.Kill() })
		time.Sleep(100*time.Millisecond + time.Duration(rnd.Int64N(int64(600*time.Millisecond))))
		sent := time.Now()
		if err := c.Process.Signal([]os.Signal{os.Interrupt, syscall.SIGTERM}[i%2]); err != nil {
			t.Fatal(err)
		}
		err := c.Wait()
		took := time.Since(sent)
		stop()
		cancel()
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			t.Fatalf("900 steps were done: %v", err)
		}
		if exit.ExitCode() == -1 && took < time.Second {
			continue // before the program had begun to listen
		}
		interrupted++
		if exit.ExitCode() != exitInterrupted || took > time.Second {
			t.Errorf("code %d after %v: %s", exit.ExitCode(), took, c.Stderr)
		}
		for _, dir := range []string{filepath.Join(w.dir, out), filepath.Join(w.store, "v1", "tmp"), filepath.Join(w.store, "v1", "leases")} {
			_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
				if err == nil && !e.IsDir() {
					t.Errorf("%s was left", path)
				}
				return nil
			})
		}
	}
	if interrupted == 0 {
		t.Error("nothing was interrupted: the test does not test")
	}
	w.picture("after", 1)
	w.verify()
}
