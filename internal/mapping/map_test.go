package mapping

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-8af8f8e1/flow/internal/mapping/mappingtest"
)

// Parts that are read and dropped one after the other leave nothing, though the system maps what is around each.
func TestDropTakesWhatIsAroundToo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	content := bytes.Repeat([]byte("0123456789abcdef"), 5<<16+3)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	m, err := Map(f, int64(len(content)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = Unmap(m) }()
	if !bytes.Equal(m, content) || mappingtest.Resident(t, path) < 1000 {
		t.Fatal("a file that was read is not in memory")
	}
	Drop(m, m)
	for from := 0; from < len(m); from += 150_000 {
		part := m[from:min(from+1000, len(m))]
		if !bytes.Equal(part, content[from:from+len(part)]) {
			t.Fatalf("other bytes at %d", from)
		}
		Drop(part, m)
		if kb := mappingtest.Resident(t, path); kb != 0 {
			t.Fatalf("%d kB are left of the bytes at %d", kb, from)
		}
	}
	Drop(m[:0], m)
}
