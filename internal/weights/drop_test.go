package weights

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"testing"
)

// residentOf gives the resident bytes of mappings of a file, by /proc/self/smaps.
func residentOf(t *testing.T, path string) (kb int) {
	t.Helper()
	data, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skip("no /proc/self/smaps")
	}
	in := false
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		switch {
		case fields[0] == "Rss:" && in:
			n, err := strconv.Atoi(fields[1])
			if err != nil {
				t.Fatal(err)
			}
			kb += n
		case !strings.HasSuffix(fields[0], ":"):
			in = len(fields) > 5 && fields[5] == path
		}
	}
	return kb
}

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
	if kb := residentOf(t, f.Path()); kb > 1024 {
		t.Errorf("%d kB stay in memory after hashing", kb)
	}
	read(data)
	if kb := residentOf(t, f.Path()); kb < 8000 {
		t.Errorf("%d kB are in memory after reading: the test does not test", kb)
	}
	b.Drop("part/w")
	if kb := residentOf(t, f.Path()); kb > 1024 {
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
