package cache

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// checkpoint is that of a sample after a step of ten.
func (s sample) checkpoint(step int) Checkpoint {
	c := Checkpoint{Key: s.key(), Action: s.action(), Step: step, Total: 10, Spent: time.Duration(step) * time.Second, Created: newClock().t, Meta: map[string]string{"node": "a"}}
	for i := range step {
		c.Digests = append(c.Digests, hashOf([]byte{byte(s), byte(i)}))
	}
	c.State = bytes.Repeat([]byte{byte(s), '\n', byte(step), 0}, 1000)
	return c
}

// mustKeep puts a checkpoint.
func (s sample) mustKeep(t *testing.T, d Checkpoints, step int) {
	t.Helper()
	if err := d.PutCheckpoint(t.Context(), s.checkpoint(step)); err != nil {
		t.Fatal(err)
	}
}

// resumes is the step of the checkpoint that the store gives, which has to be whole; 0 for a miss.
func (s sample) resumes(t *testing.T, d Checkpoints) int {
	t.Helper()
	got, err := d.GetCheckpoint(s.key())
	if err != nil {
		var miss *Miss
		if !errors.As(err, &miss) {
			t.Fatalf("%v is no miss", err)
		}
		return 0
	}
	if want := s.checkpoint(got.Step); !reflect.DeepEqual(*got, want) {
		t.Fatalf("%+v\nwant %+v", *got, want)
	}
	return got.Step
}

// A store that cannot be written gives what it has, and keeps and drops nothing.
func TestCheckpointsBehindMemory(t *testing.T) {
	dir, a, b := t.TempDir(), sample(1), sample(2)
	a.mustKeep(t, mustOpen(t, dir, Options{Cap: -1}), 3)
	o := &overlay{NewMemory(), mustOpen(t, dir, Options{ReadOnly: true})}
	a.mustKeep(t, CheckpointsOf(o), 5)
	b.mustKeep(t, CheckpointsOf(o), 1)
	if err := o.DropCheckpoint(a.key()); err != nil {
		t.Error(err)
	}
	if got, other := a.resumes(t, CheckpointsOf(o)), b.resumes(t, CheckpointsOf(o)); got != 3 || other != 0 {
		t.Errorf("steps %d and %d", got, other)
	}
}

func TestCheckpoints(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{Cap: -1})
	a, b := sample(1), sample(2)
	if got := a.resumes(t, d); got != 0 {
		t.Errorf("nothing was kept, and it is step %d", got)
	}
	a.mustKeep(t, d, 3)
	b.mustKeep(t, d, 1)
	a.mustKeep(t, d, 9)
	if x, y := a.resumes(t, d), b.resumes(t, d); x != 9 || y != 1 {
		t.Errorf("steps %d and %d", x, y)
	}
	if err := errors.Join(a.drop(d), a.drop(d)); err != nil {
		t.Error(err)
	}
	if x, y := a.resumes(t, d), b.resumes(t, d); x != 0 || y != 1 {
		t.Errorf("after one was dropped: steps %d and %d", x, y)
	}
	for _, step := range []int{0, 10, 11} { // a state before the loop, or after it, is none
		c := a.checkpoint(step)
		if err := d.PutCheckpoint(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		if got := a.resumes(t, d); got != 0 {
			t.Errorf("step %d of 10 is believed", got)
		}
	}
}

func (s sample) drop(d Checkpoints) error { return d.DropCheckpoint(s.key()) }

// Whatever happens to a checkpoint's file, what is given is right or a miss; what is damaged is gone then, and another can be put.
func TestDamagedCheckpoints(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no links, no sparse files")
	}
	r := rand.New(rand.NewPCG(5, 6))
	d := mustOpen(t, t.TempDir(), Options{Cap: -1})
	path := filepath.Join(d.dir, version, shard(checkpointDir, sample(1).key()))
	misses := 0
	for range 40 {
		for _, x := range damages {
			_ = os.RemoveAll(path)
			sample(1).mustKeep(t, d, 4)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := x.do(r, path, data); err != nil {
				t.Fatal(err)
			}
			if sample(1).resumes(t, d) == 0 {
				misses++
			}
		}
	}
	if misses < 40*len(damages)-10 {
		t.Errorf("%d misses", misses)
	}
	_ = os.RemoveAll(path)
	// one of another action, under the wrong name
	sample(2).mustKeep(t, d, 4)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(d.dir, version, shard(checkpointDir, sample(2).key())), path); err != nil {
		t.Fatal(err)
	}
	if got := sample(1).resumes(t, d); got != 0 {
		t.Error("another action's state is believed")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it is still there")
	}
}

// A disk that fails at any moment leaves the earlier checkpoint or the new one, and nothing half-written.
func TestFullDiskDuringCheckpoint(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, Options{Cap: -1}).Close()
	failed := 0
	for at := 1; ; at++ {
		f := &failing{from: 1 << 30, err: syscall.ENOSPC, spare: "remove"}
		d := mustOpen(t, dir, Options{Cap: -1, fault: f.fault})
		s := sample(3)
		_ = s.drop(d)
		s.mustKeep(t, d, 2)
		f.ops, f.from, f.until = 0, at, 1<<30
		err := d.PutCheckpoint(t.Context(), s.checkpoint(5))
		f.from = 1 << 30
		if got := s.resumes(t, d); err == nil && got != 5 || err != nil && got != 2 {
			t.Fatalf("op %d: %v, and then step %d", at, err, got)
		}
		if temps := tree(t, filepath.Join(d.dir, version, tmpDir)); len(temps) != 0 {
			t.Fatalf("op %d: left %v", at, temps)
		}
		full := f.ops >= at
		d.Close()
		if err != nil {
			failed++
		}
		if !full {
			break
		}
	}
	if failed < 3 {
		t.Errorf("only %d failed", failed)
	}
}

// A scope's checkpoints are its own; a store that computes anew believes none, and keeps them.
func TestScopedCheckpoints(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{Cap: -1})
	s := sample(1)
	one, two := CheckpointsOf(Scoped(d, "one")), CheckpointsOf(Scoped(d, "two"))
	s.mustKeep(t, one, 3)
	if a, b, c := s.resumes(t, one), s.resumes(t, two), s.resumes(t, d); a != 3 || b != 0 || c != 0 {
		t.Errorf("steps %d, %d, %d", a, b, c)
	}
	fresh := CheckpointsOf(Fresh(Scoped(d, "one")))
	if got := s.resumes(t, fresh); got != 0 {
		t.Errorf("a fresh store resumes at %d", got)
	}
	s.mustKeep(t, fresh, 7)
	if got := s.resumes(t, one); got != 7 {
		t.Errorf("step %d", got)
	}
	if err := s.drop(fresh); err != nil || s.resumes(t, one) != 0 {
		t.Error(err)
	}
	memory := CheckpointsOf(Scoped(NewMemory(), "one"))
	s.mustKeep(t, memory, 3)
	if got := s.resumes(t, memory); got != 0 || s.drop(memory) != nil || CheckpointsOf(NewMemory()) != nil {
		t.Error("a store in memory keeps none")
	}
}

func TestGCOfCheckpoints(t *testing.T) {
	c := newClock()
	d := mustOpen(t, t.TempDir(), Options{Now: c.now, Cap: -1})
	left := func() (n int) {
		for x, err := range d.Checkpoints() {
			if x == nil || err != nil {
				t.Error(err)
			}
			n++
		}
		return n
	}
	sample(1).mustKeep(t, d, 1)
	sample(1).mustPut(t, d) // it is done
	sample(2).mustKeep(t, d, 2)
	sample(3).mustKeep(t, d, 3)
	corrupt(t, d, shard(checkpointDir, sample(3).key()))
	st, err := d.Stats(t.Context())
	if err != nil || st.Unfinished != 3 || st.Bytes < 12000 {
		t.Errorf("%+v, %v", st, err)
	}
	if r := mustGC(t, d, GCOptions{DryRun: true}); r.Checkpoints != 2 {
		t.Errorf("a dry run: %+v", r)
	}
	if r := mustGC(t, d, GCOptions{}); r.Checkpoints != 2 || left() != 1 || sample(2).resumes(t, d) != 2 {
		t.Errorf("%+v", r)
	}
	d.Release()
	if r := mustGC(t, d, GCOptions{MaxSize: 1}); r.Checkpoints != 1 || r.After != 0 || left() != 0 {
		t.Errorf("by size: %+v", r)
	}
	sample(2).mustKeep(t, d, 2)
	c.advance(checkpointAge - time.Hour)
	if r := mustGC(t, d, GCOptions{}); r.Checkpoints != 0 {
		t.Errorf("before its age: %+v", r)
	}
	c.advance(2 * time.Hour)
	if r := mustGC(t, d, GCOptions{}); r.Checkpoints != 1 {
		t.Errorf("by age: %+v", r)
	}
	for i := range sample(maxCheckpoints + 3) {
		i.mustKeep(t, d, 1)
		c.advance(time.Minute)
	}
	if r := mustGC(t, d, GCOptions{}); r.Checkpoints != 3 || sample(2).resumes(t, d) != 0 || sample(3).resumes(t, d) != 1 {
		t.Errorf("by number: %+v", r)
	}
	if _, err := d.Clear(t.Context()); err != nil || left() != 0 {
		t.Error(err)
	}
	clean(t, d)
}

// Verify names and removes what is damaged; reading alone removes nothing.
func TestVerifyCheckpoints(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{Cap: -1})
	sample(1).mustKeep(t, d, 1)
	sample(2).mustKeep(t, d, 2)
	corrupt(t, d, shard(checkpointDir, sample(2).key()))
	look := mustOpen(t, d.dir, Options{ReadOnly: true})
	for i, store := range []*Disk{look, d, d} {
		v, err := store.VerifyAll(t.Context())
		if err != nil || v.Checkpoints != []int{2, 2, 1}[i] || len(v.Damaged) != []int{1, 1, 0}[i] {
			t.Fatalf("%d: %+v, %v", i, v, err)
		}
		if i < 2 && (v.Damaged[0].Miss.Reason != CheckpointCorrupt || v.Damaged[0].Removed != (i == 1)) {
			t.Errorf("%d: %+v", i, v.Damaged[0])
		}
	}
	if err := look.PutCheckpoint(t.Context(), sample(3).checkpoint(1)); err == nil {
		t.Error("a store that is only read keeps a checkpoint")
	}
}

// FuzzCheckpoint: what is no checkpoint is refused without a panic.
func FuzzCheckpoint(f *testing.F) {
	c := sample(1).checkpoint(2)
	data, err := c.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(seal([]byte("{}\nx")))
	f.Add(seal([]byte(`{"step":1,"total":2,"digests":[null]}` + "\n")))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, seal(data)} {
			c, err := decodeCheckpoint(sample(1).key(), data)
			if err == nil && (c.Step < 1 || c.Step >= c.Total || len(c.Digests) != c.Step || !json.Valid(c.Action) && c.Action != nil) {
				t.Fatalf("%+v", c)
			}
		}
	})
}
