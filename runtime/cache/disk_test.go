package cache

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestOpenRefusesForeignFolders(t *testing.T) {
	for name, fill := range map[string]map[string]string{
		"in use":            {"holiday.jpg": "x"},
		"hidden file":       {".git": "x"},
		"another's tag":     {tagName: tagSignature + "\n# This folder is a cache made by cargo.\n"},
		"signature only":    {tagName: tagSignature + "\n"},
		"our line alone":    {tagName: tagOurs + "\n" + tagSignature + "\n"},
		"empty tag":         {tagName: ""},
		"layout, no tag":    {version: "x"},
		"like a half tag":   {tagTemp + "zzzz": ""},
		"layout is no dir":  {tagName: tagText, version: "x"},
		"half tag and more": {tagTemp + strings.Repeat("a", 16): "", "x": ""},
	} {
		for _, readOnly := range []bool{false, true} {
			dir := t.TempDir()
			for file, text := range fill {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			d, err := Open(dir, Options{ReadOnly: readOnly})
			var notOurs *NotOursError
			if !errors.As(err, &notOurs) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "FLOW_CACHE_DIR") {
				t.Errorf("%s: open gave %v, %v", name, d, err)
			}
			if got := tree(t, dir); len(got) != len(fill) {
				t.Errorf("%s: folder now holds %v", name, got)
			}
		}
	}
}

func TestOpenTakes(t *testing.T) {
	t.Run("a new folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "a", "b")
		sample(1).mustPut(t, mustOpen(t, dir, Options{}))
		text, err := os.ReadFile(filepath.Join(dir, tagName))
		if err != nil || !strings.HasPrefix(string(text), "Signature: 8a477f597d28d172789f06886806bc55\n") {
			t.Fatalf("tag is %q, %v", text, err)
		}
		sample(1).mustHit(t, mustOpen(t, dir, Options{}))
	})
	t.Run("one whose first open was killed", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, tagTemp+randomID()), []byte("Sig"), 0o644); err != nil {
			t.Fatal(err)
		}
		sample(1).mustPut(t, mustOpen(t, dir, Options{}))
	})
	t.Run("a tag with another line end", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, tagName), []byte(strings.ReplaceAll(tagText, "\n", "\r\n")), 0o644); err != nil {
			t.Fatal(err)
		}
		sample(1).mustPut(t, mustOpen(t, dir, Options{}))
	})
	t.Run("a file, not", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); err == nil {
			t.Fatal("opened a file")
		}
	})
}

// snapshot gives every file with its size and time.
func snapshot(t *testing.T, dir string) []string {
	t.Helper()
	all := tree(t, dir)
	for i, name := range all {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		all[i] += " " + info.ModTime().String()
	}
	return all
}

func TestReadOnlyChangesNothing(t *testing.T) {
	dir := t.TempDir()
	w, err := Open(dir, Options{Now: newClock().now})
	if err != nil {
		t.Fatal(err)
	}
	r := sample(1).mustPut(t, w)
	sample(2).mustPut(t, w)
	w.PutMemo("a", []byte("x"))
	corrupt(t, w, shard(blobDir, r.Outputs[0].Blob))
	w.Close()
	before := snapshot(t, dir)
	d := mustOpen(t, dir, Options{ReadOnly: true})
	sample(1).mustMiss(t, d, BlobCorrupt)
	sample(2).mustHit(t, d)
	if _, err := sample(3).put(d); err == nil {
		t.Error("put took it")
	}
	d.PutMemo("b", nil)
	d.GetMemo("a")
	if _, err := d.Clear(t.Context()); err == nil {
		t.Error("clear went on")
	}
	if _, err := d.GC(t.Context(), GCOptions{}); err == nil {
		t.Error("gc went on")
	}
	if d.Pin(sample(2).key()) == nil || d.Unpin(sample(2).key()) == nil || d.Release() == nil {
		t.Error("pin, unpin or release went on")
	}
	if v, err := d.VerifyAll(t.Context()); err != nil || len(v.Damaged) != 1 || v.Damaged[0].Removed {
		t.Errorf("verify gave %+v, %v", v, err)
	}
	if rep, err := d.GC(t.Context(), GCOptions{MaxSize: 1, DryRun: true}); err != nil || len(rep.Removed) != 2 {
		t.Errorf("dry run gave %+v, %v", rep, err)
	}
	d.Close()
	if after := snapshot(t, dir); !slices.Equal(before, after) {
		t.Errorf("changed from\n%s\nto\n%s", strings.Join(before, "\n"), strings.Join(after, "\n"))
	}
}

func TestReadOnlyWithoutFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	d := mustOpen(t, dir, Options{ReadOnly: true})
	sample(1).mustMiss(t, d, NeverRun)
	if _, err := d.Read(BlobID{1}); err == nil {
		t.Error("read gave a blob")
	}
	if d.Find("") != nil {
		t.Error("find found something")
	}
	for range d.Records() {
		t.Error("there is a record")
	}
	if _, err := d.Stats(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := d.VerifyAll(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := d.GC(t.Context(), GCOptions{DryRun: true}); err != nil {
		t.Error(err)
	}
	if pinned, err := d.Pinned(sample(1).key()); pinned || err != nil {
		t.Error(pinned, err)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder was made: %v", err)
	}
}

// refuse is a fault of every operation.
func refuse(err error) func(op, name string) error {
	return func(string, string) error { return err }
}

func TestOpenOrMemory(t *testing.T) {
	dir := t.TempDir()
	w := mustOpen(t, dir, Options{})
	sample(1).mustPut(t, w)
	w.PutMemo("a", []byte("x"))
	w.Close()
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "x"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, dir string
		fault     error
		warns     bool
		hasOne    bool
	}{
		{"fine", dir, nil, false, true},
		{"full", dir, syscall.ENOSPC, true, true},
		{"read only", dir, syscall.EROFS, true, true},
		{"not ours", foreign, nil, true, false},
		{"below a file", filepath.Join(foreign, "x", "y"), nil, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			var opts Options
			if c.fault != nil {
				opts.fault = refuse(c.fault)
			}
			s, warning := OpenOrMemory(c.dir, opts)
			t.Cleanup(func() { s.Close() })
			if (warning != nil) != c.warns {
				t.Fatalf("warning is %v", warning)
			}
			if _, ok := s.GetMemo("a"); ok != c.hasOne {
				t.Errorf("memo is there: %v", ok)
			}
			if c.hasOne {
				sample(1).mustHit(t, s)
			}
			sample(2).mustPut(t, s)
			sample(2).mustHit(t, s)
			if n := len(s.Find("")); c.hasOne && n < 2 || !c.hasOne && n != 1 {
				t.Errorf("finds %d records", n)
			}
			n := 0
			for _, err := range s.Records() {
				if n++; err != nil {
					t.Error(err)
				}
			}
			if n != len(s.Find("")) {
				t.Errorf("gives %d records", n)
			}
		})
	}
	if got := tree(t, foreign); len(got) != 1 {
		t.Errorf("foreign folder now holds %v", got)
	}
}

func TestNoHome(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the folder comes from another variable")
	}
	for _, v := range []string{"HOME", "XDG_CACHE_HOME", "FLOW_CACHE_DIR"} {
		t.Setenv(v, "")
	}
	if _, err := DefaultDir(); err == nil || !strings.Contains(err.Error(), "FLOW_CACHE_DIR") {
		t.Errorf("default folder without a home: %v", err)
	}
	s, warning := OpenOrMemory("", Options{})
	if warning == nil {
		t.Error("no warning")
	}
	sample(1).mustPut(t, s)
	sample(1).mustHit(t, s)

	t.Setenv("FLOW_CACHE_DIR", "here")
	if dir, err := DefaultDir(); err != nil || !filepath.IsAbs(dir) || filepath.Base(dir) != "here" {
		t.Errorf("FLOW_CACHE_DIR=here gives %q, %v", dir, err)
	}
}

func TestDefaultCap(t *testing.T) {
	dir := t.TempDir()
	total, err := diskSize(dir)
	if err != nil {
		t.Skip(err)
	}
	want := min(total/10, 20<<30)
	if got := DefaultCap(filepath.Join(dir, "not", "yet")); got != want || got <= 0 {
		t.Errorf("cap is %d, want %d", got, want)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("root writes into any folder")
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(dir, 0o700)
	s, warning := OpenOrMemory(dir, Options{})
	if warning == nil {
		t.Error("no warning")
	}
	sample(1).mustPut(t, s)
	sample(1).mustHit(t, s)
}

func TestClosed(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	sample(1).mustPut(t, d)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	sample(1).mustMiss(t, d, Unreadable)
	if _, err := sample(2).put(d); err == nil {
		t.Error("put took it")
	}
	if got, err := filepath.Glob(filepath.Join(d.dir, version, leaseDir, "*")); err != nil || len(got) != 0 {
		t.Errorf("leases left: %v, %v", got, err)
	}
}

func TestMemoryKeepsToItsBound(t *testing.T) {
	m := NewMemory()
	m.cap = 100_000
	for i := range sample(50) {
		i.mustPut(t, m)
		i.mustHit(t, m)
		sample(0).mustHit(t, m) // in use: stays
		if m.size > m.cap {
			t.Fatalf("holds %d bytes", m.size)
		}
	}
	sample(10).mustMiss(t, m, Evicted)
	sample(10).mustPut(t, m)
	sample(10).mustHit(t, m)
	m.cap = 10
	if _, err := sample(51).put(m); err == nil {
		t.Error("put took more than the bound")
	}
}
