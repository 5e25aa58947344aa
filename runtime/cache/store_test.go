package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// sample is action number i: its document, its key and the bytes that it makes.
// Any process can tell whether an answer is right.
type sample int

func (s sample) action() json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"key-version":1,"kind":"noise@1","arguments":{"prompt":"<a> & \u2028","seed":"%d"}}`, int(s)))
}

func (s sample) key() ActionKey { return sha256.Sum256(s.action()) }

// bytes are 1 to 20,000 bytes for port "latents"; for "image", shared by four samples.
func (s sample) bytes(port string) []byte {
	n := uint64(s)
	if port == "image" {
		n = n/4 + 1<<40
	}
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], n)
	r := rand.NewChaCha8(seed)
	data := make([]byte, 1+r.Uint64()%20000)
	r.Read(data)
	return data
}

func (s sample) blobs() []NewBlob {
	latents, image := s.bytes("latents"), s.bytes("image")
	return []NewBlob{
		{Output: Output{Port: "latents", Digest: sha256.Sum256(latents[:1]), Media: "safetensors"}, Data: latents},
		{Output: Output{Port: "image", Digest: sha256.Sum256(image[:1]), Media: "png"}, Write: func(w io.Writer) error {
			for part := range bytesChunks(image, 3000) {
				if _, err := w.Write(part); err != nil {
					return err
				}
			}
			return nil
		}},
	}
}

func bytesChunks(data []byte, n int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			m := min(n, len(data))
			if !yield(data[:m]) {
				return
			}
			data = data[m:]
		}
	}
}

func (s sample) put(store Store) (*Record, error) {
	return store.Put(context.Background(), Record{Key: s.key(), Action: s.action(), Duration: time.Second,
		Warnings: []string{"prompt cut"}, Meta: map[string]string{"release": "test"}}, s.blobs())
}

// get reads all of a sample. It is an error if any byte is wrong; a miss is false.
func (s sample) get(store Store) (hit bool, reason error, err error) {
	r, reason := store.Get(s.key())
	if reason != nil {
		var miss *Miss
		if !errors.As(reason, &miss) || miss.Key != s.key() {
			return false, nil, fmt.Errorf("sample %d: get gave %T %v, not a miss of its key", s, reason, reason)
		}
		return false, reason, nil
	}
	if r.Key != s.key() || !bytes.Equal(r.Action, s.action()) || len(r.Outputs) != 2 || r.Duration != time.Second ||
		len(r.Warnings) != 1 || r.Meta["release"] != "test" {
		return false, nil, fmt.Errorf("sample %d: wrong record %+v", s, r)
	}
	for i, port := range []string{"latents", "image"} {
		want := s.bytes(port)
		o := r.Outputs[i]
		if o.Port != port || o.Digest != sha256.Sum256(want[:1]) || o.Size != int64(len(want)) {
			return false, nil, fmt.Errorf("sample %d: wrong output %+v", s, o)
		}
		got, reason := store.Read(o.Blob)
		if reason != nil {
			var miss *Miss
			if !errors.As(reason, &miss) || miss.Blob != o.Blob {
				return false, nil, fmt.Errorf("sample %d: read gave %T %v, not a miss of its blob", s, reason, reason)
			}
			return false, reason, nil
		}
		if !bytes.Equal(got, want) {
			return false, nil, fmt.Errorf("sample %d: %s has wrong bytes", s, port)
		}
	}
	return true, nil, nil
}

// mustHit and mustMiss fail the test otherwise.
func (s sample) mustHit(t *testing.T, store Store) {
	t.Helper()
	if hit, reason, err := s.get(store); err != nil || !hit {
		t.Fatalf("sample %d: want a hit, got %v, %v", s, reason, err)
	}
}

func (s sample) mustMiss(t *testing.T, store Store, want Reason) *Miss {
	t.Helper()
	hit, reason, err := s.get(store)
	if err != nil || hit {
		t.Fatalf("sample %d: want a miss, got hit=%v, %v", s, hit, err)
	}
	miss := reason.(*Miss)
	if miss.Reason != want {
		t.Fatalf("sample %d: missed because %v, want %v", s, miss, want)
	}
	return miss
}

func (s sample) mustPut(t *testing.T, store Store) *Record {
	t.Helper()
	r, err := s.put(store)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// clock is a time that tests move.
type clock struct{ t time.Time }

func newClock() *clock                   { return &clock{time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }
func (c *clock) now() time.Time          { return c.t }
func (c *clock) advance(d time.Duration) { c.t = c.t.Add(d) }

func mustOpen(t *testing.T, dir string, opts Options) *Disk {
	t.Helper()
	d, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// tree lists all files under dir, sorted, without the folders.
func tree(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStores(t *testing.T) {
	for name, open := range map[string]func(t *testing.T) Store{
		"disk":   func(t *testing.T) Store { return mustOpen(t, t.TempDir(), Options{}) },
		"memory": func(t *testing.T) Store { return NewMemory() },
		"overlay": func(t *testing.T) Store {
			return &overlay{NewMemory(), mustOpen(t, t.TempDir(), Options{ReadOnly: true})}
		},
	} {
		t.Run(name, func(t *testing.T) { testStore(t, open(t)) })
	}
}

// testStore is the contract of Store.
func testStore(t *testing.T, store Store) {
	sample(1).mustMiss(t, store, NeverRun)
	stored := sample(1).mustPut(t, store)
	if stored.Created.IsZero() || len(stored.Outputs) != 2 || stored.Outputs[0].Blob != sha256.Sum256(sample(1).bytes("latents")) {
		t.Fatalf("put gave %+v", stored)
	}
	sample(1).mustHit(t, store)
	sample(2).mustMiss(t, store, NeverRun)
	sample(2).mustPut(t, store)
	sample(2).mustPut(t, store) // again
	sample(1).mustHit(t, store)
	sample(2).mustHit(t, store)

	var keys []ActionKey
	for r, err := range store.Records() {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, r.Key)
	}
	if all := store.Find(""); len(keys) != 2 || len(all) != 2 || keys[0] != all[0] || keys[1] != all[1] {
		t.Fatalf("records give %v, find gives %v", keys, all)
	}
	for _, s := range []sample{1, 2} {
		for _, n := range []int{1, 2, 8, 64} {
			if got := store.Find(s.key().String()[:n]); len(got) < 1 || n >= 8 && (len(got) != 1 || got[0] != s.key()) {
				t.Errorf("find %d digits of %v: %v", n, s.key(), got)
			}
		}
	}
	for _, bad := range []string{"x", "../", sample(1).key().String() + "0"} {
		if got := store.Find(bad); len(got) != 0 {
			t.Errorf("find %q: %v", bad, got)
		}
	}
	testMemos(t, store)
	testBadPuts(t, store)
}

func testMemos(t *testing.T, store Store) {
	if _, ok := store.GetMemo("a"); ok {
		t.Error("a memo that nobody put")
	}
	for _, key := range []string{"a", "b\nc", "", "a\x00"} {
		for _, val := range [][]byte{{}, []byte("x"), []byte("y\n\x00")} {
			store.PutMemo(key, val)
			if got, ok := store.GetMemo(key); !ok || !bytes.Equal(got, val) {
				t.Errorf("memo %q: got %q %v, want %q", key, got, ok, val)
			}
		}
	}
}

func testBadPuts(t *testing.T, store Store) {
	good := sample(9)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, put := range map[string]func() error{
		"no key": func() error {
			_, err := store.Put(context.Background(), Record{Action: good.action()}, nil)
			return err
		},
		"no action": func() error {
			_, err := store.Put(context.Background(), Record{Key: good.key()}, nil)
			return err
		},
		"one port twice": func() error {
			b := good.blobs()
			_, err := store.Put(context.Background(), Record{Key: good.key(), Action: good.action()}, append(b, b[0]))
			return err
		},
		"interrupted": func() error {
			_, err := store.Put(ctx, Record{Key: good.key(), Action: good.action()}, good.blobs())
			return err
		},
		"writer fails": func() error {
			b := good.blobs()
			b[1].Write = func(w io.Writer) error {
				w.Write(make([]byte, 1<<20))
				return errors.New("no more")
			}
			_, err := store.Put(context.Background(), Record{Key: good.key(), Action: good.action()}, b)
			return err
		},
	} {
		if err := put(); err == nil {
			t.Errorf("%s: put took it", name)
		}
		good.mustMiss(t, store, NeverRun)
	}
	good.mustPut(t, store)
	good.mustHit(t, store)
}
