package weights

import (
	"bytes"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/mapping/mappingtest"
)

// What is dropped comes back with the same bytes, and a file that is kept outlives its Close.
func TestDropAndKeep(t *testing.T) {
	f, data := bigFile(t)
	c, err := Collect("part", f, map[string]string{"w": "w"})
	if err != nil {
		t.Fatal(err)
	}
	b := NewBundle(c)
	if _, ok := b.Identity("part/w"); ok {
		t.Error("a weight has an identity before it was read")
	}
	if _, err := c.Digest(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if id, ok := b.Identity("part/w"); !ok || id == [32]byte{} {
		t.Error("a weight that was hashed has no identity")
	}
	if _, ok := b.Identity("none/w"); ok {
		t.Error("a weight of no component has an identity")
	}
	if kb := mappingtest.Resident(t, f.Path()); kb > 1024 {
		t.Errorf("%d kB stay in memory after hashing", kb)
	}
	read(data)
	if kb := mappingtest.Resident(t, f.Path()); kb < 8000 {
		t.Errorf("%d kB are in memory after reading: the test does not test", kb)
	}
	b.Drop("part/w")
	if kb := mappingtest.Resident(t, f.Path()); kb > 1024 {
		t.Errorf("%d kB stay in memory", kb)
	}
	release := b.Keep()
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(data[:16], make([]byte, 16)) || f.mapping == nil {
		t.Error("the file is unmapped though it is kept")
	}
	release()
	release()
	if f.mapping != nil {
		t.Error("the file stays mapped")
	}
}
