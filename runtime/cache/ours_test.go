package cache

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestClear(t *testing.T) {
	c := newClock()
	d := fill(t, c, 3)
	d.PutMemo("a", []byte("x"))
	mustGC(t, d, GCOptions{MaxSize: 1}) // for tombstones
	d.PutMemo("a", []byte("x"))
	for i := range sample(4) {
		i.mustPut(t, d)
	}
	if err := d.Pin(sample(1).key()); err != nil {
		t.Fatal(err)
	}
	d.Release()
	sample(2).mustHit(t, d) // in use
	r, err := d.Clear(t.Context())
	if err != nil || len(r.Removed) != 3 || r.InUse != 1 {
		t.Fatalf("clear: %+v, %v", r, err)
	}
	sample(2).mustHit(t, d)
	for _, s := range []sample{0, 1, 3} {
		s.mustMiss(t, d, NeverRun)
	}
	if _, ok := d.GetMemo("a"); ok {
		t.Error("memo is still there")
	}
	d.Release()
	if r, err = d.Clear(t.Context()); err != nil || r.After != 0 {
		t.Fatalf("clear: %+v, %v", r, err)
	}
	clean(t, d)
	if got, want := tree(t, d.dir), 4; len(got) != want { // tag, gate, lock, own lease
		t.Errorf("left: %v", got)
	}
	sample(1).mustPut(t, d)
	sample(1).mustHit(t, d)
}

func TestGCRefusesWithoutTag(t *testing.T) {
	c := newClock()
	d := fill(t, c, 2)
	tag := filepath.Join(d.dir, tagName)
	for _, damage := range []func() error{
		func() error { return os.WriteFile(tag, []byte(tagSignature+"\n"), 0o644) },
		func() error { return os.Remove(tag) },
	} {
		if err := damage(); err != nil {
			t.Fatal(err)
		}
		if _, err := d.GC(t.Context(), GCOptions{MaxSize: 1}); err == nil {
			t.Error("gc went on")
		}
		if _, err := d.Clear(t.Context()); err == nil {
			t.Error("clear went on")
		}
		sample(0).mustHit(t, d)
		sample(1).mustHit(t, d)
		d.Release()
	}
}

func TestLinksAreNotFollowed(t *testing.T) {
	for _, at := range []string{recordDir, recordDir + "/ab", blobDir, blobDir + "/ab", memoDir, tmpDir, leaseDir, pinDir, ""} {
		for _, absolute := range []bool{true, false} {
			testLink(t, at, absolute)
		}
	}
}

// testLink puts a link to a folder of another's where ours should be.
func testLink(t *testing.T, at string, absolute bool) {
	parent := t.TempDir()
	precious := filepath.Join(parent, "precious")
	name := "ab" + ActionKey{}.String()[2:]
	id := randomID()
	for _, f := range []string{name, "ab/" + name, recordDir + "/ab/" + name, id, id + "-1"} {
		path := filepath.Join(precious, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	before := snapshot(t, precious)
	dir := filepath.Join(parent, "cache")
	d := mustOpen(t, dir, Options{Cap: -1})
	d.Close()
	link := filepath.Join(dir, version, at)
	target := precious
	if !absolute {
		rel, err := filepath.Rel(filepath.Dir(link), precious)
		if err != nil {
			t.Fatal(err)
		}
		target = rel
	}
	if err := errors.Join(os.RemoveAll(link), os.Symlink(target, link)); err != nil {
		t.Skip(err)
	}
	if d, err := Open(dir, Options{Cap: -1}); err == nil {
		for i := range sample(4) {
			i.put(d) // may fail
			i.get(d)
		}
		d.PutMemo("x", nil)
		d.Release()
		d.GC(t.Context(), GCOptions{MaxSize: 1})
		d.Clear(t.Context())
		d.VerifyAll(t.Context())
		d.Close()
	} else if at == "" {
		var notOurs *NotOursError
		if !errors.As(err, &notOurs) {
			t.Errorf("%q: %v", at, err)
		}
	}
	if after := snapshot(t, precious); !slices.Equal(before, after) {
		t.Errorf("%q: another's folder changed from %v to %v", at, before, after)
	}
}

func TestLinkedFolderIsAllowed(t *testing.T) {
	parent := t.TempDir()
	if err := os.Mkdir(filepath.Join(parent, "big-disk"), 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(parent, "cache")
	if err := os.Symlink("big-disk", link); err != nil {
		t.Skip(err)
	}
	d := mustOpen(t, link, Options{})
	sample(1).mustPut(t, d)
	sample(1).mustHit(t, d)
}
