package cache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// fill puts samples one minute apart, by a process that has since ended, and
// gives the store opened by another.
func fill(t *testing.T, c *clock, n int) *Disk {
	t.Helper()
	dir := t.TempDir()
	w := mustOpen(t, dir, Options{Now: c.now, Cap: -1})
	for i := range sample(n) {
		i.mustPut(t, w)
		c.advance(time.Minute)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return mustOpen(t, dir, Options{Now: c.now, Cap: -1})
}

func keysOf(r *Report) []ActionKey {
	var keys []ActionKey
	for _, x := range r.Removed {
		keys = append(keys, x.Key)
	}
	return keys
}

func mustGC(t *testing.T, d *Disk, opts GCOptions) *Report {
	t.Helper()
	r, err := d.GC(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// clean fails if there is a file that nothing names.
func clean(t *testing.T, d *Disk) {
	t.Helper()
	named := make(map[string]bool)
	for r, err := range d.Records() {
		if err != nil {
			t.Error(err)
			continue
		}
		for _, o := range r.Outputs {
			named[shard(blobDir, o.Blob)] = true
		}
	}
	for e, err := range d.walk(blobDir, "", false) {
		if err != nil || !named[e.path] {
			t.Errorf("blob %s has no record (%v)", e.path, err)
		}
	}
	if temps := tree(t, filepath.Join(d.dir, version, tmpDir)); len(temps) != 0 {
		t.Errorf("temporary files left: %v", temps)
	}
	if left := tree(t, filepath.Join(d.dir, version, leaseDir)); len(left) > 1 {
		t.Errorf("leases left: %v", left)
	}
}

func TestTrimTakesLeastRecentlyUsed(t *testing.T) {
	c := newClock()
	d := fill(t, c, 12)
	sample(0).mustHit(t, d) // the oldest is used
	d.Release()
	st, err := d.Stats(t.Context())
	if err != nil || st.Records != 12 || st.Blobs != 15 || st.Processes != 1 {
		t.Fatalf("stats %+v, %v", st, err)
	}
	want := st.Bytes * 2 / 3
	opts := GCOptions{MaxSize: want, DryRun: true}
	dry := mustGC(t, d, opts)
	if again := mustGC(t, d, opts); !slices.Equal(dry.Removed, again.Removed) || len(dry.Removed) == 0 {
		t.Fatalf("dry runs say %v and %v", dry.Removed, again.Removed)
	}
	opts.DryRun = false
	r := mustGC(t, d, opts)
	if !slices.Equal(dry.Removed, r.Removed) || dry.After != r.After || dry.Blobs != r.Blobs {
		t.Errorf("dry run said %+v, then went %+v", dry, r)
	}
	if r.Before != st.Bytes || r.After > want {
		t.Errorf("from %d to %d, want %d", r.Before, r.After, want)
	}
	for i, key := range keysOf(r) {
		s := sample(i + 1) // in the order of their use
		if key != s.key() {
			t.Fatalf("went %v, not sample %d", key, s)
		}
		miss := s.mustMiss(t, d, Evicted)
		if !miss.When.Equal(c.t) || miss.Cause != "size" || string(miss.Action) != string(s.action()) {
			t.Errorf("sample %d: %+v", s, miss)
		}
		if want := "evicted on 2026-03-01 (size)"; miss.Error() != want {
			t.Errorf("says %q, want %q", miss, want)
		}
	}
	for s := sample(len(r.Removed) + 1); s < 12; s++ {
		s.mustHit(t, d)
	}
	sample(0).mustHit(t, d)
	clean(t, d)
	sample(1).mustPut(t, d) // the tombstone goes
	sample(1).mustHit(t, d)
	os.Remove(filepath.Join(d.dir, version, shard(recordDir, sample(1).key())))
	sample(1).mustMiss(t, d, NeverRun)
}

func TestGCByAge(t *testing.T) {
	c := newClock()
	d := fill(t, c, 4)
	c.advance(10 * 24 * time.Hour)
	sample(1).mustHit(t, d)
	d.Release()
	r := mustGC(t, d, GCOptions{MaxAge: 9 * 24 * time.Hour})
	if len(r.Removed) != 3 || r.Removed[0].Cause != "age" {
		t.Errorf("went %+v", r.Removed)
	}
	sample(1).mustHit(t, d)
	sample(0).mustMiss(t, d, Evicted)
	clean(t, d)
}

func TestPinsAndLeases(t *testing.T) {
	c := newClock()
	d := fill(t, c, 4)
	if err := d.Pin(sample(9).key()); err == nil {
		t.Error("pinned what is not there")
	}
	if err := d.Pin(sample(0).key()); err != nil {
		t.Fatal(err)
	}
	other := mustOpen(t, d.dir, Options{Now: c.now, Cap: -1}) // as another process: its own lease
	sample(1).mustHit(t, other)
	sample(5).mustPut(t, other)
	c.advance(time.Hour)

	r := mustGC(t, d, GCOptions{MaxSize: 1})
	if len(r.Removed) != 2 || r.Pinned != 1 || r.InUse != 2 {
		t.Errorf("gc: %+v", r)
	}
	for _, s := range []sample{0, 1, 5} {
		s.mustHit(t, mustOpen(t, d.dir, Options{ReadOnly: true}))
	}
	if err := d.Unpin(sample(0).key()); err != nil {
		t.Fatal(err)
	}
	if err := other.Release(); err != nil {
		t.Fatal(err)
	}
	sample(1).mustHit(t, other) // on the lease again
	r = mustGC(t, d, GCOptions{MaxSize: 1})
	if len(r.Removed) != 2 || r.Pinned != 0 || r.InUse != 1 {
		t.Errorf("after unpin and release: %+v", r)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	r = mustGC(t, d, GCOptions{MaxSize: 1})
	if len(r.Removed) != 1 || r.InUse != 0 {
		t.Errorf("after close: %+v", r)
	}
	clean(t, d)
}

func TestCloseTrims(t *testing.T) {
	c := newClock()
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{Now: c.now, Cap: 60_000})
	for i := range sample(20) {
		i.mustPut(t, d)
		c.advance(time.Second)
	}
	for i := range sample(20) {
		i.mustHit(t, d) // over the cap, but all of it in use
		c.advance(time.Second)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, dir, Options{ReadOnly: true})
	st, err := d.Stats(t.Context())
	if err != nil || st.Records == 0 || st.Records == 20 {
		t.Fatalf("after close: %+v, %v", st, err)
	}
	sample(19).mustHit(t, d)
	sample(0).mustMiss(t, d, Evicted)
}

func TestGCHousekeeping(t *testing.T) {
	c := newClock()
	d := fill(t, c, 5)
	v1 := filepath.Join(d.dir, version)
	corrupt(t, d, shard(recordDir, sample(0).key()))
	corrupt(t, d, shard(recordDir, sample(1).key()))
	if err := os.Remove(filepath.Join(v1, shard(blobDir, ActionKey(blobOf(sample(4), "latents"))))); err != nil {
		t.Fatal(err)
	}
	id := randomID()
	ours := []string{tmpDir + "/" + id + "-1", tmpDir + "/" + id + "-77", leaseDir + "/" + id}
	foreign := []string{"notes.txt", tmpDir + "/x", tmpDir + "/" + id + "-x", leaseDir + "/mine", blobDir + "/ab/readme",
		blobDir + "/readme", recordDir + "/zz/" + ActionKey{1}.String(), recordDir + "/ab/" + ActionKey{1}.String()}
	for _, name := range append(slices.Clone(ours), foreign...) {
		path := filepath.Join(v1, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	r := mustGC(t, d, GCOptions{})
	if len(r.Removed) != 3 || r.Removed[0].Cause != "damaged" || r.Temps != 2 {
		t.Errorf("gc: %+v", r)
	}
	sample(2).mustHit(t, d)
	sample(3).mustHit(t, d)
	sample(4).mustMiss(t, d, Evicted)
	d.Release()
	if _, err := d.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range ours {
		if _, err := os.Lstat(filepath.Join(v1, name)); err == nil {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range foreign {
		if _, err := os.Lstat(filepath.Join(v1, name)); err != nil {
			t.Errorf("%s is not ours and is gone: %v", name, err)
		}
	}
}

func blobOf(s sample, port string) BlobID {
	for _, b := range s.blobs() {
		if b.Output.Port == port {
			return hashOf(s.bytes(port))
		}
	}
	panic("no such port")
}

func TestTombstonesAndMemosAreBounded(t *testing.T) {
	c := newClock()
	d := fill(t, c, 1)
	d.maxTombs, d.maxMemos = 50, 70
	small := func(dir string, i int) string {
		hash := hashOf([]byte{byte(i), byte(i >> 8)})
		name := shard(dir, hash)
		path := filepath.Join(d.dir, version, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644),
			os.Chtimes(path, c.t, c.t.Add(time.Duration(i)*time.Second))); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for i := range 100 {
		small(tombDir, i)
		small(memoDir, i)
	}
	c.advance(24 * time.Hour)
	mustGC(t, d, GCOptions{})
	for i, dir := range []string{tombDir, memoDir} {
		want := []int{50, 70}[i]
		if got := len(tree(t, filepath.Join(d.dir, version, dir))); got != want {
			t.Errorf("%d in %s, want %d", got, dir, want)
		}
	}
	if _, err := d.root.Lstat(shard(tombDir, hashOf([]byte{9, 0}))); err == nil {
		t.Error("an old one stayed")
	}
	c.advance(memoAge)
	if r := mustGC(t, d, GCOptions{}); r.Memos != 70 {
		t.Errorf("%d old memos went", r.Memos)
	}
}

func TestGCIsInterrupted(t *testing.T) {
	d := fill(t, newClock(), 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := d.GC(ctx, GCOptions{MaxSize: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("gc: %v", err)
	}
	if _, err := d.VerifyAll(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("verify: %v", err)
	}
	for i := range sample(3) {
		i.mustHit(t, d)
	}
}

func TestVerifyAll(t *testing.T) {
	d := fill(t, newClock(), 6)
	if v, err := d.VerifyAll(t.Context()); err != nil || len(v.Damaged) != 0 || v.Records != 6 || v.Blobs != 8 {
		t.Fatalf("verify: %+v, %v", v, err)
	}
	corrupt(t, d, shard(blobDir, blobOf(3, "latents")))
	corrupt(t, d, shard(recordDir, sample(5).key()))
	v, err := d.VerifyAll(t.Context())
	if err != nil || len(v.Damaged) != 3 { // the blob, its record, the other record
		t.Fatalf("verify: %+v, %v", v, err)
	}
	if m := v.Damaged[0]; m.Miss.Reason != BlobCorrupt || !m.Removed {
		t.Errorf("first: %+v", m)
	}
	sample(3).mustMiss(t, d, BlobMissing)
	mustGC(t, d, GCOptions{})
	if v, err := d.VerifyAll(t.Context()); err != nil || len(v.Damaged) != 0 || v.Records != 4 {
		t.Errorf("after gc: %+v, %v", v, err)
	}
}

// A put between a scan and an eviction is not undone.
func TestPutDuringGC(t *testing.T) {
	c := newClock()
	d := fill(t, c, 8) // samples 0-3 and 4-7 share an image
	other := mustOpen(t, d.dir, Options{Now: c.now, Cap: -1})
	c.advance(time.Hour)
	e := &eviction{disk: d, ctx: t.Context(), opts: GCOptions{MaxSize: 1}, patience: time.Second}
	if err := e.look(); err != nil {
		t.Fatal(err)
	}
	e.locks.release()
	e.locks = nil
	sample(1).mustPut(t, other) // all again, the image that 0, 2, 3 share too
	sample(5).mustHit(t, other) // used
	other.Release()             // the lease must not be what saves them
	if err := e.relock(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{e.temps, e.records, e.orphans} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	e.locks.release()
	e.locks = nil
	for i := range sample(8) {
		if i == 1 || i == 5 {
			i.mustHit(t, d)
		} else {
			i.mustMiss(t, d, Evicted)
		}
	}
}

// Memos that are as large as the cap do not crowd records out; a store within its cap keeps them all.
func TestMemosDoNotCrowdRecordsOut(t *testing.T) {
	c := newClock()
	d := fill(t, c, 3)
	for i := range 20 {
		d.PutMemo(fmt.Sprint("memo", i), make([]byte, 10_000))
		c.advance(time.Minute)
	}
	if err := d.Release(); err != nil {
		t.Fatal(err)
	}
	if r := mustGC(t, d, GCOptions{MaxSize: 1 << 20}); r.Memos != 0 || len(r.Removed) != 0 {
		t.Fatalf("within the cap: %+v", r)
	}
	r := mustGC(t, d, GCOptions{MaxSize: 150_000})
	if len(r.Removed) != 0 || r.Memos == 0 || r.After > 150_000 {
		t.Errorf("%d records and %d memos went, %d bytes are left", len(r.Removed), r.Memos, r.After)
	}
	if _, ok := d.GetMemo("memo0"); ok {
		t.Error("the least recently used memo is still there")
	}
	if _, ok := d.GetMemo("memo19"); !ok {
		t.Error("the last memo went")
	}
	sample(0).mustHit(t, d)
}

// An eviction that another has overtaken does not remove as much again.
func TestOvertakenEviction(t *testing.T) {
	d := fill(t, newClock(), 8)
	all, err := d.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	limit := all.Bytes * 2 / 3
	slow := &eviction{disk: d, ctx: t.Context(), opts: GCOptions{MaxSize: limit}, patience: gcPatience}
	if err := slow.look(); err != nil { // it has seen all that there is
		t.Fatal(err)
	}
	slow.locks.release()
	slow.locks = nil
	first := mustGC(t, d, GCOptions{MaxSize: limit})
	if len(first.Removed) == 0 {
		t.Fatal("nothing was removed: the test does not test")
	}
	if err := slow.relock(); err != nil {
		t.Fatal(err)
	}
	for _, step := range []func() error{slow.memos, slow.orphans, slow.records, slow.orphans} {
		if err := step(); err != nil {
			t.Fatal(err)
		}
	}
	slow.locks.release()
	if n := len(slow.report.Removed); n != 0 {
		t.Errorf("%d records went first, and %d more", len(first.Removed), n)
	}
	clean(t, d)
}

// What explains a record outlives it: action, outputs, and of its meta what is short.
func TestTombstonesExplain(t *testing.T) {
	c := newClock()
	d := mustOpen(t, t.TempDir(), Options{Now: c.now, Cap: -1})
	s := sample(1)
	rec := Record{Key: s.key(), Action: s.action(), Meta: map[string]string{"node": "n", "long": string(make([]byte, maxTombMeta))}}
	if _, err := d.Put(t.Context(), rec, s.blobs()); err != nil {
		t.Fatal(err)
	}
	if err := d.Release(); err != nil {
		t.Fatal(err)
	}
	c.advance(2 * time.Hour)
	if r := mustGC(t, d, GCOptions{MaxAge: time.Hour}); len(r.Removed) != 1 {
		t.Fatal(r)
	}
	n := 0
	for tomb := range Gone(d) {
		n++
		if tomb.Key != s.key() || string(tomb.Action) != string(s.action()) || len(tomb.Outputs) != len(s.blobs()) || len(tomb.Meta) != 1 || tomb.Meta["node"] != "n" || tomb.Created.IsZero() {
			t.Errorf("%+v", tomb)
		}
	}
	if n != 1 {
		t.Errorf("%d tombstones", n)
	}
	for range Gone(NewMemory()) {
		t.Error("a store in memory has tombstones")
	}
}

// The records that were used last come first.
func TestRecent(t *testing.T) {
	c := newClock()
	d := fill(t, c, 5)
	if _, err := d.Get(sample(1).key()); err != nil {
		t.Fatal(err)
	}
	var got []ActionKey
	for r := range Recent(d, 3) {
		got = append(got, r.Key)
	}
	if want := []ActionKey{sample(1).key(), sample(4).key(), sample(3).key()}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	n := 0
	m := NewMemory()
	for i := range sample(5) {
		i.mustPut(t, m)
	}
	for range Recent(m, 3) {
		n++
	}
	if n != 3 {
		t.Errorf("%d of a store in memory", n)
	}
}
