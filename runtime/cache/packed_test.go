package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// packed are the bytes of packed weights in tests: 1000 of them.
func (s sample) packed() []byte { return bytes.Repeat([]byte{byte(s), 1}, 500) }

func (s sample) putPacked(d *Disk) error {
	return d.PutPacked(context.Background(), s.key(), 1000, func(w io.Writer) error {
		for part := range bytesChunks(s.packed(), 300) {
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return nil
	})
}

// getPacked says whether packed weights are there; it is an error if they are not whole.
func (s sample) getPacked(d *Disk) (bool, error) {
	f, err := d.OpenPacked(s.key())
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err == nil && !bytes.Equal(data, s.packed()) {
		err = fmt.Errorf("packed weights %d have %d other bytes", s, len(data))
	}
	return true, err
}

func countPacked(d *Disk) (n int) {
	for range d.Packed() {
		n++
	}
	return n
}

func TestPackedWeights(t *testing.T) {
	c := newClock()
	d := mustOpen(t, t.TempDir(), Options{Now: c.now, Cap: 9000})
	if ok, err := sample(1).getPacked(d); ok || err != nil {
		t.Fatal(ok, err)
	}
	for s := range sample(4) {
		if !d.RoomPacked(1000) {
			t.Fatalf("no room for %d", s)
		}
		if err := s.putPacked(d); err != nil {
			t.Fatal(err)
		}
		if ok, err := s.getPacked(d); !ok || err != nil {
			t.Fatal(ok, err)
		}
		c.advance(time.Minute)
	}
	if d.RoomPacked(1000) {
		t.Error("packed weights may have more than half of the cap")
	}
	st, err := d.Stats(t.Context())
	if err != nil || st.Packed != 4 || st.PackedSize != 4000 || st.Bytes != 4000 {
		t.Errorf("%+v, %v", st, err)
	}
	c.advance(25 * time.Hour)
	for s := range sample(3) { // all but one are used
		if ok, err := sample(s + 1).getPacked(d); !ok || err != nil {
			t.Error(ok, err)
		}
	}
	if !d.RoomPacked(1000) {
		t.Error("no room though one rested for a day")
	}
	if ok, _ := sample(0).getPacked(d); ok || countPacked(d) != 3 {
		t.Error("not what rested went")
	}
	if d.RoomPacked(2000) {
		t.Error("what is in use may go")
	}
	n, size, err := d.ClearPacked(t.Context())
	if n != 3 || size != 3000 || err != nil || countPacked(d) != 0 {
		t.Errorf("cleared %d, %d bytes, %v", n, size, err)
	}
}

// Packed weights go before any record, and only as many as need to.
func TestPackedWeightsGoFirst(t *testing.T) {
	c := newClock()
	d := mustOpen(t, t.TempDir(), Options{Now: c.now, Cap: -1})
	for s := range sample(3) {
		s.mustPut(t, d)
		c.advance(time.Minute)
	}
	if err := d.Release(); err != nil {
		t.Fatal(err)
	}
	for s := range sample(5) {
		c.advance(time.Minute)
		if err := s.putPacked(d); err != nil {
			t.Fatal(err)
		}
	}
	st, err := d.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r := mustGC(t, d, GCOptions{MaxSize: st.Bytes - 1500})
	if r.Packed != 2 || len(r.Removed) != 0 || r.After != st.Bytes-2000 {
		t.Errorf("%+v", r)
	}
	if ok, _ := sample(0).getPacked(d); ok {
		t.Error("not the least recently used went")
	}
	if r = mustGC(t, d, GCOptions{MaxSize: 4000}); r.Packed != 3 || len(r.Removed) == 0 {
		t.Errorf("%+v", r)
	}
	if err := sample(7).putPacked(d); err != nil {
		t.Fatal(err)
	}
	c.advance(time.Hour)
	if r = mustGC(t, d, GCOptions{MaxSize: -1, MaxAge: time.Minute}); r.Packed != 1 {
		t.Errorf("%+v", r)
	}
	if err := sample(8).putPacked(d); err != nil {
		t.Fatal(err)
	}
	if r, err := d.Clear(t.Context()); err != nil || r.Packed != 1 || countPacked(d) != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}

// A full cache makes no room for packed weights.
func TestNoRoomForPackedWeights(t *testing.T) {
	dir := t.TempDir()
	w := mustOpen(t, dir, Options{Cap: -1})
	for s := range sample(4) {
		s.mustPut(t, w)
	}
	st, err := w.Stats(t.Context())
	if err != nil || !w.RoomPacked(1<<40) {
		t.Fatal("no room without a cap", err)
	}
	w.Close()
	if d := mustOpen(t, dir, Options{Cap: st.Bytes + 1000}); d.RoomPacked(1001) || !d.RoomPacked(900) {
		t.Error("the cap does not count what is there")
	}
	if d := mustOpen(t, dir, Options{ReadOnly: true}); d.RoomPacked(1) || sample(1).putPacked(d) == nil || d.RemovePacked(sample(1).key()) == nil {
		t.Error("packed weights can be put where nothing can be written")
	}
}

// An eviction does not hurt who has the file open.
func TestPackedWeightsAreEvictedInUse(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	if err := sample(1).putPacked(d); err != nil {
		t.Fatal(err)
	}
	f, err := d.OpenPacked(sample(1).key())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	mustGC(t, d, GCOptions{MaxSize: 1})
	if data, err := io.ReadAll(f); err != nil || !bytes.Equal(data, sample(1).packed()) {
		t.Error(err)
	}
	if ok, err := sample(1).getPacked(d); ok || err != nil {
		t.Error("not evicted", err)
	}
}

func TestPackedLock(t *testing.T) {
	dir := t.TempDir()
	a, b := mustOpen(t, dir, Options{}), mustOpen(t, dir, Options{})
	unlock, ok := a.LockPacked()
	if !ok {
		t.Fatal("nobody packs, and no lock")
	}
	if _, ok := b.LockPacked(); ok {
		t.Error("two pack at once")
	}
	unlock()
	if unlock, ok := b.LockPacked(); !ok {
		t.Error("the lock stays")
	} else {
		unlock()
	}
}

// A disk that fills up leaves no packed weights, or whole ones.
func TestDiskFullDuringPacking(t *testing.T) {
	dir := t.TempDir()
	failed := 0
	for at := 1; ; at++ {
		f := &failing{from: 1 << 30, err: syscall.ENOSPC, spare: "remove"}
		d := mustOpen(t, dir, Options{fault: f.fault})
		f.from, f.until, f.ops = at, 1<<30, 0
		err := sample(1).putPacked(d)
		if done := f.ops < at; done {
			if err != nil {
				t.Error(err)
			}
			break
		}
		f.from = 1 << 30
		if err != nil {
			if failed++; !errors.Is(err, syscall.ENOSPC) {
				t.Errorf("op %d: %v", at, err)
			}
		}
		if ok, e := sample(1).getPacked(d); e != nil || ok != (err == nil) {
			t.Errorf("op %d: put gave %v, there %v, %v", at, err, ok, e)
		}
		if temps := tree(t, filepath.Join(dir, version, tmpDir)); len(temps) != 0 {
			t.Errorf("op %d: left %v", at, temps)
		}
		d.RemovePacked(sample(1).key())
		d.Close()
	}
	if failed < 4 {
		t.Errorf("only %d ops failed", failed)
	}
}

func TestPackedWeightsBehindMemory(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	if err := sample(1).putPacked(d); err != nil {
		t.Fatal(err)
	}
	behind := mustOpen(t, dir, Options{ReadOnly: true})
	o := &overlay{Memory: NewMemory(), behind: behind}
	f, err := o.OpenPacked(sample(1).key())
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if o.RoomPacked(1) || o.PutPacked(t.Context(), sample(2).key(), 0, nil) == nil || o.RemovePacked(sample(1).key()) == nil {
		t.Error("an overlay puts")
	}
	if unlock, ok := o.LockPacked(); !ok {
		t.Error("who cannot write waits")
	} else {
		unlock()
	}
}
