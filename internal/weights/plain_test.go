package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// plainFile writes a file that has settled.
func plainFile(t *testing.T, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture.png")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openPlain(t *testing.T, path string) *Plain {
	t.Helper()
	p, err := OpenPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPlainDigest(t *testing.T) {
	data := bytes.Repeat([]byte("castle "), 1<<17) // not a multiple of a block
	p := openPlain(t, plainFile(t, data))
	d, err := p.Digest(context.Background(), nil)
	if err != nil || d != sha256.Sum256(data) {
		t.Fatalf("got %v, %v", d, err)
	}
	got, err := p.Bytes(context.Background())
	if err != nil || !bytes.Equal(got, data) {
		t.Errorf("read %d bytes of %d: %v", len(got), len(data), err)
	}
}

// TestPlainRemembered: small files are hashed at once, large ones are left to Digest; the memo answers for what has settled.
func TestPlainRemembered(t *testing.T) {
	if d, unread, ok := openPlain(t, plainFile(t, []byte("small"))).Remembered(nil); !ok || unread != 0 || d != sha256.Sum256([]byte("small")) {
		t.Errorf("a small file: %v, %d, %v", d, unread, ok)
	}
	path := plainFile(t, make([]byte, hashAtOnce+1))
	memo := newMapMemo()
	p := openPlain(t, path)
	if _, unread, ok := p.Remembered(memo); ok || unread != hashAtOnce+1 {
		t.Errorf("a large file: %d bytes to read, known %v", unread, ok)
	}
	if _, err := p.Digest(context.Background(), memo); err != nil || len(memo.m) != 0 {
		t.Errorf("a file written just now is remembered: %d entries, %v", len(memo.m), err)
	}
	time.Sleep(settle + 100*time.Millisecond)
	p = openPlain(t, path)
	want, err := p.Digest(context.Background(), memo)
	if err != nil || len(memo.m) != 1 {
		t.Fatalf("a settled file is not remembered: %v", err)
	}
	if d, unread, ok := openPlain(t, path).Remembered(memo); !ok || unread != 0 || d != want {
		t.Errorf("from the memo: %v, %d, %v", d, unread, ok)
	}
	for key, val := range memo.m { // a damaged entry is as good as none
		val[40]++
		memo.m[key] = val
	}
	if _, _, ok := openPlain(t, path).Remembered(memo); ok {
		t.Error("a damaged memo answered")
	}
}

// TestPlainChanges: a file that is not the one that was opened is an error that names it, wherever it is noticed.
func TestPlainChanges(t *testing.T) {
	for name, change := range map[string]func(path string) error{
		"longer":   func(path string) error { return os.WriteFile(path, []byte("longer than before"), 0o600) },
		"shorter":  func(path string) error { return os.WriteFile(path, []byte("s"), 0o600) },
		"replaced": func(path string) error { return os.Rename(plainFile(t, []byte("before")), path) },
		"gone":     os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			path := plainFile(t, []byte("before"))
			p := openPlain(t, path)
			if _, err := p.Digest(context.Background(), nil); err != nil {
				t.Fatal(err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			_, read := p.Bytes(context.Background())
			for where, err := range map[string]error{"Bytes": read, "Verify": p.Verify()} {
				if err == nil || !strings.Contains(err.Error(), path) {
					t.Errorf("%s: %v", where, err)
				}
			}
			if _, err := openFresh(p).Digest(context.Background(), nil); err == nil {
				t.Error("Digest does not notice")
			}
		})
	}
}

// openFresh is the file as it was opened, not hashed yet.
func openFresh(p *Plain) *Plain { return &Plain{path: p.path, stamp: p.stamp} }

// TestPlainSameStamp: other bytes under an equal stamp, as within the clock's resolution, are noticed when they are read.
func TestPlainSameStamp(t *testing.T) {
	path := plainFile(t, []byte("before"))
	p := openPlain(t, path)
	if _, err := p.Digest(context.Background(), nil); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("after!"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.stamp = openPlain(t, path).stamp
	if _, err := p.Bytes(context.Background()); err == nil || !strings.Contains(err.Error(), "changed while it was in use") {
		t.Errorf("got %v", err)
	}
}

func TestPlainRefuses(t *testing.T) {
	if _, err := OpenPlain(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := OpenPlain(filepath.Join(t.TempDir(), "missing")); err == nil {
		t.Error("a missing file was opened")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := openPlain(t, plainFile(t, []byte("x"))).Digest(ctx, nil); err == nil {
		t.Error("an interrupted digest was given")
	}
}
