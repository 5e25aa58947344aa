package machine

import (
	"bufio"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// CPU is the processor's name as the system gives it; "" where it gives none.
func CPU() string { return field("/proc/cpuinfo", "model name") }

// PeakResident is the most memory in bytes that this process has had resident, pages of mapped files included, since it began or
// since [ResetPeak]; 0 where it cannot be told.
func PeakResident() int64 {
	kb, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/self/status", "VmHWM"), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return kb << 10
}

// ResetPeak lets PeakResident begin anew and says whether the system can.
func ResetPeak() bool {
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil
}

// field is what follows a name and a colon in a file; "" for none.
func field(file, name string) string {
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if key, value, ok := strings.Cut(sc.Text(), ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Heap is what this process keeps in Go's heap, in bytes; it collects what it does not keep.
func Heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
