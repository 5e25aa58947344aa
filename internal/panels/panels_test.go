package panels

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"unsafe"
)

// folder keeps files in a folder.
type folder string

func (f folder) path(key [32]byte) string                  { return filepath.Join(string(f), fmt.Sprintf("%x", key)) }
func (f folder) OpenPacked(key [32]byte) (*os.File, error) { return os.Open(f.path(key)) }
func (f folder) RoomPacked(size int64) bool                { return size < 1<<20 }
func (f folder) RemovePacked(key [32]byte) error           { return os.Remove(f.path(key)) }
func (f folder) LockPacked() (func(), bool)                { return func() {}, true }
func (f folder) PutPacked(_ context.Context, key [32]byte, _ int64, fill func(w io.Writer) error) error {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return err
	}
	return os.WriteFile(f.path(key), b.Bytes(), 0o600)
}

var example = ID{Weight: [32]byte{1, 2}, Layout: "test \"1\": ä", Blocks: 3, Block: 8}

func block(i int, dst []byte) error {
	for k := range dst {
		dst[k] = byte(10*i + k)
	}
	return nil
}

func TestStore(t *testing.T) {
	f := folder(t.TempDir())
	s := NewStore(f)
	if s.Open(example) != nil || s.Has(example) {
		t.Fatal("something was there")
	}
	if err := s.Make(t.Context(), example, block); err != nil {
		t.Fatal(err)
	}
	p := s.Open(example)
	if p == nil || !s.Has(example) {
		t.Fatal("nothing was kept")
	}
	defer p.Close()
	for i := range 3 {
		if p.Block(i) != nil {
			t.Error("a block is given out before it was verified")
		}
		want := make([]byte, 8)
		block(i, want)
		if !p.Verify(i) || len(p.Block(i)) != 2 || !bytes.Equal(unsafe.Slice((*byte)(unsafe.Pointer(&p.Block(i)[0])), 8), want) {
			t.Errorf("block %d is %v", i, p.Block(i))
		}
	}
	p.Drop()
	if want := []byte{0, 1, 2, 3, 4, 5, 6, 7}; !bytes.Equal(p.block(0), want) {
		t.Error("pages do not come back")
	}
	for name, other := range map[string]ID{"weight": {[32]byte{1, 3}, example.Layout, 3, 8}, "layout": {example.Weight, "test 2", 3, 8}, "blocks": {example.Weight, example.Layout, 2, 8}} {
		if s.Open(other) != nil {
			t.Errorf("opened as another %s", name)
		}
	}
}

func TestMakeFails(t *testing.T) {
	f := folder(t.TempDir())
	s := NewStore(f)
	broken := errors.New("broken")
	if err := s.Make(t.Context(), example, func(i int, _ []byte) error { return broken }); !errors.Is(err, broken) || s.Has(example) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Make(ctx, example, func(i int, dst []byte) error {
		cancel()
		return block(i, dst)
	})
	if !errors.Is(err, context.Canceled) || s.Has(example) {
		t.Error(err)
	}
	large := example
	large.Blocks = 1 << 20
	if err := s.Make(t.Context(), large, block); !errors.Is(err, ErrNoRoom) {
		t.Error(err)
	}
	for _, bad := range []ID{{Blocks: 0, Block: 4}, {Blocks: 1, Block: 6}, {Blocks: 1, Block: 0}, {Blocks: 1 << 62, Block: 1 << 20}, {Blocks: 1, Block: 4, Layout: strings.Repeat("x", 1025)}} {
		if err := s.Make(t.Context(), bad, block); err == nil || s.Open(bad) != nil {
			t.Errorf("took %+v", bad)
		}
	}
}

// Every byte is looked at: of the parts around the blocks when a file is opened, of a block at its first use.
func TestEveryByteCounts(t *testing.T) {
	f := folder(t.TempDir())
	s := NewStore(f)
	if err := s.Make(t.Context(), example, block); err != nil {
		t.Fatal(err)
	}
	path := f.path(example.Key())
	whole, err := os.ReadFile(path)
	if err != nil || int64(len(whole)) != example.Size() {
		t.Fatal(len(whole), err)
	}
	for at := range whole {
		bad := bytes.Clone(whole)
		bad[at] ^= 1 << (at % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		check(t, path, at)
		p := s.Open(example)
		inBlock := at >= headerSize && at < headerSize+24
		if (p != nil) != inBlock {
			t.Fatalf("byte %d: opened is %v", at, p != nil)
		}
		if p == nil {
			if s.Has(example) {
				t.Fatalf("byte %d: the file stays", at)
			}
			continue
		}
		for i := range 3 {
			if p.Verify(i) != (i != (at-headerSize)/8) {
				t.Errorf("byte %d: block %d is said to be whole", at, i)
			}
		}
		if p.Block((at-headerSize)/8) != nil || !p.Damaged() {
			t.Errorf("byte %d: a damaged block is given out", at)
		}
		p.Close()
		if s.Has(example) {
			t.Errorf("byte %d: the file stays", at)
		}
	}
	for n := range whole {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		if s.Open(example) != nil {
			t.Fatalf("opened %d bytes", n)
		}
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	check(t, path, -1)
}

// check holds Check to what was damaged; -1 is nothing.
func check(t *testing.T, path string, at int) {
	t.Helper()
	h, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := Check(h); (err == nil) != (at < 0) {
		t.Errorf("byte %d: %v", at, err)
	}
}

func TestFileCutWhileMapped(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("windows refuses to cut a mapped file")
	}
	f := folder(t.TempDir())
	s := NewStore(f)
	id := ID{Layout: "large", Blocks: 8, Block: 1 << 16}
	if err := s.Make(t.Context(), id, block); err != nil {
		t.Fatal(err)
	}
	p := s.Open(id)
	if p == nil {
		t.Fatal("not there")
	}
	if err := os.Truncate(f.path(id.Key()), 4096); err != nil {
		t.Fatal(err)
	}
	err := Guard(func() error {
		p.Verify(7)
		return nil
	}, []*Panels{p})
	if err == nil || !strings.Contains(err.Error(), "run again") {
		t.Errorf("%v", err)
	}
	p.Close()
	if s.Has(id) {
		t.Error("the file stays")
	}
}
