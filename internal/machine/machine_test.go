package machine

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func TestGroupLimits(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("self", "0::/a/b\n3:cpu,memory:/c\n")
	write("fs/memory.max", "max\n")
	write("fs/a/memory.max", "4000\n")
	write("fs/a/b/memory.max", "max\n")
	write("fs/memory/c/memory.limit_in_bytes", "3000\n")
	write("fs/memory/memory.limit_in_bytes", "9223372036854771712\n")
	got := groupLimits(dir+"/fs", dir+"/self")
	slices.Sort(got)
	if !slices.Equal(got, []int64{3000, 4000}) {
		t.Errorf("limits %v", got)
	}
}

func TestMemoryIsPlausible(t *testing.T) {
	m := Memory()
	if runtime.GOOS == "linux" && m < 64<<20 {
		t.Errorf("%d bytes", m)
	}
}
