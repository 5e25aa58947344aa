package cache

import (
	"crypto/sha256"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func hashOf(data []byte) [32]byte { return sha256.Sum256(data) }

// corrupt flips one bit in the middle of a file.
func corrupt(t *testing.T, d *Disk, name string) {
	t.Helper()
	path := filepath.Join(d.dir, version, name)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 4
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// damages are what can befall a file.
var damages = []struct {
	name string
	do   func(r *rand.Rand, path string, data []byte) error
}{
	{"flip", func(r *rand.Rand, path string, data []byte) error {
		if len(data) > 0 {
			data[r.IntN(len(data))] ^= 1 << r.IntN(8)
		}
		return os.WriteFile(path, data, 0o644)
	}},
	{"truncate", func(r *rand.Rand, path string, data []byte) error {
		return os.Truncate(path, r.Int64N(int64(len(data)+1)))
	}},
	{"empty", func(_ *rand.Rand, path string, _ []byte) error { return os.Truncate(path, 0) }},
	{"extend", func(r *rand.Rand, path string, data []byte) error {
		return os.WriteFile(path, append(data, make([]byte, 1+r.IntN(100))...), 0o644)
	}},
	{"zero", func(_ *rand.Rand, path string, data []byte) error {
		return os.WriteFile(path, make([]byte, len(data)), 0o644)
	}},
	{"delete", func(_ *rand.Rand, path string, _ []byte) error { return os.Remove(path) }},
	{"folder", func(_ *rand.Rand, path string, _ []byte) error {
		os.Remove(path)
		return os.Mkdir(path, 0o755)
	}},
	{"huge", func(_ *rand.Rand, path string, _ []byte) error { return os.Truncate(path, 1<<40) }},
	{"link to nothing", func(_ *rand.Rand, path string, _ []byte) error {
		os.Remove(path)
		return os.Symlink("/nowhere", path)
	}},
}

// Whatever happens to any file, an answer is right or a miss, and the store
// can be used again.
func TestCorruption(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no links, no sparse files")
	}
	const n = 6
	rounds := 250
	if testing.Short() {
		rounds = 60
	}
	r := rand.New(rand.NewPCG(1, 2))
	c := newClock()
	d := fill(t, c, n)
	d.PutMemo("k", []byte("value"))
	misses, hits := 0, 0
	for round := range rounds {
		files := tree(t, filepath.Join(d.dir, version))
		name := files[r.IntN(len(files))]
		path := filepath.Join(d.dir, version, name)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damage := damages[r.IntN(len(damages))]
		if err := damage.do(r, path, data); err != nil {
			continue // of links there are none to truncate
		}
		for i := range sample(n) {
			hit, reason, err := i.get(d)
			if err != nil {
				t.Fatalf("round %d: %s of %s: %v", round, damage.name, name, err)
			}
			if hit {
				hits++
			} else if misses++; reason == nil {
				t.Fatalf("round %d: %s of %s: a miss without a reason", round, damage.name, name)
			}
		}
		if val, ok := d.GetMemo("k"); ok && string(val) != "value" {
			t.Fatalf("round %d: %s of %s: memo is %q", round, damage.name, name, val)
		}
		if info, err := os.Lstat(path); err == nil && (!info.Mode().IsRegular() || info.Size() > 1<<20) {
			os.Remove(path) // a put heals files, not folders in their place; and the test reads them
		}
		d = heal(t, d, n)
	}
	if misses < rounds/4 || hits < rounds {
		t.Errorf("%d misses and %d hits in %d rounds: the test does not test", misses, hits, rounds)
	}
}

// heal opens the store anew and puts what is missing.
func heal(t *testing.T, d *Disk, n sample) *Disk {
	t.Helper()
	dir, now := d.dir, d.now
	d.Close()
	d = mustOpen(t, dir, Options{Now: now, Cap: -1})
	if _, err := d.GC(t.Context(), GCOptions{}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if hit, _, err := i.get(d); err != nil {
			t.Fatal(err)
		} else if !hit {
			i.mustPut(t, d)
			i.mustHit(t, d)
		}
	}
	d.PutMemo("k", []byte("value"))
	return d
}

// A whole record under another's name is not that other's.
func TestSwappedFiles(t *testing.T) {
	d := fill(t, newClock(), 8)
	v1 := filepath.Join(d.dir, version)
	swap := func(a, b string) {
		if err := os.Rename(filepath.Join(v1, a), filepath.Join(v1, b)); err != nil {
			t.Fatal(err)
		}
	}
	swap(shard(recordDir, sample(0).key()), shard(recordDir, sample(1).key()))
	swap(shard(blobDir, blobOf(4, "latents")), shard(blobDir, blobOf(5, "latents")))
	sample(0).mustMiss(t, d, NeverRun)
	sample(1).mustMiss(t, d, RecordCorrupt)
	sample(4).mustMiss(t, d, BlobMissing)
	sample(5).mustMiss(t, d, BlobCorrupt)
	sample(6).mustHit(t, d)
}

func FuzzDecodeRecord(f *testing.F) {
	r := Record{Key: sample(1).key(), Action: sample(1).action(), Outputs: []Output{{Port: "a", Blob: BlobID{1}}}}
	data, err := r.encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Add(seal([]byte(`{"key":"zz"}`)))
	f.Add(seal([]byte(`null`)))
	f.Add(seal(nil))
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range [][]byte{data, seal(data)} {
			r, err := decodeRecord(sample(1).key(), d)
			if err == nil && r.Key != sample(1).key() {
				t.Errorf("took a record of %v", r.Key)
			}
		}
	})
}

func TestHashesAsText(t *testing.T) {
	k := sample(1).key()
	text := []byte(k.String())
	var key ActionKey
	if err := key.UnmarshalText(text); err != nil || key != k {
		t.Errorf("%v, %v", key, err)
	}
	var blob BlobID
	if err := blob.UnmarshalText(text); err != nil || blob != BlobID(k) {
		t.Errorf("%v, %v", blob, err)
	}
	var digest Digest
	if err := digest.UnmarshalText(text); err != nil || digest != Digest(k) {
		t.Errorf("%v, %v", digest, err)
	}
	for _, bad := range []string{"", "ab", k.String()[1:], k.String() + "0", "G" + k.String()[1:], "A" + k.String()[1:]} {
		if err := key.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("took %q", bad)
		}
	}
}
