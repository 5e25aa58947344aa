package cache

import (
	"testing"
	"time"
)

// A plan asks for a thousand records and has 50 ms for everything.
func BenchmarkGetReadOnly(b *testing.B) { benchmarkGet(b, true) }

// A run also takes the lock, leases the record and notes its use.
func BenchmarkGet(b *testing.B) { benchmarkGet(b, false) }

func benchmarkGet(b *testing.B, readOnly bool) {
	dir := b.TempDir()
	w, err := Open(dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	const n = 50
	for i := range sample(n) {
		if _, err := i.put(w); err != nil {
			b.Fatal(err)
		}
	}
	w.Close()
	d, err := Open(dir, Options{ReadOnly: readOnly, Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	i := 0
	for b.Loop() {
		if _, err := d.Get(sample(i % n).key()); err != nil {
			b.Fatal(err)
		}
		i++
	}
}

// BenchmarkCheckpoint keeps what the loop of a picture of 1024x1024 carries.
func BenchmarkCheckpoint(b *testing.B) {
	d, err := Open(b.TempDir(), Options{Cap: -1})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	c := sample(1).checkpoint(5)
	c.State = make([]byte, 128*128*4*4)
	for b.Loop() {
		if err := d.PutCheckpoint(b.Context(), c); err != nil {
			b.Fatal(err)
		}
	}
}
