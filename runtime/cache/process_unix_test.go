//go:build unix

package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// childLimit puts blobs that the system stops writing half-way.
func childLimit(dir string) error {
	signal.Ignore(unix.SIGXFSZ)
	limit := unix.Rlimit{Cur: 300 << 10, Max: 300 << 10}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	store, warning := OpenOrMemory(dir, Options{Cap: -1})
	if warning != nil {
		return warning
	}
	big := sample(7).blobs()
	big[1].Write = func(w io.Writer) error {
		for range 100 {
			if _, err := w.Write(make([]byte, 100<<10)); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := store.Put(context.Background(), Record{Key: sample(7).key(), Action: sample(7).action()}, big)
	if !errors.Is(err, syscall.EFBIG) {
		return fmt.Errorf("put of 10 MB under a limit of 300 kB: %v", err)
	}
	if _, err := sample(8).put(store); err != nil {
		return err
	}
	if hit, reason, err := sample(8).get(store); !hit {
		return errors.Join(reason, err)
	}
	return store.Close()
}

// The system's own refusal, not an injected one, leaves nothing half-written.
func TestWriteIsCutBySystem(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "cache")
	cmd := start(t, "limit", 0, dir)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v", err, cmd.Stderr)
	}
	if temps := tree(t, filepath.Join(dir, version, tmpDir)); len(temps) != 0 {
		t.Errorf("left %v", temps)
	}
	d := mustOpen(t, dir, Options{})
	sample(7).mustMiss(t, d, NeverRun)
	sample(8).mustHit(t, d)
	if v, err := d.VerifyAll(t.Context()); err != nil || v.Blobs != 2 || len(v.Damaged) != 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}
